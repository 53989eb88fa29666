"""The dry run: what computing and assessments would still take and cost, without a call and without a key."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from scorerec.assess.estimate import Estimate as AssessmentEstimate
from scorerec.assess.estimate import estimate
from scorerec.assess.plan import make_plan
from scorerec.experiment.config import ExperimentConfig, load_experiment
from scorerec.experiment.estimate import Estimate, estimate_run
from scorerec.experiment.plan import stages_of
from scorerec.experiment.runner import Progress, Runner


@dataclass(frozen=True)
class Cost:
    """Attributes: ``stages``: memory and time of each; ``assessments``: calls and money, None where no LLM is asked."""

    stages: list[Estimate]
    assessments: AssessmentEstimate | None


def experiment_cost(
    source: str, changes: Sequence[str], root: Path, tell: Callable[[Progress], None] = lambda _: None
) -> Cost:
    """Return what an experiment would still take.

    Runs the stages that only read data. A key is not needed; the endpoint is where replies are kept, since it decides
    which of them count.

    Args:
        source: a preset or a TOML file.
        changes: settings as ``key=value`` that replace its own.
        root: the folder that runs stand in.
        tell: is told what happens while it happens.

    Raises:
        ConfigError: replies are kept, and the environment names no endpoint.
        ModelError: a model is neither on this machine nor in its hub.
    """
    config = load_experiment(source, changes)
    runner = Runner(stages_of(config), config, root)
    asks = config.assesses and config.assess.assessor == "openai"
    return Cost(estimate_run(runner, None, tell), _assessments(config, runner, tell) if asks else None)


def _assessments(config: ExperimentConfig, runner: Runner, tell: Callable[[Progress], None]) -> AssessmentEstimate:
    from scorerec.experiment.stages.evidence import assessment_requests

    made = runner.made("corpus", tell=tell)
    requests = assessment_requests(made)
    if not made.replies_path.is_file():
        return estimate(make_plan(requests, {}, None), config.assess)
    with made.replies() as store:
        return estimate(make_plan(requests, config.assess.chat.identity(), store), config.assess)
