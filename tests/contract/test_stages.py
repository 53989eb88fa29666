"""What every stage must do: read what it declares, all of it and nothing else, and leave what it declares."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest
from pydantic import create_model

from scorerec.core.artifacts import Draft
from scorerec.core.tables import CONTEXTS, PROMPTS, SCORES
from scorerec.experiment import effort, methods
from scorerec.experiment.config import RatesConfig, load_experiment
from scorerec.experiment.methods import METHODS, Method
from scorerec.experiment.plan import ALL_STAGES, RANKED_BY_GAIN, SIGNAL_OF_CRM, holdings, report_stage, stages_of
from scorerec.experiment.run import Run
from scorerec.experiment.runner import Runner
from scorerec.experiment.settings import EVERYTHING
from scorerec.experiment.stage import Stage
from scorerec.llm.config import RateConfig
from scorerec.pipeline.forms.registry import FORMS

EVERY_STAGE = (*(stage.showing(FORMS) for stage in ALL_STAGES), RANKED_BY_GAIN, SIGNAL_OF_CRM, report_stage([]))


@pytest.mark.parametrize("stage", EVERY_STAGE, ids=lambda stage: stage.name)
def test_a_stage_has_work_that_takes_what_it_is_given(stage: Stage) -> None:
    parameters = inspect.signature(stage.function).parameters
    assert len(parameters) == 2 + len(stage.given)
    assert not stage.effort or callable(getattr(effort, stage.effort))
    assert holdings(stage.name) == stage.leaves
    for path in (path.split("!")[0] for path in stage.settings if path != EVERYTHING):
        owner: Any = load_experiment("ml-1m-toy")
        for name in path.split("."):
            owner = getattr(owner, name)  # there is such a setting


def test_every_method_writes_scores_by_stages_of_its_own_or_shares_them() -> None:
    by_name = {stage.name: stage for stage in ALL_STAGES}
    for method in METHODS.values():
        assert by_name[method.stage].writes == (SCORES.name,)
        assert bool(method.stages) != bool(method.scores)
        assert method.label


def test_an_ablation_is_one_line(experiment: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another way to choose users: the function that does it, and its line among the methods."""
    from scorerec.experiment import plan
    from scorerec.experiment.stages import variants

    def last_of(run: Run, draft: Draft, candidates: str) -> None:
        variants.first_of(run, draft, candidates)

    monkeypatch.setattr(variants, "last_of", last_of, raising=False)
    ours: Method = methods._variant("last", "SCORE-last", "ablation", ("candidates",), "last_of", "candidates")
    monkeypatch.setitem(METHODS, "last", ours)
    stages = plan._in_order((*ALL_STAGES, *ours.stages))
    monkeypatch.setattr(plan, "ALL_STAGES", stages)
    config = experiment.config('methods=["item-mean", "item+user-mean", "score", "last"]')
    # Which methods may have a rate follows from the line when the package is imported.
    rates: Any = create_model("Rates", __base__=RatesConfig, last=(RateConfig | None, None))
    config = config.model_copy(update={"rates": rates()})
    made = Runner(stages_of(config), config, tmp_path).made("contexts-last", "prompts-last")
    assert made.table("contexts-last", CONTEXTS).num_rows
    assert made.table("prompts-last", PROMPTS).num_rows
    assert config.chosen_methods[-1].label == "SCORE-last"


def test_the_report_follows_a_name_and_a_price(experiment: Any) -> None:
    """It shows both: whoever renames a configuration or changes a price shall not read the old page."""
    found = []
    for changes in ((), ("name=renamed",), ("assess.price_in=2.0", "assess.price_out=8.0")):
        config = experiment.config(*changes)
        found.append(Runner(stages_of(config), config, Path("runs")).identities)
    (before, *others) = found
    for after in others:
        assert {name for name in before if before[name] != after[name]} == {"report"}
