"""A whole experiment on the synthetic world: every stage, twice, changed, elsewhere; and the planted twins."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from html import unescape
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from scorerec.core.artifacts import Artifact
from scorerec.core.tables import (
    ASSESSMENTS,
    BEHAVIOURS,
    CANDIDATES,
    CONTEXTS,
    INTERACTIONS,
    ITEMS,
    NEIGHBOURS,
    PROMPTS,
    QUERIES,
    RANKINGS,
    SCORES,
    TARGETS,
    TITLE_AUDIT,
)
from scorerec.data.synthetic import SyntheticWorld
from scorerec.evaluate.informativeness import evidence_informativeness
from scorerec.experiment.actions import write_report
from scorerec.experiment.plan import reads_text, stages_of
from scorerec.experiment.run import Run
from scorerec.experiment.runner import Runner
from scorerec.pipeline.prompting import ranked

TABLES = {
    "data": [INTERACTIONS, ITEMS],
    "corpus": [BEHAVIOURS, QUERIES, TARGETS],
    "references": [SCORES],
    "crm": [],
    "crm-scores": [SCORES],
    "crm-beside": [],
    "neighbours": [BEHAVIOURS, NEIGHBOURS],
    "car": [],
    "candidates": [CANDIDATES],
    "candidates-base": [CANDIDATES],
    "assessments": [ASSESSMENTS],
    "rankings": [RANKINGS],
    "sare": [],
    "contexts": [CONTEXTS],
    "backbone": [],
    "prompts-llm": [PROMPTS],
    "tuned-llm": [],
    "scores-llm": [SCORES],
    "prompts-score": [PROMPTS],
    "tuned-score": [],
    "scores-score": [SCORES],
    "title-audit": [TITLE_AUDIT],
    "signal": [],
    "report": [],
}
BEHIND_CONTEXTS = {
    "contexts",
    "backbone",
    "tuned-llm",
    "scores-llm",
    "prompts-score",
    "tuned-score",
    "scores-score",
    "title-audit",
    "signal",
    "report",
}
twin_of = SyntheticWorld().twin_of


@pytest.fixture(scope="module")
def elsewhere(experiment: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return the same run made by the command line in another folder, in a process that hashes text differently."""
    root = tmp_path_factory.mktemp("elsewhere")
    changes = [part for setting in experiment.settings() for part in ("--set", setting)]
    command = [sys.executable, "-c", "from scorerec.cli import main; main()", "run", "ml-1m-toy", "--out", str(root)]
    environment = {**os.environ, "PYTHONHASHSEED": "1", "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    done = subprocess.run([*command, *changes], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    run = Run.open(root / "synthetic")
    return SimpleNamespace(root=root, artifacts=run.artifacts, printed=done.stdout, told=done.stderr)


def test_every_stage_ran_and_wrote_its_tables(outcome: Any) -> None:
    assert outcome.ran == list(outcome.artifacts)
    assert set(outcome.ran) == set(TABLES)
    for name, schemas in TABLES.items():
        artifact: Artifact = outcome.artifacts[name]
        for schema in schemas:
            table = artifact.table(schema)  # checks it
            assert table.num_rows == artifact.manifest["rows"][schema.name] > 0


def test_models_are_where_later_stages_look(outcome: Any) -> None:
    for name in ("crm", "car", "sare", "backbone", "tuned-llm", "tuned-score"):
        assert list((outcome.artifacts[name].path / "model").iterdir())


def test_the_report_names_what_stands_in(outcome: Any) -> None:
    page = write_report(outcome.root / outcome.config.folder_name).read_text(encoding="utf-8")
    assert "toy LM (0.0 million weights that this run trained itself; no pretrained LLM)" in page
    assert "metadata assessor: item metadata in sentences, not an LLM" in page
    for method in outcome.config.chosen_methods:
        assert method.label in page
    results = json.loads((outcome.artifacts["report"].path / "results.json").read_text(encoding="utf-8"))
    assert len(results["stand_ins"]) == 2
    assert results["comparison"]["split"] == "test"
    assert results["verdict"][0].startswith("SCORE ")
    assert all(unescape(page).count(f"<p>{line}.</p>") == 1 for line in results["verdict"])
    stages = re.findall(r'<tr><td class="text">([^<]*)</td>', page[page.index('id="stages"') :])
    assert stages == [name for name in outcome.artifacts if name in stages]  # as they ran
    assert {"data", "tuned-score"} < set(stages)


def test_every_method_scores_every_judged_row(outcome: Any) -> None:
    targets = outcome.artifacts["corpus"].table(TARGETS).to_pylist()
    judged = {part: [row["target_id"] for row in targets if row["split"] == part] for part in ("valid", "test")}
    assert {"item-mean", "item+user-mean"} < {method.key for method in outcome.config.chosen_methods}
    for method in outcome.config.chosen_methods:
        rows = outcome.artifacts[method.stage].table(SCORES).to_pylist()
        scores = {row["target_id"]: row["p_yes"] for row in rows if row["method"] == method.key}
        # An LM is slow: it scores what is judged alone.
        parts = ("test",) if reads_text(method.stage) else ("valid", "test")
        assert sorted(scores) == sorted(name for part in parts for name in judged[part])
        assert all(0 <= score <= 1 for score in scores.values())


def test_running_again_runs_nothing(outcome: Any, experiment: Any) -> None:
    again = experiment.run(outcome.root)
    assert again.ran == []
    assert {name: part.path for name, part in again.artifacts.items()} == {
        name: part.path for name, part in outcome.artifacts.items()
    }


def test_a_run_is_read_back_from_its_folder(outcome: Any) -> None:
    run = Run.open(outcome.root / "synthetic")
    assert run.config == outcome.config
    assert {name: part.fingerprint for name, part in run.artifacts.items()} == {
        name: part.fingerprint for name, part in outcome.artifacts.items()
    }


def test_another_number_of_context_users_redoes_what_depends_on_it(outcome: Any, experiment: Any) -> None:
    """The toy LM reads prompts of as many users, so both methods get another backbone; P^b is kept."""
    changed = experiment.run(outcome.root, "evidence.n_context_users=3", "name=three")
    assert set(changed.ran) == BEHIND_CONTEXTS
    contexts = ranked(changed.artifacts["contexts"].table(CONTEXTS), "target_id")
    assert {len(chosen) for chosen in contexts.values()} == {3}
    before = ranked(outcome.artifacts["contexts"].table(CONTEXTS), "target_id")
    assert {name: chosen[:2] for name, chosen in contexts.items()} == before


@pytest.mark.parametrize(
    ("change", "first", "kept"),
    [
        ("crm.epochs=31", "crm", ["references", "assessments", "prompts-llm"]),
        ("evidence.n_neighbours=6", "neighbours", ["crm-scores", "assessments"]),
        ("evidence.n_candidates=11", "candidates", ["car", "assessments"]),
        ("assess.n_targets=201", "assessments", ["candidates", "backbone", "tuned-llm"]),
        ("sare.epochs=2", "sare", ["rankings", "backbone", "tuned-llm"]),
        ("llm.learning_rate=0.002", "tuned-llm", ["backbone", "prompts-score"]),
        ("evidence.similarity.unit=true", "neighbours", ["crm-scores", "assessments"]),
        ("evidence.item_sets=0.5", "neighbours", ["crm-scores", "crm-beside"]),
        ('evidence.beside=["mf"]', "crm-beside", ["crm", "crm-scores"]),
        ("finding.activity=0.1", "candidates", ["car", "assessments"]),
        ("sare.teacher=titles", "rankings", ["candidates", "assessments", "backbone"]),
        ("evaluation.n_resamples=60", "report", ["scores-score", "scores-llm", "signal"]),
    ],
)
def test_a_change_reaches_no_stage_before_it(
    outcome: Any, experiment: Any, change: str, first: str, kept: list[str]
) -> None:
    parts = Runner(stages_of(outcome.config), experiment.config(change), outcome.root).status()
    missing = [part.stage for part in parts if part.state == "missing"]
    assert missing[0] == first
    assert missing[-1] == "report"
    assert not set(kept) & set(missing)


def test_the_same_seed_elsewhere_gives_the_same_bytes(outcome: Any, elsewhere: Any) -> None:
    here, there = tables_below(outcome), tables_below(elsewhere)
    assert here.keys() == there.keys()
    assert len(here) == sum(map(len, TABLES.values())) + 1  # and the vectors of the CRM
    assert [name for name in here if here[name] != there[name]] == []
    assert outcome.made.signal() == Run.open(elsewhere.root / "synthetic").signal()


def test_the_same_seed_elsewhere_gives_the_same_weights(outcome: Any, elsewhere: Any) -> None:
    here, there = (weights_of(run) for run in (outcome, elsewhere))
    assert len(here) == len(there) >= 6
    assert [name for name in here if here[name] != there[name]] == []


def test_the_command_line_prints_the_results(outcome: Any, elsewhere: Any) -> None:
    for method in outcome.config.chosen_methods:
        assert method.label in elsewhere.printed
    assert "Stand-in: toy LM" in elsewhere.printed
    assert f"Answers: {outcome.artifacts['tuned-score'].facts['answers']}" in elsewhere.printed
    lines = [line for line in elsewhere.printed.splitlines() if line.startswith("Signal: ")]
    signal = outcome.made.signal()
    sources = dict.fromkeys(entry.source for entry in signal.counts)
    assert len(sources) == 9  # two blind ones, sets, the CRM, the retriever untuned and tuned, and three of its ten
    assert [line.removeprefix("Signal: ").rsplit(": ", 1)[0].split(": ")[0] for line in lines] == ["SASRec", *sources]
    results = json.loads((elsewhere.root / "synthetic" / "results.json").read_text(encoding="utf-8"))
    assert "\n".join(results["verdict"]) in elsewhere.printed  # below the table, each on a line
    assert f"Report: {elsewhere.root}/synthetic/report.html" in elsewhere.printed.replace("\n", "")
    assert (elsewhere.root / "synthetic" / "report.html").is_file()
    told = [line.split() for line in elsewhere.told.splitlines()]
    assert [words[1] for words in told if words[0] == "ran"] == outcome.ran


def tables_below(run: Any) -> dict[str, bytes]:
    """Return the bytes of the tables of one run: its root may hold other runs too."""
    return {
        str(path.relative_to(run.root)): path.read_bytes()
        for artifact in run.artifacts.values()
        for path in sorted(artifact.path.rglob("*.parquet"))
    }


def weights_of(run: Any) -> dict[str, bytes]:
    return {
        str(path.relative_to(run.root)): path.read_bytes()
        for artifact in run.artifacts.values()
        for path in sorted(artifact.path.rglob("*.safetensors"))
    }


def test_another_seed_gives_another_run(outcome: Any, experiment: Any) -> None:
    parts = Runner(stages_of(outcome.config), experiment.config("seed=1"), outcome.root).status()
    done = [part.stage for part in parts if part.state == "done"]
    assert {"data", "corpus", "references"} <= set(done)
    assert "crm" not in done


def test_crm_neighbours_are_twins_far_more_often_than_chance(outcome: Any) -> None:
    table = outcome.artifacts["neighbours"].table(NEIGHBOURS)
    found: dict[str, list[str]] = {}
    for row in table.to_pylist():
        found.setdefault(row["behaviour_id"], []).append(row["neighbour_id"])
    hits = np.mean([twin_of(user) in others for user, others in found.items()])
    chance = outcome.config.evidence.n_neighbours / (len(found) - 1)  # 5 of 59 others
    assert hits > 3 * chance


def test_car_candidates_hold_the_twin(outcome: Any) -> None:
    found = candidates_of_test_rows(outcome)
    assert np.mean([twin_of(user) in others for user, others in found]) > 0.8  # 10 of 59: 0.17 by chance
    assert np.mean([twin_of(user) == others[0] for user, others in found]) > 0.5


def candidates_of_test_rows(outcome: Any) -> list[tuple[str, list[str]]]:
    """Return (user, users retrieved) for each test row; a behaviour of the train corpus is called like its user."""
    corpus = outcome.artifacts["corpus"]
    owners = {row["query_id"]: row["user_id"] for row in corpus.table(QUERIES).to_pylist()}
    found = ranked(outcome.artifacts["candidates"].table(CANDIDATES), "query_id")
    targets = corpus.table(TARGETS).to_pylist()
    queries = [row["query_id"] for row in targets if row["split"] == "test"]
    return [(owners[query], found[query]) for query in queries]


def test_nobody_is_own_evidence(outcome: Any) -> None:
    corpus = outcome.artifacts["corpus"]
    owners = {row["query_id"]: row["user_id"] for row in corpus.table(QUERIES).to_pylist()}
    users = {row["target_id"]: owners[row["query_id"]] for row in corpus.table(TARGETS).to_pylist()}
    for row in outcome.artifacts["candidates"].table(CANDIDATES).to_pylist():
        assert row["behaviour_id"] != owners[row["query_id"]]
    for stage, schema in (("contexts", CONTEXTS), ("rankings", RANKINGS)):
        for row in outcome.artifacts[stage].table(schema).to_pylist():
            assert row["behaviour_id"] != users[row["target_id"]]


def test_the_right_evidence_tells_the_label_and_the_wrong_does_not(outcome: Any) -> None:
    right = outcome.artifacts["candidates"].table(CANDIDATES)
    wrong = of_strangers(outcome)
    assert right.select(["query_id", "rank"]).num_rows == wrong.num_rows
    assert auc_alone(outcome, right) > 0.7
    assert auc_alone(outcome, outcome.artifacts["contexts"].table(CONTEXTS)) > 0.7
    assert abs(auc_alone(outcome, wrong) - 0.5) < 0.06


def auc_alone(outcome: Any, evidence: pa.Table) -> float:
    """Return the test AUC of "how many of these users have the target", no model asked."""
    corpus = outcome.artifacts["corpus"]
    entries = evidence_informativeness(corpus.table(TARGETS), evidence, corpus.table(BEHAVIOURS), "evidence")
    (auc,) = (
        entry.auc for entry in entries if entry.split == "test" and entry.feature == "how many contain the target"
    )
    assert auc is not None
    return auc


def of_strangers(outcome: Any) -> pa.Table:
    """Return as many candidates for each query, drawn from everybody but the user and the twin."""
    users = outcome.artifacts["corpus"].table(BEHAVIOURS)["user_id"].to_pylist()
    owners = {row["query_id"]: row["user_id"] for row in outcome.artifacts["corpus"].table(QUERIES).to_pylist()}
    random, rows = np.random.default_rng(0), []
    for query, found in ranked(outcome.artifacts["candidates"].table(CANDIDATES), "query_id").items():
        strangers = sorted(set(users) - {owners[query], twin_of(owners[query])})
        drawn = random.choice(strangers, len(found), replace=False)
        rows += [
            {"query_id": query, "rank": rank, "behaviour_id": str(user), "similarity": 0.0}
            for rank, user in enumerate(drawn, start=1)
        ]
    return CANDIDATES.check(pa.Table.from_pylist(rows, CANDIDATES.columns))


def test_an_as_of_corpus_runs_too_and_keeps_what_it_can(outcome: Any, experiment: Any) -> None:
    changes = ("corpus.kind=as-of", "corpus.refresh=month", "name=as-of")
    changed = experiment.run(outcome.root, *changes, to="prompts-score")
    assert not {"data", "crm", "neighbours"} & set(changed.ran)
    corpus = changed.artifacts["corpus"]
    assert corpus.table(BEHAVIOURS).num_rows > outcome.artifacts["corpus"].table(BEHAVIOURS).num_rows
    assert auc_alone(changed, changed.artifacts["candidates"].table(CANDIDATES)) > 0.7


def test_nothing_is_left_behind(outcome: Any) -> None:
    """No draft of a stage stays in the store, and what a run records is relative to its root."""
    hidden = (outcome.root / "artifacts").glob("*/.*")
    # A lock stays: to remove one that another process may be waiting for would let two write at once.
    assert [path for path in hidden if path.suffix != ".lock"] == []
    record = json.loads((outcome.root / "synthetic" / "run.json").read_text(encoding="utf-8"))
    assert str(outcome.root) not in json.dumps(record)


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        (("name=renamed",), "SCORE: renamed"),
        (("name=dearer", "assess.price_in=2.0", "assess.price_out=8.0"), "<th>money</th>"),
    ],
)
def test_a_new_name_or_price_makes_the_report_anew_and_nothing_else(
    outcome: Any, experiment: Any, changes: tuple[str, ...], shown: str
) -> None:
    assert shown not in (outcome.artifacts["report"].path / "report.html").read_text(encoding="utf-8")
    after = experiment.run(outcome.root, *changes)
    assert after.ran == ["report"]
    assert shown in (after.artifacts["report"].path / "report.html").read_text(encoding="utf-8")
