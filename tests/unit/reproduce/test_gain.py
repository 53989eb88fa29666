"""The lines below Table 2: SCORE minus TALLRec, over the seeds and on the rows that both have."""

from __future__ import annotations

import numpy as np
import pytest

from scorerec.evaluate.measure import measure
from scorerec.reproduce.gain import gain_lines
from scorerec.reproduce.plan import SCORE, Row
from scorerec.reproduce.records import Part, Record

LLM, TITLES = Row("llm", "llm"), Row("titles", "titles")
NOISE = np.random.default_rng(0).normal(0, 0.01, 50)


def part(auc: float, rows: str, n_rows: int = 2) -> Part:
    measured = measure([0, 0], [0, 1], [0.0, 1.0])
    return Part(
        rows_fingerprint=rows,
        measured=measured.model_copy(update={"auc": auc, "uauc": auc, "n_rows": n_rows}),
        draws={metric: list(auc + NOISE) for metric in ("auc", "uauc")},
    )


def record(key: str, seed: int, auc: float, named: Part | None = None, rows: str = "all") -> Record:
    """Return a record; ``named`` is of SCORE's evidence."""
    about = {"fingerprint": "f", "split": "test", "seconds": 1.0, "stand_ins": [], "machine": "any"}
    return Record(key=key, seed=seed, named={} if named is None else {"score": named}, **dict(part(auc, rows)), **about)


RECORDS = {
    ("score", 0): record("score", 0, 0.72, part(0.80, "n0", 1000)),
    ("score", 1): record("score", 1, 0.74, part(0.82, "n1", 1200)),
    ("score", 2): record("score", 2, 0.99, part(0.99, "n2", 1)),
    ("llm", 0): record("llm", 0, 0.70, part(0.70, "n0", 1000)),
    ("llm", 1): record("llm", 1, 0.70, part(0.70, "n1", 1200)),
    ("titles", 0): record("titles", 0, 0.69),
}


def test_the_seeds_and_rows_that_both_have_count() -> None:
    titles, score = gain_lines((LLM, TITLES, SCORE), RECORDS, (0, 1, 2))
    whole, named = score.split(" On the ")
    assert whole.startswith("**Collaborative information.** SCORE minus TALLRec: +0.0300 AUC [")
    assert whole.endswith("(2 seeds, p not corrected).")
    assert named.startswith("1,100 rows whose evidence tells of the target: +0.1100 AUC [")
    assert titles.startswith("**Collaborative information.** SCORE, the paper's titles minus TALLRec: -0.0100 AUC [")
    assert "(1 seed, p not corrected)." in titles
    assert " On the " not in titles  # it was not measured there


@pytest.mark.parametrize("missing", ["score", "llm"])
def test_nothing_is_said_where_one_of_the_two_is_not_there(missing: str) -> None:
    left = {place: one for place, one in RECORDS.items() if missing not in place}
    assert gain_lines((LLM, SCORE), left, (0, 1)) == []


def test_other_rows_are_not_compared() -> None:
    other = {**RECORDS, ("llm", 0): record("llm", 0, 0.7, part(0.7, "others"))}
    (line,) = gain_lines((LLM, SCORE), other, (0,))
    assert " On the " not in line
    assert gain_lines((LLM, SCORE), {**RECORDS, ("llm", 0): record("llm", 0, 0.7, rows="others")}, (0,)) == []
