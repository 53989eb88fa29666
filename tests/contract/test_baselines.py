"""What every LLM baseline must do; a new one is tested as soon as it is registered."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import scorerec.baselines
from scorerec.baselines.base import Baseline, Inputs
from scorerec.baselines.registry import BASELINES
from scorerec.core.artifacts import Artifact
from scorerec.core.config import Config
from scorerec.core.tables import INTERACTIONS, PROMPTS, QUERIES, TARGETS, TableSchema
from scorerec.experiment.config import ExperimentConfig
from scorerec.experiment.methods import ALL_METHODS
from scorerec.experiment.reproduce.plan import TABLE_2
from scorerec.experiment.runner import Context, Runner
from scorerec.experiment.stages import ALL_STAGES, needs, stages_of
from scorerec.experiment.stages.parts import backbone, prompter
from scorerec.llm.tune import tune


@dataclass(frozen=True)
class Relabelled:
    """An artifact whose rows of one split have the other label."""

    artifact: Artifact
    split: str

    @property
    def path(self) -> Path:
        return self.artifact.path

    def table(self, schema: TableSchema) -> pa.Table:
        table = self.artifact.table(schema)
        if schema not in (INTERACTIONS, TARGETS):
            return table
        flipped = pc.if_else(pc.equal(table["split"], self.split), pc.subtract(1, table["label"]), table["label"])
        return schema.check(table.set_column(table.column_names.index("label"), "label", flipped.cast(pa.int8())))


@pytest.fixture(scope="module", params=BASELINES)
def kind(request: Any) -> type[Baseline]:
    return BASELINES[request.param]


@pytest.fixture(scope="module")
def make(experiment: Any, outcome: Any, kind: type[Baseline]) -> Any:
    """Return what makes the baseline on the synthetic world."""
    config = experiment.config(f'methods=["item-mean", "item+user-mean", "score", "{kind.key}"]')
    return maker(kind, config, outcome.root, getattr(config.baselines, kind.section_name()))


def maker(kind: type[Baseline], config: ExperimentConfig, root: Path, settings: Config) -> Any:
    """Return what makes a baseline, all stages that it builds on being there."""
    runner = Runner(stages_of(config), config, root)
    artifacts = {name: runner.run(name, record=False)[name] for name in ("data", "corpus", *kind.builds_on)}
    context = Context(config, artifacts, root)
    name = backbone(context) if "backbone" in artifacts else config.llm.backbone

    def baseline(changed: Mapping[str, Any] | None = None) -> Baseline:
        seen = {**artifacts, **(changed or {})}
        writer, corpus = prompter(context), seen["corpus"]
        inputs = Inputs(
            artifacts=seen,
            backbone=name,
            llm=config.llm,
            ties=config.data.ties,
            write=lambda change: writer.changed(corpus.table(TARGETS), corpus.table(QUERIES), change),
            tune=lambda model, out: tune(model, prompts_of(made), made.inputs.labels, config.llm, out, config.seed),
            describer=writer.describer,
            words=writer.words,
            seed=config.seed,
        )
        made = kind(settings, inputs)
        return made

    return baseline


def prompts_of(baseline: Baseline) -> pa.Table:
    """Return the prompts that a baseline reads."""
    if baseline.prompts_from is not None:
        return baseline.inputs.artifacts[baseline.prompts_from].table(PROMPTS)
    return PROMPTS.check(baseline.prompts()[0])


def trained(baseline: Baseline, folder: Path) -> tuple[np.ndarray, dict[str, Any]]:
    """Train a baseline and return its scores of some judged rows, with the facts of its training."""
    prompts = prompts_of(baseline)
    facts = {} if baseline.trains == "nothing" else baseline.train(prompts, folder)
    judged = baseline.inputs.targets("valid", "test")
    rows = prompts.filter(pc.is_in(prompts["target_id"], judged["target_id"].combine_chunks())).slice(7, 40)
    found, _ = baseline.score(rows, baseline.inputs.backbone if baseline.trains == "nothing" else folder)
    assert found["target_id"].to_pylist() == rows["target_id"].to_pylist()
    assert found.column_names == ["target_id", "p_yes", "n_tokens"]
    return found["p_yes"].to_numpy(), facts


def test_no_baseline_escapes_this_suite() -> None:
    found = set()
    for module in pkgutil.iter_modules(scorerec.baselines.__path__, "scorerec.baselines."):
        for _, member in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if issubclass(member, Baseline) and member is not Baseline:
                found.add(member)
    assert found == set(BASELINES.values())


def test_a_baseline_is_known_everywhere_by_its_key(kind: type[Baseline]) -> None:
    assert kind.key in ALL_METHODS
    assert ALL_METHODS[kind.key].name == kind.label
    assert kind.key in {row.key for row in TABLE_2}
    stages = {stage.name: stage for stage in ALL_STAGES}
    assert set(kind.builds_on) <= set(stages)
    assert f"scores-{kind.key}" in stages
    assert set(needs(f"scores-{kind.key}")) >= set(kind.builds_on)
    assert kind.__doc__ != Baseline.__doc__


def test_the_example_of_the_contributors_page_is_a_baseline(experiment: Any, outcome: Any, tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names: dict[str, Any] = {"Any": Any, "Baseline": Baseline, "ClassVar": ClassVar, "pa": pa}
    exec(textwrap.dedent(code), names)
    kind = names["WithoutHistory"]
    ours = maker(kind, experiment.config(), outcome.root, Config())()
    shown = {segment["kind"] for segments in prompts_of(ours)["segments"].to_pylist() for segment in segments}
    assert shown == {"wording", "target"}
    scores, facts = trained(ours, tmp_path)
    assert len(set(scores)) > 1
    assert facts["validation_aucs"]


def test_a_prompt_for_each_target_and_no_label_of_a_test_row_in_any(make: Any) -> None:
    ours = make()
    prompts = prompts_of(ours)
    assert sorted(prompts["target_id"].to_pylist()) == sorted(ours.inputs.targets()["target_id"].to_pylist())
    flipped = {name: Relabelled(ours.inputs.artifacts[name], "test") for name in ("data", "corpus")}
    if ours.reads_dislikes:  # earlier test rows are history to later ones
        test = set(ours.inputs.targets("test")["target_id"].to_pylist())
        kept = prompts.filter([name not in test for name in prompts["target_id"].to_pylist()])
        again = prompts_of(make(flipped))
        again = again.filter([name not in test for name in again["target_id"].to_pylist()])
        assert again.equals(kept)
    else:
        assert prompts_of(make(flipped)).equals(prompts)


def test_scores_are_probabilities_that_the_seed_decides_and_test_labels_do_not(make: Any, tmp_path: Path) -> None:
    ours = make()
    scores, facts = trained(ours, tmp_path / "one")
    assert ((scores >= 0) & (scores <= 1)).all()
    assert len(set(scores)) > 1
    assert facts or ours.trains == "nothing"
    flipped = {name: Relabelled(ours.inputs.artifacts[name], "test") for name in ("data", "corpus")}
    again, _ = trained(make({} if ours.reads_dislikes else flipped), tmp_path / "two")
    np.testing.assert_array_equal(scores, again)
