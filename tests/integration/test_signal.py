"""Whether there is anything to pass on: what a run says of it, and how it stops where there is nothing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from scorerec import cli
from scorerec.cli import output
from scorerec.core.errors import ArtifactError, ModelError
from scorerec.core.tables import BEHAVIOURS, CANDIDATES, INTERACTIONS, NEIGHBOURS, QUERIES, RANKINGS, SCORES, TARGETS
from scorerec.crm.collapse import COLLAPSED
from scorerec.crm.registry import load_crm
from scorerec.data.synthetic import SyntheticWorld
from scorerec.evaluate.results import Signal
from scorerec.experiment.actions import run_signal, signal_lines, write_report
from scorerec.experiment.plan import stages_of
from scorerec.experiment.run import Run
from scorerec.experiment.runner import Runner
from scorerec.pipeline.sources import BLIND
from scorerec.retrieve.index import BehaviourIndex
from scorerec.serve.live import add_behaviours, index_path

twin_of = SyntheticWorld().twin_of
# Each step of training halves every weight: what is left of a user is nothing.
COLLAPSING = ("crm.recipe=bce", "crm.weight_decay=50", "crm.epochs=2")
OTHER_WAYS = (
    "evidence.similarity={centre=true, unit=true}",
    "evidence.item_sets=0.5",
    'evidence.beside=["mf"]',
    "finding={crm_share=0.3, activity=0.1}",
    "sare.teacher=titles",
    'methods=["item-mean", "item+user-mean", "crm", "crm+item", "score"]',
    "name=ways",
)


@pytest.fixture
def root(outcome: Any, tmp_path: Path) -> Path:
    """Return a copy of the first run, whose artifacts others use."""
    shutil.copytree(outcome.root, tmp_path / "runs")
    return tmp_path / "runs"


@pytest.fixture
def scorerec(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Run a command in this process; return its status and what it printed."""
    monkeypatch.setattr(output.console, "_width", 400)  # it read the width when it was imported

    def run(*words: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["scorerec", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return int(ended.value.code or 0), *capsys.readouterr()

    return run


@pytest.fixture(scope="module")
def signal(outcome: Any) -> Signal:
    return outcome.made.signal()


@pytest.fixture(scope="module")
def collapsed(outcome: Any, experiment: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return a run of a collapsed CRM that was forced to go on until the signal was measured."""
    root = tmp_path_factory.mktemp("collapsed") / "runs"
    shutil.copytree(outcome.root, root)
    return experiment.run(root, *COLLAPSING, "name=collapsed", "evidence.force=true", to="signal")


@pytest.fixture(scope="module")
def ways(outcome: Any, experiment: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return a run that finds and teaches otherwise than the paper."""
    root = tmp_path_factory.mktemp("ways") / "runs"
    shutil.copytree(outcome.root, root)
    return experiment.run(root, *OTHER_WAYS)


def numbers_of(signal: Signal, split: str, n_users: int) -> dict[str, Any]:
    return {entry.source: entry for entry in signal.counts if (entry.split, entry.n_users) == (split, n_users)}


def test_planted_twins_are_a_signal(signal: Signal, outcome: Any) -> None:
    assert signal.warnings == []
    assert signal.spread.interaction_share > 10 * COLLAPSED
    assert {entry.split for entry in signal.counts} == {"train", "valid", "test"}
    for split in ("valid", "test"):
        found = numbers_of(signal, split, 10)
        blind = max(found[name].added_auc for name in BLIND)
        for name in ("CAR", "cosine of item sets"):
            assert found[name].auc > 0.8  # an item is rated by hardly anybody but twins: so its mean knows much as well
            assert found[name].added_auc > blind + 0.01
        assert found["random users"].auc == pytest.approx(0.5, abs=0.08)
        chosen = numbers_of(signal, split, outcome.config.evidence.n_context_users)
        (oracle,) = (entry for name, entry in chosen.items() if name.startswith("oracle"))
        assert oracle.added_auc >= max(entry.added_auc for entry in chosen.values())
    alike = {one.source: one for one in signal.alike}
    assert alike["cosine of item sets"].low > 0
    assert alike["cosine of item sets"].jaccard >= max(one.jaccard for one in signal.alike)
    assert alike["random users"].low < 0.01 < alike["cosine of item sets"].low
    assert alike["most active users"].found_share < 0.2  # the same few for everybody


def test_what_is_measured_is_what_the_stages_found(signal: Signal, outcome: Any) -> None:
    """Counted once more, row by row."""
    corpus = outcome.artifacts["corpus"]
    items = {row["behaviour_id"]: set(row["item_ids"]) for row in corpus.table(BEHAVIOURS).to_pylist()}
    found: dict[str, list[str]] = {}
    for row in outcome.artifacts["candidates"].table(CANDIDATES).to_pylist():
        found.setdefault(row["query_id"], []).append(row["behaviour_id"])
    test = [row for row in corpus.table(TARGETS).to_pylist() if row["split"] == "test"]
    named = [any(row["item_id"] in items[name] for name in found.get(row["query_id"], ())) for row in test]
    entry = numbers_of(signal, "test", 10)["CAR"]
    assert entry.n_rows == len(test)
    assert entry.named == pytest.approx(np.mean(named))


def test_test_rows_are_measured_where_results_are_written_alone(outcome: Any, experiment: Any, root: Path) -> None:
    tuning = experiment.run(root, "evaluation.split=valid", "name=tuning", to="signal")
    assert tuning.ran == ["signal"]
    found = tuning.made.signal()
    assert {entry.split for entry in found.counts} == {"train", "valid"}
    assert {entry.split for entry in found.rankings} == {"valid"}


def test_the_report_and_the_results_hold_the_signal(outcome: Any, signal: Signal, root: Path) -> None:
    page = write_report(root / outcome.config.folder_name).read_text(encoding="utf-8")
    assert '<h2 id="signal">Is there a signal?</h2>' in page
    for source in {entry.source for entry in signal.counts}:
        assert source.replace("'", "&#39;") in page
    results = json.loads((root / outcome.config.folder_name / "results.json").read_text(encoding="utf-8"))
    assert Signal.model_validate(results["signal"]) == signal


def test_a_line_for_the_recommender_and_for_each_source(signal: Signal) -> None:
    first, *others = signal_lines(signal, "test")
    assert first.startswith(f"SASRec: {signal.spread.interaction_share:.1%} of its scores' variance is user x item")
    sources = dict.fromkeys(entry.source for entry in signal.counts)
    assert [line.split(": of ")[0] for line in others] == list(sources)
    assert all("test rows" in line for line in others)


def test_the_command_prints_the_signal(scorerec: Any, root: Path, outcome: Any, signal: Signal) -> None:
    status, out, err = scorerec("signal", root / outcome.config.folder_name)
    assert status == 0, err
    assert "ran" not in err.split()  # it was there
    for caption in ("Does the recommender tell users apart?", "Do they know the target? test rows"):
        assert caption in out
    for source in {entry.source for entry in signal.counts}:
        assert source in out
    assert "Warning:" not in out
    status, out, _ = scorerec("signal", root / outcome.config.folder_name, "--json")
    assert status == 0
    assert Signal.model_validate(json.loads(out)) == signal


def test_the_signal_of_no_run(scorerec: Any, tmp_path: Path) -> None:
    status, out, err = scorerec("signal", tmp_path / "nothing")
    assert (status, out) == (1, "")
    assert err.startswith("ArtifactError: ")
    with pytest.raises(ArtifactError):
        run_signal(tmp_path / "nothing")


def test_a_collapsed_recommender_is_refused_and_what_was_made_is_kept(
    experiment: Any, root: Path, collapsed: Any
) -> None:
    with pytest.raises(ModelError) as refused:
        experiment.run(root, *COLLAPSING, "name=refused", to="neighbours")
    message = str(refused.value)
    assert "SASRec IS AN ITEM MEAN" in message
    for remedy in ("crm.recipe=ranking", "crm.model", "evidence.force=true"):
        assert remedy in message
    config = experiment.config(*COLLAPSING, "name=refused")
    states = {part.stage: part.state for part in Runner(stages_of(config), config, root).status()}
    assert (states["data"], states["crm"], states["neighbours"]) == ("done", "done", "missing")
    drafts = [path for path in (root / "artifacts" / "neighbours").glob(".*") if path.suffix != ".lock"]
    assert drafts == []
    forced = experiment.run(root, *COLLAPSING, "name=refused", "evidence.force=true", to="neighbours")
    assert forced.ran == ["neighbours"]
    facts = forced.artifacts["neighbours"].facts
    assert set(facts["quality"]) >= {"jaccard", "random_jaccard", "low", "high"}
    assert forced.artifacts["neighbours"].table(NEIGHBOURS).num_rows > 0
    assert forced.artifacts["crm"].facts["spread"]["interaction_share"] < COLLAPSED


def test_the_command_refuses_in_one_line(scorerec: Any, experiment: Any, root: Path) -> None:
    changes = [part for setting in experiment.settings(*COLLAPSING, "name=refused") for part in ("--set", setting)]
    status, out, err = scorerec("run", "ml-1m-toy", "--out", root, "--to", "neighbours", *changes)
    assert (status, out) == (1, "")
    (line,) = (line for line in err.splitlines() if line.startswith("ModelError: "))
    assert "evidence.force=true" in line
    assert "Traceback" not in err


def test_what_tells_nothing_is_said_loudly(collapsed: Any, scorerec: Any) -> None:
    found = collapsed.made.signal()
    assert found.spread.interaction_share < COLLAPSED
    assert any("SASRec IS AN ITEM MEAN" in line for line in found.warnings)
    nothing = [line for line in found.warnings if "TELL NOTHING" in line or "ARE RANDOM ONES" in line]
    assert any("SASRec, Eq. 4" in line for line in nothing)
    assert not any("cosine of item sets" in line for line in nothing)  # which knows what it did
    status, out, _ = scorerec("signal", collapsed.root / "collapsed")
    assert status == 0
    for line in found.warnings:
        assert f"Warning: {line[:60]}" in out


def test_own_vectors_that_are_random_are_refused(outcome: Any, experiment: Any, root: Path, tmp_path: Path) -> None:
    behaviours = outcome.artifacts["neighbours"].table(BEHAVIOURS)
    users = behaviours["user_id"].to_pylist()
    random = np.random.default_rng(0).normal(size=(len(users), 8)).astype(np.float32)
    pq.write_table(pa.table({"user_id": users, "vector": random.tolist()}), tmp_path / "mine.parquet")
    changes = (f"evidence.user_vectors={tmp_path / 'mine.parquet'}", "car.n_prefixes=0", "name=mine")
    with pytest.raises(ModelError, match=r"(?s)THE USERS THAT .*mine\.parquet FINDS ALIKE ARE RANDOM ONES.*force=true"):
        experiment.run(root, *changes, to="neighbours")
    forced = experiment.run(root, *changes, "evidence.force=true", to="neighbours")
    assert forced.ran == ["neighbours"]
    assert len(forced.artifacts["neighbours"].facts["warnings"]) == 1
    # The same file with the twins' vectors made equal is a signal.
    place = {user: number for number, user in enumerate(users)}
    twins = np.stack([random[min(place[user], place.get(twin_of(user), place[user]))] for user in users])
    pq.write_table(pa.table({"user_id": users, "vector": twins.tolist()}), tmp_path / "mine.parquet")
    found = experiment.run(root, *changes, "evidence.n_neighbours=1", "evidence.similarity.unit=true", to="neighbours")
    assert found.artifacts["neighbours"].facts["warnings"] == []


def test_other_ways_of_finding_and_teaching(ways: Any, outcome: Any) -> None:
    """A run with everything that departs from the paper; the twin is found, and each setting does what it says."""
    neighbours = ways.artifacts["neighbours"].table(NEIGHBOURS).to_pylist()
    nearest = {row["behaviour_id"]: row["neighbour_id"] for row in neighbours if row["rank"] == 1}
    assert np.mean([twin_of(user) == other for user, other in nearest.items()]) > 0.9
    assert {"mf"} == set(ways.artifacts["crm-beside"].facts)
    assert load_crm(ways.artifacts["crm-beside"].path / "model" / "mf").kind.label == "MF"
    signal = ways.made.signal()
    assert numbers_of(signal, "test", 10)["CAR"].gain.low > 0
    for row in ways.artifacts["rankings"].table(RANKINGS).slice(0, 50).to_pylist():
        assert -1.0 <= row["relevance"] <= 1.0 + 1e-6
    results = json.loads((ways.artifacts["report"].path / "results.json").read_text(encoding="utf-8"))
    assert results["labels"]["crm+item"] == "SASRec + item mean"


def test_titles_teach_who_liked_the_target_first(ways: Any) -> None:
    """A behaviour that holds the target stands before those that hold nothing like it."""
    corpus = ways.artifacts["corpus"]
    items = {row["behaviour_id"]: row["item_ids"] for row in corpus.table(BEHAVIOURS).to_pylist()}
    wanted = {row["target_id"]: row["item_id"] for row in corpus.table(TARGETS).to_pylist()}
    ranks: dict[bool, list[int]] = {True: [], False: []}
    for row in ways.artifacts["rankings"].table(RANKINGS).to_pylist():
        ranks[wanted[row["target_id"]] in items[row["behaviour_id"]]].append(row["rank"])
    assert np.mean(ranks[True]) < np.mean(ranks[False]) - 2


def test_the_mean_beside_the_recommender_is_decided_on_validation_rows(ways: Any) -> None:
    own = ways.artifacts["crm-item-scores"].table(SCORES)
    assert set(own["method"].to_pylist()) == {"crm+item"}
    judged = pc.is_in(ways.artifacts["corpus"].table(TARGETS)["split"], pa.array(["valid", "test"]))
    assert own.num_rows == pc.sum(judged).as_py()
    facts = ways.artifacts["crm-item-scores"].facts
    assert set(facts) == {"item_weight", "model_weight"}


def test_who_is_added_is_found_by_the_same_vectors(ways: Any, tmp_path: Path) -> None:
    """The index is of CAR and the CRM together: what is added must have vectors of both, as long as the others'."""
    folder = ways.root / ways.config.folder_name
    known = ways.artifacts["data"].table(INTERACTIONS).to_pylist()
    someone = next(row["user_id"] for row in known if row["split"] == "train" and row["label"])
    liked = [row["item_id"] for row in known if (row["user_id"], row["label"]) == (someone, 1)]
    last = max(row["timestamp"] for row in known)
    lines = [f"newcomer,{item},{last + number}" for number, item in enumerate(liked, start=1)]
    path = tmp_path / "new.csv"
    path.write_text("\n".join(["user_id,item_id,timestamp", *lines]) + "\n", encoding="utf-8")
    assert add_behaviours(folder, path).users == 1
    run = Run.open(folder)
    found_by = run.finder()
    query = {"query_id": "q", "user_id": "asks", "n_before": len(liked), "snapshot": 2**62, "item_ids": liked}
    asked = pa.Table.from_pylist([query], QUERIES.columns)
    vectors = np.array(found_by.queries(asked)["vector"].to_pylist(), np.float32)
    with BehaviourIndex.open(index_path(run), found_by.fingerprint) as index:
        (hits,) = index.search(vectors, 3, owners=["asks"], snapshots=[2**62])
        owners = dict(
            zip(
                *(
                    index.behaviours({hit.behaviour_id for hit in hits})[name].to_pylist()
                    for name in ("behaviour_id", "user_id")
                ),
                strict=True,
            )
        )
    assert "newcomer" in [owners[hit.behaviour_id] for hit in hits]
