"""Lines of a table: which seeds are in a mean and in a difference, and how the page tells that some are missing."""

from __future__ import annotations

import numpy as np
import pytest

from scorerec.core.errors import ConfigError
from scorerec.evaluate.measure import measure
from scorerec.reproduce.command import _jobs, _seeds_of
from scorerec.reproduce.page import Section, beyond_rows, text_rows
from scorerec.reproduce.plan import ITEM_MEAN, OVER_SEEDS, REGIMES, SCORE, TABLES, Row, compared_in
from scorerec.reproduce.records import Record
from scorerec.reproduce.summary import Line, summarise

OTHER = Row("other", "llm", (), "another")
SEEDS = (0, 1, 2)


def record(key: str, seed: int, auc: float) -> Record:
    return Record(
        key=key,
        seed=seed,
        fingerprint="f",
        split="test",
        rows_fingerprint="rows",
        measured=measure([0, 0], [0, 1], [0.0, 1.0]).model_copy(update={"auc": auc, "uauc": auc}),
        draws={metric: list(np.random.default_rng(0).normal(auc, 0.01, 50)) for metric in ("auc", "uauc")},
        seconds=float(seed),
        stand_ins=[],
        machine="any",
    )


RECORDS = {
    (key, seed): record(key, seed, auc)
    for key, by_seed in {
        "score": {0: 0.60, 1: 0.70, 2: 0.80},
        "item-mean": {0: 0.50, 1: 0.50, 2: 0.50},
        "other": {1: 0.66},
    }.items()
    for seed, auc in by_seed.items()
}


def lines(table: str) -> dict[str, Line]:
    """Return the lines of a table by key, with that of the row that all are compared with as "score"."""
    ours = compared_in(table)
    records = {(ours.key if key == "score" else key, seed): one for (key, seed), one in RECORDS.items()}
    found = summarise(table, (ITEM_MEAN, OTHER, ours), _seeds_of(table, SEEDS), records, {}, "")
    return {"score" if line.row == ours else line.row.key: line for line in found}


@pytest.mark.parametrize("table", [table for table in TABLES if table not in OVER_SEEDS])
def test_tables_of_one_seed_have_it_in_every_row(table: str) -> None:
    by_key = lines(table)
    assert {key: line.seeds for key, line in by_key.items()} == {"score": (0,), "item-mean": (0,), "other": ()}
    assert by_key["score"].mean("auc") == 0.60  # not 0.70, the mean over all that are kept
    assert by_key["score"].seconds == 0.0
    against = by_key["item-mean"].differences["auc"]
    assert against.value == pytest.approx(0.10)
    assert against.n_seeds == 1
    assert by_key["item-mean"].improvement == pytest.approx(0.60 / 0.50 - 1)
    assert by_key["other"].differences == {}  # kept for another seed alone


@pytest.mark.parametrize("table", OVER_SEEDS)
def test_tables_over_seeds_compare_those_that_both_have(table: str) -> None:
    by_key = lines(table)
    assert by_key["score"].mean("auc") == pytest.approx(0.70)
    whole, part = by_key["item-mean"].differences["uauc"], by_key["other"].differences["uauc"]
    assert whole.value == pytest.approx(0.20)
    assert part.value == pytest.approx(0.70 - 0.66)
    assert (whole.n_seeds, part.n_seeds) == (3, 1)
    assert by_key["other"].improvement == pytest.approx(0.70 / 0.66 - 1)


def test_the_page_marks_rows_of_fewer_seeds_than_asked_for() -> None:
    def shown(table: str) -> list[str]:
        return [row["seeds"] for row in text_rows(Section(table, list(lines(table).values())))]

    assert shown("fig3") == ["3", "1 of 3", "3"]
    assert shown("table3") == ["1", "0 of 1", "1"]


def test_jobs_are_those_that_tables_show_the_first_seed_first() -> None:
    plans = {"fig3": (SCORE,), "fig4": (OTHER,)}
    found = [(job.row.key, job.seed) for job in _jobs(("fig3", "fig4"), plans, (2, 0), lm_seeds=True)]
    assert found == [("score", 2), ("other", 2), ("score", 0)]


def test_rows_that_take_minutes_have_one_seed_unless_more_are_asked_for() -> None:
    plans = {"table2": (ITEM_MEAN, Row("mf", "crm", (), "MF"), OTHER, SCORE)}
    found = {
        lm_seeds: [(job.row.key, job.seed) for job in _jobs(("table2",), plans, (2, 0), lm_seeds)]
        for lm_seeds in (True, False)
    }
    of_first = [("item-mean", 2), ("mf", 2), ("other", 2), ("score", 2)]
    assert found[False] == [*of_first, ("item-mean", 0), ("mf", 0)]
    assert found[True] == [*of_first, ("item-mean", 0), ("mf", 0), ("other", 0), ("score", 0)]


def test_rows_asked_for_by_name_are_made_over_all_seeds_and_no_others() -> None:
    plans = {"table2": (ITEM_MEAN, OTHER, SCORE)}
    found = _jobs(("table2",), plans, (2, 0), lm_seeds=False, only=["score"])
    assert [(job.row.key, job.seed) for job in found] == [("score", 2), ("score", 0)]
    with pytest.raises(ConfigError, match="wanted some of item-mean, other, score, got scores"):
        _jobs(("table2",), plans, (0,), lm_seeds=False, only=["scores"])


def test_beyond_the_paper_every_row_of_a_regime_is_in_one_file() -> None:
    regime = REGIMES[0]
    found = summarise(regime.table, regime.rows, SEEDS, RECORDS, {}, "")
    rows = beyond_rows([Section("fig3", found), Section(regime.table, found)])
    assert [row["method"] for row in rows][-2:] == ["verdicts", "score"]
    assert {row["regime"] for row in rows} == {"A"}
    assert len({row["method"] for row in rows}) == len(rows) == len(regime.rows)
    means = {row["method"]: (row["auc"], row["seeds"]) for row in rows}
    assert means["verdicts"] == (pytest.approx(0.7), 3)
    assert means["score"] == (None, 0)
