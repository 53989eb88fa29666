"""With every test label turned round, all that is trained stays the same, byte for byte: no test row decides any of it.

A test row's label also decides which histories the later rows of its user have. So the labels are turned round in the
source, and everything is made anew from there.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pyarrow.compute as pc
import pytest
from safetensors.numpy import load_file

from scorerec.baselines.registry import BASELINES
from scorerec.core.artifacts import MANIFEST, MODEL, Artifact
from scorerec.core.tables import INTERACTIONS, ITEMS, QUERIES, SCORES, TARGETS
from scorerec.data.raw import RawTables
from scorerec.data.synthetic import SyntheticWorld
from scorerec.experiment.methods import METHODS
from scorerec.experiment.plan import ASKED_AFAR, stages_of
from scorerec.experiment.runner import Runner

# A distant LM is not trained here.
METHODS_HERE = sorted(key for key, method in METHODS.items() if method.stage not in ASKED_AFAR)
# All methods, twice: how good they get does not matter here.
_SMALL = (
    f"methods=[{', '.join(f'{chr(34)}{key}{chr(34)}' for key in METHODS_HERE)}]",
    'data.source={name="synthetic", n_users=24, n_items=300, quality_strength=0.0}',
    "crm.epochs=4",
    "evaluation.split=valid",  # what is slow scores only the split that is judged
    "evidence.force=true",  # as little data as this teaches nobody who is alike
    "assess.n_targets=60",
    "reading.n_texts=60",
    "llm.max_train_rows=96",
    "baselines.binllm.epochs=4",
    "baselines.collm.epochs=1",
    "baselines.coral={n_steps=30, random_steps=10, selections=1, max_valid_rows=20, rounds=2, max_rounds=2}",
)
# What a stage says of itself and differs between two equal runs.
_OF_THE_CLOCK = re.compile("second")
# What a stage leaves beside what it trained: tables, and the index of behaviours.
_NO_MODELS = {".parquet", ".sqlite"}
# They train nothing, and take a third of the time.
_LEFT_OUT = {"report", *(f"scores-{key}" for key, kind in BASELINES.items() if kind.trains == "encoder")}


class Made(NamedTuple):
    """One run.

    Attributes:
        root: its folder.
        artifacts: of its stages.
        built_on: the stages that others build on. What the report alone reads, such as a measure of the evidence of
            test rows, is trained by nobody.
    """

    root: Path
    artifacts: Mapping[str, Artifact]
    built_on: Collection[str]


@pytest.fixture(scope="module")
def runs(experiment: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Made, Made]:
    """Return a run of all methods that are trained here, and the same one with every test label turned round."""
    config = experiment.config(*_SMALL)
    stages = [stage for stage in stages_of(config) if stage.name not in _LEFT_OUT]
    built_on = {name for stage in stages_of(config) if stage.name != "report" for name in stage.reads}

    def run(name: str) -> Made:
        root = tmp_path_factory.mktemp(name)
        return Made(root, Runner(stages, config, root).run(record=False), built_on)

    before, read = run("as-they-are"), SyntheticWorld.read
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SyntheticWorld, "read", lambda world, path: _turned_round(read(world, path)))
        return before, run("turned-round")


def _turned_round(raw: RawTables) -> RawTables:
    """Return the world with what was liked in its last month, the test part, disliked, and the other way round."""
    is_tested = pl.from_epoch("timestamp").dt.month() == 12
    other = pl.when(pl.col("rating") >= 4).then(1.0).otherwise(5.0).cast(pl.Float32)
    rating = pl.when(is_tested).then(other).otherwise(pl.col("rating"))
    return RawTables(raw.ratings.with_columns(rating=rating), raw.items)


def test_all_test_labels_and_no_others_are_turned_round(runs: tuple[Made, Made]) -> None:
    before, after = (run.artifacts["data"].table(INTERACTIONS) for run in runs)
    is_tested = pc.equal(before["split"], "test").to_numpy()
    assert 0 < is_tested.sum() < len(is_tested)
    np.testing.assert_array_equal(before["label"].to_numpy() != after["label"].to_numpy(), is_tested)
    queries = [run.artifacts["corpus"].table(QUERIES) for run in runs]
    assert not queries[0].equals(queries[1])  # so a statistic over all of them would differ too


def test_every_stage_that_trains_is_looked_at(runs: tuple[Made, Made]) -> None:
    trained = set(_trained(runs[0]))
    assert {f"tuned-{key}" for key, baseline in BASELINES.items() if baseline.trains != "nothing"} < trained
    assert {stage for stage in runs[0].artifacts if stage.startswith("tuned-")} < trained  # and what they build on
    assert {stage for stage, artifact in runs[0].artifacts.items() if (artifact.path / MODEL).exists()} <= trained


def test_what_is_trained_is_the_same_byte_for_byte(runs: tuple[Made, Made]) -> None:
    before, after = ({name: dict(_contents(run, name)) for name in _trained(run)} for run in runs)
    assert {name: sorted(files) for name, files in before.items()} == {
        name: sorted(files) for name, files in after.items()
    }
    differing = [
        f"{name}: {file}" for name, files in before.items() for file in files if files[file] != after[name][file]
    ]
    assert differing == []


def test_the_courses_of_all_trainings_are_the_same(runs: tuple[Made, Made]) -> None:
    for name in _trained(runs[0]):
        before, after = (_without_times(run.artifacts[name].facts) for run in runs)
        assert before == after, name


def test_what_is_said_of_validation_rows_is_the_same(runs: tuple[Made, Made]) -> None:
    """References have no model that could be compared. Test rows are in the same batches, which rounds differently."""
    scored = [name for name in runs[0].artifacts if (runs[0].artifacts[name].path / SCORES.name).is_dir()]
    assert len(scored) > 10
    judged = 0
    for name in scored:
        before, after = (_validation_scores(run, name) for run in runs)
        assert before.keys() == after.keys()
        np.testing.assert_allclose(list(before.values()), [after[key] for key in before], atol=1e-5, err_msg=name)
        judged += bool(before)
    assert judged > 10


def _trained(run: Made) -> list[str]:
    """Return the stages that leave something which they learnt, and which others build on."""
    return [stage for stage, artifact in run.artifacts.items() if stage in run.built_on and any(_models(artifact))]


def _models(artifact: Artifact) -> Iterator[Path]:
    """Yield the files in which a stage keeps what it learnt, be it a mean of vectors, wherever in its folder."""
    for path in sorted(artifact.path.rglob("*")):
        if path.is_file() and path.name != MANIFEST and path.suffix not in _NO_MODELS:
            yield path


def _contents(run: Made, stage: str) -> Iterator[tuple[str, Any]]:
    """Yield the name and the content of each file of a model, without what tells where the run lies, and when it was.

    The vectors of users that only test rows ask about are what is read, not what is trained: they are left out.
    """
    artifact = run.artifacts[stage]
    for path in _models(artifact):
        name, content = str(path.relative_to(artifact.path)), path.read_bytes()
        if path.name == "virtual_tokens.safetensors":
            tensors = load_file(path)
            tensors["vectors"] = tensors["vectors"][: _n_known(run)]
            yield name, {key: (values.shape, values.tobytes()) for key, values in tensors.items()}
        elif zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                yield name, {member: archive.read(member) for member in archive.namelist()}
        else:
            yield name, content.replace(str(run.root).encode(), b"")


def _n_known(run: Made) -> int:
    """Return the number of items and of queries that training or validation rows ask: they stand first, in time."""
    targets, corpus = run.artifacts["corpus"].table(TARGETS), run.artifacts["corpus"]
    known = targets.filter(pc.not_equal(targets["split"], "test"))
    n_queries = len(pc.unique(known["query_id"]))
    asked = corpus.table(QUERIES)["query_id"].slice(0, n_queries)
    assert pc.all(pc.is_in(asked, value_set=known["query_id"].combine_chunks())).as_py()
    return run.artifacts["data"].table(ITEMS).num_rows + n_queries


def _validation_scores(run: Made, stage: str) -> dict[tuple[str, str], float]:
    targets = run.artifacts["corpus"].table(TARGETS)
    chosen = targets.filter(pc.equal(targets["split"], "valid"))["target_id"].combine_chunks()
    scores = run.artifacts[stage].table(SCORES)
    rows = scores.filter(pc.is_in(scores["target_id"], value_set=chosen)).to_pylist()
    return {(row["method"], row["target_id"]): row["p_yes"] for row in rows}


def _without_times(facts: Any) -> Any:
    if isinstance(facts, dict):
        return {key: _without_times(value) for key, value in facts.items() if not _OF_THE_CLOCK.search(key)}
    return [_without_times(value) for value in facts] if isinstance(facts, list) else facts
