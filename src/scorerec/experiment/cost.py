"""The dry run of the assessments: what they would cost, without a call and without a key."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from scorerec.assess.estimate import Estimate, estimate
from scorerec.assess.plan import make_plan
from scorerec.assess.store import ReplyStore
from scorerec.core.errors import ConfigError
from scorerec.experiment.config import load_experiment
from scorerec.experiment.runner import Context, Progress, Runner
from scorerec.experiment.stages import tables
from scorerec.experiment.stages.evidence import REPLIES, assessment_requests


def assessment_cost(
    source: str,
    changes: Sequence[str],
    root: Path,
    tell: Callable[[Progress], None] = lambda _: None,
) -> Estimate:
    """Return what the assessments of an experiment would still ask and cost.

    Runs the stages before them, which only read data. The key is not needed; the endpoint is where replies are
    kept, since it decides which of them count.

    Raises:
        ConfigError: no LLM is to be asked; or replies are kept, and the environment names no endpoint.
    """
    config = load_experiment(source, changes)
    if config.assess.assessor != "openai":
        raise ConfigError(
            f"assess.assessor is {config.assess.assessor!r}, which costs nothing; to see what an LLM would cost, "
            "add --set assess.assessor=openai"
        )
    artifacts = Runner(tables.STAGES, config, root).run("corpus", tell, record=False)
    requests = assessment_requests(Context(config, artifacts, root))
    if not (root / REPLIES).is_file():
        return estimate(make_plan(requests, {}, None), config.assess)
    with ReplyStore(root / REPLIES) as store:
        return estimate(make_plan(requests, config.assess.chat.identity(), store), config.assess)
