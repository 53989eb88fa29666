"""Stages of a distant LM that is not tuned here: it reads the prompts that the tuned one reads."""

from __future__ import annotations

from functools import partial
from typing import Any

from scorerec.assess.probabilities import ProbabilityReader
from scorerec.assess.store import ReplyStore
from scorerec.core.artifacts import Draft
from scorerec.core.tables import SCORES
from scorerec.experiment.config import ExperimentConfig
from scorerec.experiment.methods import ALL_METHODS
from scorerec.experiment.runner import Context, Stage
from scorerec.experiment.stages.evidence import REPLIES
from scorerec.experiment.stages.judged import prompts_of, with_method
from scorerec.pipeline.endpoint import score_by_endpoint

ENDPOINT_PROMPTS = {"scores-endpoint": "prompts-llm", "scores-endpoint-score": "prompts-score"}


def _scores(key: str, context: Context, draft: Draft) -> None:
    """Score the rows of the split that is judged; the others would be paid for without use."""
    config, method = context.config.endpoint, ALL_METHODS[key]
    judged = prompts_of(context, ENDPOINT_PROMPTS[method.stage], (context.config.evaluation.split,))
    reader = ProbabilityReader(config.chat, config.kind, config.top_logprobs)
    with ReplyStore(context.root / REPLIES) as store:
        found, facts = score_by_endpoint(judged, context.config.llm.budget, reader, store, config)
    draft.write(SCORES, with_method(found, method.name))
    draft.facts.update(facts)


def _settings(config: ExperimentConfig) -> dict[str, Any]:
    return {
        "endpoint": config.endpoint.decisive,
        "budget": config.llm.budget.model_dump(mode="json"),
        "split": config.evaluation.split,
    }


STAGES = tuple(
    Stage(method.stage, ("corpus", ENDPOINT_PROMPTS[method.stage]), _settings, partial(_scores, key), seeded=False)
    for key, method in ALL_METHODS.items()
    if method.stage in ENDPOINT_PROMPTS
)
