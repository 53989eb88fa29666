"""Whether an LM reads is measured with the parts of other users' rows, and of nobody's own."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from scorerec.experiment.stages.health import _moved
from scorerec.llm.score import Scores
from scorerec.text.exchange import with_evidence_of, with_history_of
from scorerec.text.segments import Segment


def prompt(history: str, evidence: str) -> list[Segment]:
    return [
        Segment("history", history, history),
        *([Segment("evidence", evidence, evidence, "b")] if evidence else []),
        Segment("target", "x", "x"),
    ]


class ByKind:
    """An LM whose p(Yes) is told by the first title of one kind, and by nothing else."""

    def __init__(self, kind: str, p_yes: dict[str, float]):
        self.kind, self.of_title = kind, p_yes
        self.read: list[list[Segment]] = []

    def score_groups(self, groups: Any) -> list[Scores]:
        self.read += [list(prompt) for group in groups for prompt in group.suffixes]
        rows = [
            [next(part.text for part in one if part.kind == self.kind) for one in group.suffixes] for group in groups
        ]
        return [Scores(np.array([self.of_title[title] for title in row]), np.ones(len(row), np.int32)) for row in rows]


SHOWN = [prompt("a", "c"), prompt("b", "c"), prompt("a", "d"), prompt("b", "")]
USERS = ["u", "v", "u", "w"]


def test_an_lm_that_ignores_evidence_does_not_move_with_it() -> None:
    by_history: Any = ByKind("history", {"a": 0.2, "b": 0.9})
    evidence = _moved(by_history, SHOWN, USERS, with_evidence_of)
    assert evidence is not None
    assert (evidence.mean_change, evidence.n_rows) == (0.0, 3)  # the last row shows none
    history = _moved(by_history, SHOWN, USERS, with_history_of)
    assert history is not None
    # a <- b (v), b <- a (u), a <- b (w), b <- a (u): the second row of u is not given u's own first one.
    assert (history.mean_change, history.n_rows) == (pytest.approx(0.7), 4)


def test_one_that_reads_it_does() -> None:
    by_evidence: Any = ByKind("evidence", {"c": 0.1, "d": 0.5})
    found = _moved(by_evidence, SHOWN, USERS, with_evidence_of)
    assert found is not None
    assert found.mean_change == pytest.approx((0.0 + 0.4 + 0.4) / 3)  # c <- c (v), c <- d (u), d <- c (v)
    assert all(len(one) == 3 for one in by_evidence.read)


def test_where_nobody_else_shows_any_nothing_is_measured() -> None:
    lm: Any = SimpleNamespace(score_groups=None)
    assert _moved(lm, SHOWN, ["u"] * 4, with_history_of) is None
    assert _moved(lm, SHOWN[3:], USERS[3:], with_evidence_of) is None
