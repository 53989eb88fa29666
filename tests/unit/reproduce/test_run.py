"""A record is kept where nothing that is wanted of its row is missing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from scorerec.core.artifacts import fingerprint
from scorerec.evaluate.results import Health, Moved, Moves
from scorerec.evaluate.rows import JudgedRows
from scorerec.experiment.methods import METHODS
from scorerec.experiment.runner import Progress
from scorerec.reproduce.plan import ITEM_MEAN, SCORE, Row
from scorerec.reproduce.records import Record, make_record
from scorerec.reproduce.run import Job, Reproduction

WORLD = (
    'data.source={name="synthetic", n_users=20, n_items=100}',
    'data.split={by="months", train=[0, 9], valid=[10, 10], test=[11, 11]}',
)
HEALTH_ROWS = "evaluation.health_rows=10"
MOVED = Moved(mean_change=0.1, n_rows=10)


@pytest.fixture
def plain(tmp_path: Path) -> Reproduction:
    return Reproduction("ml-1m-toy", WORLD, tmp_path / "runs", tmp_path / "page.md")


def record(made: Reproduction, row: Row, health: Health | None) -> Record:
    """Return a record that the present settings made, with such a health."""
    users, labels, names = np.array([0, 0]), np.array([0, 1], np.int8), ("a", "b")
    rows = JudgedRows("test", names, ("u", "u"), names, users, labels, {row.method: np.array([0.1, 0.2])})
    identity = fingerprint(made.runner(Job(row, 0)).identities[METHODS[row.method].stage])
    return make_record(
        row.key, 0, identity, rows, row.method, {"seconds": 1, "stand_ins": [], "machine": "any", "health": health}
    )


@pytest.mark.parametrize(
    ("moves", "is_kept"),
    [(None, False), (Moves(), False), (Moves(history=MOVED), True), (Moves(history=MOVED, evidence=MOVED), True)],
)
def test_a_row_of_an_lm_whose_health_is_wanted_and_was_not_measured_is_made_anew(
    plain: Reproduction, moves: Moves | None, is_kept: bool
) -> None:
    health = None if moves is None else Health(method="score", interaction_share=0.5, item_correlation=0.5, moves=moves)
    records = {("score", 0): record(plain, SCORE, health)}
    asked = replace(plain, changes=[*plain.changes, HEALTH_ROWS])
    assert plain.is_kept(Job(SCORE, 0), records)
    assert asked.is_kept(Job(SCORE, 0), records) == is_kept


def test_a_row_without_an_lm_has_no_health_to_wait_for(plain: Reproduction) -> None:
    asked = replace(plain, changes=[*plain.changes, HEALTH_ROWS])
    assert asked.is_kept(Job(ITEM_MEAN, 0), {("item-mean", 0): record(plain, ITEM_MEAN, None)})


def test_what_is_left_is_told_of_rows_that_were_timed(plain: Reproduction, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row that takes seconds says nothing of one that takes an hour."""
    told: list[Progress] = []
    made = replace(plain, tell=told.append)
    monkeypatch.setattr(Reproduction, "_record", lambda self, job: record(self, job.row, None))
    assert not made.make([Job(ITEM_MEAN, 0), Job(ITEM_MEAN, 1), Job(SCORE, 0)])
    left = [one.note.partition("; ")[2] for one in told if one.state == "begins"]
    unknown = "time left not known yet"
    assert left == [unknown, "less than a minute left, beside 1 never timed", unknown]
