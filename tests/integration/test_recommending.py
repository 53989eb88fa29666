"""K_e and K_s are varied when recommending: everything that was trained is used as it is."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scorerec.core.errors import ConfigError
from scorerec.core.tables import ASSESSMENTS, BEHAVIOURS, NEIGHBOURS, PROMPTS, SCORES
from scorerec.experiment.run import Run
from scorerec.llm.reading import Trees
from scorerec.serve.explain import opened_recommender

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


def test_what_the_prompts_of_a_user_share_is_read_once_for_the_same_recommendations(
    outcome: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    trees = []
    whole = Trees.answers
    monkeypatch.setattr(Trees, "answers", lambda self, *given: trees.append(given[0]) or whole(self, *given))

    def found(share: bool) -> dict[str, float]:
        made = outcome.made
        llm = made.config.llm.model_copy(update={"share_prefixes": share})
        run = Run(made.config.model_copy(update={"llm": llm}), made.artifacts, made.root, made.folder)
        liked = run.behaviours["item_ids"][0].as_py()
        with opened_recommender(run) as recommender:
            return {item.item_id: item.p_yes for item in recommender.recommend("stranger", liked, liked, 20)}

    plain = found(False)
    assert (len(plain), trees) == (20, [])
    assert found(True) == pytest.approx(plain, abs=1e-5)
    assert sum(map(len, trees)) >= 20


def test_own_vectors_of_users_drive_eq_4(root: Path, experiment: Any, outcome: Any) -> None:
    users = outcome.artifacts["neighbours"].table(BEHAVIOURS)["user_id"].to_pylist()
    angles = np.linspace(0, np.pi / 2, len(users))
    path = root.parent / "own.parquet"
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).tolist()
    pq.write_table(pa.table({"user_id": users, "vector": vectors}), path)
    changes = [f"evidence.user_vectors={path}", "car.n_prefixes=0", "name=own"]
    run = experiment.run(root, *changes, to="neighbours")
    assert run.ran == ["neighbours"]
    found = run.artifacts["neighbours"].table(NEIGHBOURS).to_pylist()
    nearest = {row["behaviour_id"]: row["neighbour_id"] for row in found if row["rank"] == 1}
    assert nearest[users[0]] == users[1]  # the next on the quarter circle
    with pytest.raises(ConfigError, match=r"set car\.n_prefixes=0"):
        experiment.config(f"evidence.user_vectors={path}", "car.n_prefixes=1")


def test_solved_examples_stand_before_the_question_of_an_untuned_lm(root: Path, experiment: Any) -> None:
    methods = 'methods=["item-mean","item+user-mean","score","icl"]'
    plain = experiment.run(root, methods, "name=icl", to="scores-icl")
    shots = experiment.run(root, methods, "name=shots", "baselines.icl.shots=3", to="scores-icl")
    assert shots.ran == ["scores-icl"]
    examples = shots.artifacts["scores-icl"].facts["examples"]
    assert [part.rsplit(" ", 1)[1] for part in examples.strip().split("\n\n")] == ["Yes", "No", "Yes"]
    longer, shorter = (run.artifacts["scores-icl"].table(SCORES) for run in (shots, plain))
    assert min(longer["n_tokens"].to_pylist()) > max(shorter["n_tokens"].to_pylist())
    assert columns(shots.artifacts["scores-icl"]) != columns(plain.artifacts["scores-icl"])


def test_an_llm_of_this_process_assesses_in_a_run(root: Path, outcome: Any, experiment: Any) -> None:
    model = outcome.artifacts["backbone"].path / "model"  # a toy, whose replies are of no use, and are an LM's
    local = f'assess={{assessor="local", n_targets=6, local={{model="{model}", max_new_tokens=5}}}}'
    run = experiment.run(root, local, "name=local", 'sare.teacher="assessment"', to="sare")
    made = run.artifacts["assessments"]
    replies = made.table(ASSESSMENTS)
    assert (replies.num_rows, set(replies["model"].to_pylist())) == (6, {str(model)})
    assert made.facts["is_llm"]
    assert made.facts["tokens_out"] <= 6 * 5
    assert list((run.artifacts["sare"].path / "model").iterdir())
    again = experiment.run(root, local, "name=again", "assess.n_targets=5", to="assessments")
    assert again.artifacts["assessments"].facts["n_prompts_asked"] == 0
