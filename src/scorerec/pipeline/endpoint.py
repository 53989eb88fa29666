"""Eq. 14 by an LLM behind an endpoint: Yes and No among the likeliest first tokens of its answer (ADR 0021)."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from pydantic import Field

from scorerec.assess.assessor import Assessor
from scorerec.assess.client import ChatConfig
from scorerec.assess.collect import AskingConfig, collect
from scorerec.assess.limits import estimate_tokens
from scorerec.assess.probabilities import Kind
from scorerec.assess.store import ReplyStore
from scorerec.core.columns import N_TOKENS, P_YES, REPLY, TARGET_ID, TOKENS_IN
from scorerec.core.errors import ModelError
from scorerec.llm.answers import NO, YES
from scorerec.llm.encode import read_prompts
from scorerec.text.budget import Budget, TokenCounter, fit
from scorerec.text.segments import Segment, render


class EndpointConfig(AskingConfig):
    """Which LLM answers Yes or No from afar."""

    chat: ChatConfig = Field(default=ChatConfig(), description="the LLM that is asked; its max_tokens is not used")
    kind: Kind = Field("chat", description="chat: behind the model's chat template; completion: the prompt as it is")
    top_logprobs: int = Field(20, ge=2, description="likeliest tokens that are asked for; OpenAI and vLLM allow 20")
    max_unanswered: float = Field(0.0, ge=0, le=0, description="every row needs a score")
    max_without_answer: float = Field(
        0.01, ge=0, le=1, description="share of rows that may have neither Yes nor No among the likeliest tokens"
    )


class Probability(NamedTuple):
    """Attributes: ``p_yes``; ``n_seen``: how many of Yes and No were among the likeliest tokens."""

    p_yes: float
    n_seen: int


def probability_of_yes(likely: Mapping[str, float]) -> Probability:
    """Return P(Yes) / (P(Yes) + P(No)) from the log-probabilities of the likeliest tokens.

    A form with a space before it counts, too. An answer that is not among them is no likelier than the last of them,
    and gets that probability; where both are missing, nothing is known, and the score is 0.5.

    >>> found = probability_of_yes({"Yes": -0.5, " Yes": -3.0, "No": -1.5, "Maybe": -4.0})
    >>> round(found.p_yes, 4), found.n_seen
    (0.7463, 2)
    >>> probability_of_yes({"Yes": 0.0, "yes": -9.0}).n_seen, probability_of_yes({"Maybe": 0.0}).p_yes
    (1, 0.5)
    """
    found = [
        np.exp([value for token, value in likely.items() if token.strip() == answer]).sum() for answer in (YES, NO)
    ]
    n_seen = sum(bool(value > 0) for value in found)
    if n_seen == 0:
        return Probability(0.5, 0)
    last = float(np.exp(min(likely.values())))
    yes, no = (value if value > 0 else last for value in found)
    return Probability(float(yes / (yes + no)), n_seen)


def as_asked(prompts: pa.Table, budget: Budget) -> dict[str, list[Segment]]:
    """Return target_id -> the prompt that an endpoint is sent: what the budget leaves of each row of PROMPTS."""
    counter = TokenCounter(estimate_tokens)
    fitted = [fit(row, budget, counter).segments for row in read_prompts(prompts)]
    return dict(zip(prompts[TARGET_ID].to_pylist(), fitted, strict=True))


def texts_about(
    prompts: pa.Table, budget: Budget, target_ids: Collection[str], behaviour_ids: Collection[str]
) -> list[str]:
    """Return the texts that an endpoint is sent for some targets, or with some behaviours in them.

    Args:
        prompts: PROMPTS.
        budget: titles and tokens that are shown.
        target_ids: of the targets.
        behaviour_ids: of the behaviours.
    """
    return [
        render(segments)
        for target_id, segments in as_asked(prompts, budget).items()
        if target_id in target_ids or any(segment.behaviour_id in behaviour_ids for segment in segments)
    ]


def score_by_endpoint(
    prompts: pa.Table, budget: Budget, assessor: Assessor, store: ReplyStore | None, config: EndpointConfig
) -> tuple[pa.Table, dict[str, Any]]:
    """Score PROMPTS by what an endpoint says; a reply that is kept is not asked for again.

    Args:
        prompts: PROMPTS.
        budget: titles and tokens that are shown; tokens are estimated, for the tokenizer is elsewhere.
        assessor: a ``ProbabilityReader``.
        store: where replies are kept.
        config: what may be spent, and how many failures are borne.

    Returns:
        target_id, p_yes and n_tokens as the endpoint counted them, and facts.

    Raises:
        AssessmentError: a row has no reply, or the budget is spent; all replies are kept.
        ModelError: too many rows have neither Yes nor No among the likeliest tokens.
    """
    replies, facts = collect(list(as_asked(prompts, budget).items()), assessor, store, config)
    found = [probability_of_yes(json.loads(reply)) for reply in replies[REPLY].to_pylist()]
    n_seen = np.array([entry.n_seen for entry in found])
    n_unknown = int((n_seen == 0).sum())
    if n_unknown > config.max_without_answer * len(found):
        raise ModelError(
            f"{assessor.name}: {n_unknown} of {len(found)} rows have neither Yes nor No among the "
            f"{config.top_logprobs} likeliest tokens, more than endpoint.max_without_answer = "
            f"{config.max_without_answer}; ask for more tokens (endpoint.top_logprobs), see whether endpoint.kind is "
            "right, or ask another model"
        )
    scores = pa.table(
        {
            TARGET_ID: replies[TARGET_ID],
            P_YES: pa.array([entry.p_yes for entry in found], pa.float64()),
            N_TOKENS: replies[TOKENS_IN].cast(pa.int32()),
        }
    )
    return scores, {**facts, "n_bounded": int((n_seen == 1).sum()), "n_without_answer": n_unknown}
