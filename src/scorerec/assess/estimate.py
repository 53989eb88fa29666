"""Says what a collection would ask and cost before anything is asked."""

from __future__ import annotations

from dataclasses import dataclass

from scorerec.assess.assessor import Tokens
from scorerec.assess.collect import AssessConfig
from scorerec.assess.limits import estimate_tokens
from scorerec.assess.plan import Plan


@dataclass(frozen=True)
class Estimate:
    """What is left to ask, each prompt answered at its first call.

    Attributes:
        model: who would be asked.
        n_requests: targets to assess.
        n_prompts: distinct prompts of theirs; each is asked once.
        n_stored: prompts whose reply is kept already.
        n_to_ask: prompts that would be asked.
        tokens_spent: tokens that earlier runs spent on these prompts, in and out.
        tokens_in: tokens to send: UTF-8 bytes / 3, which errs on the expensive side.
        most_tokens_out: tokens that come back if every reply is as long as may be; None where nothing limits it.
        most_money: what these tokens cost, in the currency of the prices; None without prices or a limit.
        minutes: least time that the rates leave for it; None without rates.
        within_budget: whether all of it fits; None without a budget.
    """

    model: str
    n_requests: int
    n_prompts: int
    n_stored: int
    n_to_ask: int
    tokens_spent: int
    tokens_in: int
    most_tokens_out: int | None
    most_money: float | None
    minutes: float | None
    within_budget: bool | None


def estimate(plan: Plan, config: AssessConfig) -> Estimate:
    """Return what the rest of a collection would come to."""
    sent = sum(estimate_tokens(prompt.text) for prompt in plan.pending.values())
    n_to_ask, longest = len(plan.pending), config.chat.max_tokens
    received = None if longest is None else n_to_ask * longest
    money = None if config.prices is None or received is None else round(config.prices.of(Tokens(sent, received)), 4)
    return Estimate(
        model=config.chat.model,
        n_requests=len(plan.keys),
        n_prompts=len(plan.prompts),
        n_stored=len(plan.replies),
        n_to_ask=n_to_ask,
        tokens_spent=sum(plan.spent),
        tokens_in=sent,
        most_tokens_out=received,
        most_money=money,
        minutes=_minutes(config, n_to_ask, sent),
        within_budget=_fits(config, plan.spent, Tokens(sent, received or 0)),
    )


def _minutes(config: AssessConfig, n_calls: int, sent: int) -> float | None:
    rates = ((n_calls, config.chat.requests_per_minute), (sent, config.chat.tokens_per_minute))
    return max((round(amount / rate, 1) for amount, rate in rates if rate is not None), default=None)


def _fits(config: AssessConfig, spent: Tokens, rest: Tokens) -> bool | None:
    if config.budget_tokens is None and config.budget_money is None:
        return None
    return config.budget(spent).has_room(rest)
