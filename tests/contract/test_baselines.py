"""What every LLM baseline must do; a new one is tested as soon as it is registered."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import textwrap
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
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
from scorerec.core.errors import ConfigError
from scorerec.core.tables import INTERACTIONS, PROMPTS, TARGETS, TableSchema
from scorerec.experiment.config import ExperimentConfig
from scorerec.experiment.methods import METHODS
from scorerec.experiment.plan import ALL_STAGES, needs, stages_of
from scorerec.experiment.runner import Runner
from scorerec.llm.backbone import load_backbone
from scorerec.llm.tune import tune
from scorerec.reproduce.plan import TABLE_2


@dataclass(frozen=True)
class Relabelled:
    """An artifact in which some rows have the other label."""

    artifact: Artifact
    row_ids: Collection[int]

    @property
    def path(self) -> Path:
        return self.artifact.path

    def table(self, schema: TableSchema) -> pa.Table:
        table = self.artifact.table(schema)
        if schema not in (INTERACTIONS, TARGETS):
            return table
        chosen = pc.is_in(table["row_id"], value_set=pa.array(sorted(self.row_ids), table["row_id"].type))
        flipped = pc.if_else(chosen, pc.subtract(1, table["label"]), table["label"])
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
    made = Runner(stages_of(config), config, root).made("data", "corpus", *kind.builds_on)

    def baseline(changed: Mapping[str, Any] | None = None, seed: int = config.seed) -> Baseline:
        run = replace(
            made,
            config=config.model_copy(update={"seed": seed}),
            artifacts={**made.artifacts, **(changed or {})},
            folder=Path("of a test"),
        )
        ours = kind(settings, Inputs(run, lambda model, out: tuned(ours, model, out)))
        return ours

    def tuned(ours: Baseline, model: str | Path, out: Path) -> dict[str, Any]:
        loaded = load_backbone(model, config.llm.precision, config.device)
        return tune(loaded, prompts_of(ours), ours.inputs.labels, config.llm, out, ours.inputs.seed)

    return baseline


def prompts_of(baseline: Baseline) -> pa.Table:
    """Return the prompts that a baseline reads; it writes them from what their stage reads, and nothing else."""
    run: Any = baseline.inputs.run
    if baseline.prompts_from is not None:
        return run.table(baseline.prompts_from, PROMPTS)
    known = {"data", "corpus", *baseline.prompts_build_on}
    own = {name: part for name, part in run.artifacts.items() if name in known}
    inputs = replace(baseline.inputs, run=replace(run, artifacts=own))
    return PROMPTS.check(type(baseline)(baseline.config, inputs).prompts()[0])


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
    assert kind.key in METHODS
    assert METHODS[kind.key].label == kind.label
    assert kind.key in {row.key for row in TABLE_2}
    stages = {stage.name: stage for stage in ALL_STAGES}
    assert set(kind.builds_on) <= set(stages)
    assert f"scores-{kind.key}" in stages
    assert set(needs(f"scores-{kind.key}")) >= set(kind.builds_on)
    assert kind.__doc__


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


def relabelled(baseline: Baseline, row_ids: Collection[int]) -> dict[str, Relabelled]:
    """Return data and corpus with the labels of some rows turned round."""
    return {name: Relabelled(baseline.inputs.run.artifact(name), row_ids) for name in ("data", "corpus")}


def test_there_is_a_prompt_for_each_target(make: Any) -> None:
    ours = make()
    assert sorted(prompts_of(ours)["target_id"].to_pylist()) == sorted(ours.inputs.targets()["target_id"].to_pylist())


def test_a_rows_own_label_is_not_in_its_prompt(make: Any, kind: type[Baseline]) -> None:
    if kind.prompts_from is not None:
        return  # the stage that writes them is tested for it elsewhere
    ours = make()
    targets = ours.inputs.targets("test")  # training labels may decide through a model that was fitted to them
    last = targets.sort_by("row_id").slice(targets.num_rows - 1)
    row, name = last["row_id"][0].as_py(), last["target_id"][0].as_py()
    before, after = prompts_of(ours), prompts_of(make(relabelled(ours, [row])))
    assert after.equals(before)  # the last row of all is history to none
    assert name in before["target_id"].to_pylist()


def test_scores_are_probabilities_that_the_seed_decides_and_test_labels_do_not(
    make: Any, kind: type[Baseline], tmp_path: Path
) -> None:
    ours = make()
    scores, facts = trained(ours, tmp_path / "one")
    assert ((scores >= 0) & (scores <= 1)).all()
    assert len(set(scores)) > 1
    assert facts or kind.trains == "nothing"
    # What was disliked before is told: only the rows that nothing follows can be turned round there.
    test = ours.inputs.targets("test")["row_id"].to_pylist()
    again, _ = trained(make(relabelled(ours, [max(test)] if kind.reads_dislikes else test)), tmp_path / "two")
    np.testing.assert_array_equal(scores, again)
    if kind.trains != "nothing":
        other, _ = trained(make(seed=7), tmp_path / "three")
        assert not np.array_equal(scores, other)


def test_it_computes_where_the_experiment_does(make: Any, kind: type[Baseline], tmp_path: Path) -> None:
    ours = make()
    run: Any = ours.inputs.run
    elsewhere = kind(
        ours.config, replace(ours.inputs, run=replace(run, config=run.config.model_copy(update={"device": "abacus"})))
    )
    with pytest.raises(ConfigError, match="got 'abacus'"):
        elsewhere.score(prompts_of(ours), tmp_path)
