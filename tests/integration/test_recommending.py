"""K_e and K_s are varied when recommending: everything that was trained is used as it is."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from scorerec.core.tables import PROMPTS, SCORES

METHODS = 'methods=["item-mean","item+user-mean","score","score-at"]'
WANTED = ["prompts-score-at", "scores-score-at"]


def columns(artifact: Any) -> dict[str, float]:
    table = artifact.table(SCORES)
    return dict(zip(table["target_id"].to_pylist(), table["p_yes"].to_pylist(), strict=True))


@pytest.fixture(scope="module")
def root(outcome: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("recommending") / "runs"
    shutil.copytree(outcome.root, copy)
    return copy


def test_the_numbers_of_training_give_the_scores_of_training(root: Path, outcome: Any, experiment: Any) -> None:
    run = experiment.run(root, METHODS, "name=same", to="scores-score-at")
    assert run.ran == WANTED
    same, trained = columns(run.artifacts["scores-score-at"]), columns(outcome.artifacts["scores-score"])
    assert same == pytest.approx(trained, abs=1e-6)


def test_other_numbers_change_what_is_shown_and_train_nothing(root: Path, outcome: Any, experiment: Any) -> None:
    run = experiment.run(root, METHODS, "name=fewer", "recommending.n_context_users=1", to="scores-score-at")
    assert run.ran == WANTED
    shown = [
        {segment["behaviour_id"] for segment in row if segment["behaviour_id"] is not None}
        for row in run.artifacts["prompts-score-at"].table(PROMPTS)["segments"].to_pylist()
    ]
    assert set(map(len, shown)) <= {0, 1}
    assert columns(run.artifacts["scores-score-at"]) != columns(outcome.artifacts["scores-score"])
    none = experiment.run(root, METHODS, "name=wider", "recommending.n_candidates=20", to="scores-score-at")
    assert none.ran == WANTED
