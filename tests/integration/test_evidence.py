"""A run whose prompts show every form of evidence: its rows, what its stages read, recommending, and forgetting."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pytest

from scorerec.core.errors import ConfigError
from scorerec.core.tables import INTERACTIONS, KNOWLEDGE, PROMPTS, RANKINGS, SCORES, SHARED, TARGETS
from scorerec.experiment.plan import stages_of
from scorerec.experiment.run import Run
from scorerec.pipeline.forms.registry import FORMS
from scorerec.pipeline.recommend import Request
from scorerec.serve import explain
from scorerec.serve.forget import forget
from scorerec.serve.live import add_behaviours

EVERY = f"evidence.forms=[{', '.join(f'{chr(34)}{form}{chr(34)}' for form in FORMS)}]"
SETTINGS = (
    # Few items, so that they are rated often.
    'data.source={name="synthetic", n_users=60, n_items=300, quality_strength=0.0}',
    "evidence.force=true",
    "evidence.own_dislikes=true",
    "llm.teacher=0.5",
    "llm.taught_by=expectation",
    'methods=["item-mean", "item+user-mean", "shuffled", "empty", "score"]',
    "name=every",
    EVERY,
)
CONTROLS = ("counts", "known-mean", "regression", "trees", "expectation")


@pytest.fixture(scope="module")
def every(experiment: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return experiment.run(tmp_path_factory.mktemp("every"), *SETTINGS)


def said(run: Any, stage: str) -> dict[str, list[str]]:
    """Return target_id -> what is said of the target, a text per form."""
    rows = run.artifacts[stage].table(PROMPTS).to_pylist()
    return {row["target_id"]: [part["text"] for part in row["segments"] if part["kind"] == "verdict"] for row in rows}


def test_the_table_has_the_controls_of_all_forms(every: Any) -> None:
    results = json.loads((every.artifacts["report"].path / "results.json").read_text(encoding="utf-8"))
    assert {*CONTROLS, "score"} <= set(results["labels"])
    assert "evidence.own_dislikes" in results["verdict"][-1]  # who knows more is said
    scores = every.artifacts["expectation"].table(SCORES)
    for key in CONTROLS[1:]:
        assert np.unique(scores.filter(pc.equal(scores["method"], key))["p_yes"].to_numpy()).size > 20
    assert every.artifacts["tuned-score"].manifest["inputs"].keys() >= {"expectation"}


def test_prompts_say_each_form_once_and_another_rows_where_they_are_shuffled(every: Any) -> None:
    own, others = said(every, "prompts-score"), said(every, "prompts-shuffled")
    assert {len(texts) for texts in own.values()} == {len(FORMS) - 1}
    assert sorted(map(tuple, own.values())) != sorted(map(tuple, others.values()))  # "about" has the target's own words
    assert [texts[0] for texts in own.values()] == [
        texts[0] for texts in others.values()
    ]  # of the user, not the target
    assert len({texts[0] for texts in own.values()}) > 2
    for place in (1, 2, 4, 5):  # shared, verdicts, record, opinion
        assert sorted(texts[place] for texts in own.values()) == sorted(texts[place] for texts in others.values())
        assert np.mean([own[name][place] == others[name][place] for name in own]) < 0.8
    assert {tuple(texts) for texts in said(every, "prompts-empty").values()} == {
        (". Other viewers have rated it", *[""] * (len(FORMS) - 2))
    }


def test_what_its_stages_read_is_what_they_declare(every: Any) -> None:
    stages = {stage.name: stage for stage in stages_of(every.config)}
    for name in ("knowledge", "expectation", "shared", "consensus", "prompts-score", "prompts-shuffled", "tuned-score"):
        assert set(stages[name].reads) == every.read[name].stages, name
        assert set(stages[name].readable) == every.read[name].settings or name == "tuned-score", name
    for name in ("knowledge", "expectation", "shared"):
        assert set(stages[f"{name}-shuffled"].reads) == every.read[f"{name}-shuffled"].stages


def test_who_may_not_know_dislikes_cannot_show_a_record(experiment: Any) -> None:
    with pytest.raises(ConfigError, match=r"corpus.history=visit hides what the same visit brought"):
        experiment.config("evidence.own_dislikes=true", "corpus.history=visit")
    with pytest.raises(ConfigError, match=r"record tells what the user did not like; set evidence.own_dislikes=true"):
        experiment.config('evidence.forms=["record"]')


@pytest.fixture
def folder(every: Any, tmp_path: Path) -> Path:
    shutil.copytree(every.root, tmp_path / "runs")
    place: Path = tmp_path / "runs" / every.config.folder_name
    return place


def test_a_request_is_told_what_a_test_row_was(folder: Path, every: Any) -> None:
    """The last test row of a user who rated nothing after it: by then the run knows what a request knows."""
    run = Run.open(folder)
    rows = run.table("data", INTERACTIONS).sort_by("row_id").to_pylist()
    last = {row["user_id"]: row for row in rows}
    row = next(row for row in reversed(rows) if last[row["user_id"]] is row and row["split"] == "test")
    liked = [one["item_id"] for one in rows if one["user_id"] == row["user_id"] and one["label"] and one is not row]
    with explain.opened_recommender(run) as recommender:
        found = recommender.answer([Request(row["user_id"], liked, [row["item_id"]])])[0][0]
    (target,) = [one["target_id"] for one in run.table("corpus", TARGETS).to_pylist() if one["row_id"] == row["row_id"]]
    wanted = said(every, "prompts-score")[target]
    told = f". {found.verdict}"
    for place, begins in ((0, ". Of viewers"), (1, ". (A|No) viewer"), (2, ". (Of|No|One)"), (3, ". Its ")):
        assert re.match(begins, wanted[place])
        assert wanted[place] in told
    assert re.match(". So far", wanted[4])
    assert told == "".join(wanted)  # what is thought of the item itself is not known, though the row is there by now


def test_forgetting_makes_anew_whatever_counts(folder: Path, every: Any) -> None:
    run = Run.open(folder)
    user = next(row["user_id"] for row in run.table("data", INTERACTIONS).to_pylist() if row["split"] == "train")
    found = forget(folder, user)
    assert {"verdicts", "knowledge", "expectation", "shared", "consensus", "prompts-score"} <= set(found.deleted)


def test_numbers_of_all_targets_are_there(every: Any) -> None:
    targets = every.artifacts["corpus"].table(TARGETS)
    known = every.artifacts["knowledge"].table(KNOWLEDGE)
    assert known["target_id"].equals(targets["target_id"])
    assert set(every.artifacts["shared"].table(SHARED)["target_id"].to_pylist()) <= set(
        targets["target_id"].to_pylist()
    )
    for name in ("n_dislikes", "similar_for", "by_items", "alike"):
        assert np.unique(known[name].to_numpy()).size > 5, name


def test_sare_may_learn_from_what_helped_the_answer(experiment: Any, tmp_path: Path) -> None:
    changes = ("sare.teacher=gain", "sare.gain_targets=40", "sare.held_out=0.3", "sare.shift=5", "name=gain")
    run = experiment.run(tmp_path, *changes, to="contexts")
    facts = run.artifacts["rankings"].facts
    assert 0 < facts["share_that_helps"] < 1
    ranked = run.artifacts["rankings"].table(RANKINGS)
    assert 0 < len(set(ranked["target_id"].to_pylist())) <= 40
    relevance = ranked.filter(pc.equal(ranked["target_id"], ranked["target_id"][0]))["relevance"].to_pylist()
    assert relevance == sorted(relevance, reverse=True)
    assert run.artifacts["contexts"].manifest["inputs"]["sare"]
    stage = next(stage for stage in stages_of(run.config) if stage.name == "rankings")
    assert set(stage.reads) == run.read["rankings"].stages
    whole = experiment.run(tmp_path, *changes)  # nobody was asked for assessments, and the report misses none
    assert "assessments" not in whole.artifacts
    assert (whole.artifacts["report"].path / "report.html").is_file()
    with pytest.raises(ConfigError, match=r"gain is what a similar user's titles do .* \(got verdicts\), or choose"):
        experiment.config("sare.teacher=gain", 'evidence.forms=["verdicts"]')


def test_ratings_that_nobody_knows_are_no_ratings(folder: Path, experiment: Any) -> None:
    """What is added may have no rating: recommending goes on."""
    run = Run.open(folder)
    item = run.items["item_id"][0].as_py()
    new = folder.parent / "new.csv"
    rows = "".join(f"newcomer{n},{item},1600000000\n" for n in range(3))
    new.write_text(f"user_id,item_id,timestamp\n{rows}", encoding="utf-8")
    add_behaviours(folder, new)
    with explain.opened_recommender(Run.open(folder)) as recommender:
        found = recommender.answer([Request("stranger", [run.items["item_id"][1].as_py()], [item])])[0][0]
    assert "Judged by numbers alone, " in found.verdict
    assert "So far this viewer liked 1 of 1 movies" in found.verdict  # a stranger's record is the history
