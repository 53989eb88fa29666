"""Collects assessments of training targets (Eq. 7): samples them, asks, keeps what was answered."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Literal, Self

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, model_validator

from scorerec.assess.asking import Answers, Questioning, ask_in_batches, named
from scorerec.assess.assessor import NOTHING, Assessor, BudgetError, Tokens
from scorerec.assess.client import ChatAssessor, ChatConfig
from scorerec.assess.limits import Budget, Prices
from scorerec.assess.local import LocalAssessor, LocalConfig, LocalModel
from scorerec.assess.metadata import MetadataAssessor
from scorerec.assess.plan import AssessmentRequest, Plan, make_plan
from scorerec.assess.store import ReplyStore
from scorerec.core.columns import PROMPT_HASH, REPLY, SPLIT, TARGET_ID
from scorerec.core.config import Config
from scorerec.core.errors import AssessmentError
from scorerec.core.randomness import derived_seed
from scorerec.core.tables import ASSESSMENTS
from scorerec.text.describe import Describer
from scorerec.text.wording import DomainWords


class AskingConfig(Config):
    """Which LLM is asked, how many failures are borne, and what may be spent."""

    chat: ChatConfig = Field(default=ChatConfig(), description="the LLM that is asked")
    n_rounds: int = Field(default=10, ge=1, description="how often a prompt is asked whose reply cannot be used")
    patience: int = Field(default=50, ge=1, description="calls that may fail in a row before the collection stops")
    max_unanswered: float = Field(
        default=0.05, ge=0, le=1, description="share of prompts that may stay without a reply, such as refused ones"
    )
    budget_tokens: int | None = Field(
        default=None, ge=1, description="most tokens to spend on these prompts, in and out, earlier runs included"
    )
    budget_money: float | None = Field(default=None, gt=0, description="most money, in the currency of the prices")
    price_in: float | None = Field(default=None, ge=0, description="price of a million tokens that are sent")
    price_out: float | None = Field(default=None, ge=0, description="price of a million tokens that come back")

    @model_validator(mode="after")
    def _budget_can_be_kept(self) -> Self:
        if self.budget_money is not None and (self.price_in is None or self.price_out is None):
            raise ValueError("budget_money needs price_in and price_out, the prices of a million tokens")
        if (self.budget_money or self.budget_tokens) and self.chat.max_tokens is None:
            raise ValueError("a budget needs chat.max_tokens: without it one reply may cost anything")
        return self

    @property
    def prices(self) -> Prices | None:
        """What tokens cost; None where the configuration does not say."""
        if self.price_in is None or self.price_out is None:
            return None
        return Prices(self.price_in, self.price_out)

    @property
    def decisive(self) -> dict[str, Any]:
        """The settings that decide which replies there are; not how fast, how dearly and from where they come."""
        return self.model_dump(mode="json", exclude=_INDECISIVE)

    def budget(self, spent: Tokens) -> Budget:
        """Return the budget, of which earlier runs have spent something."""
        longest_reply = self.chat.max_tokens or 0
        return Budget(self.budget_tokens, self.budget_money, self.prices or Prices(), longest_reply, spent)


_INDECISIVE: dict[str, Any] = {
    **dict.fromkeys(("n_rounds", "patience", "budget_tokens", "budget_money", "price_in", "price_out"), True),
    "chat": {
        "base_url_variable",
        "key_variable",
        "n_concurrent",
        "n_retries",
        "timeout",
        "requests_per_minute",
        "tokens_per_minute",
    },
}


class AssessConfig(AskingConfig):
    """Who assesses, and how much."""

    assessor: Literal["metadata", "local", "openai"] = Field(
        default="metadata",
        description="item metadata (not an LLM), an LLM in this process, or one behind an OpenAI-compatible endpoint",
    )
    local: LocalConfig = Field(default=LocalConfig(), description="the LLM in this process")
    n_targets: int = Field(default=10_000, ge=1, description="training targets to assess (Appendix B); all when fewer")

    @property
    def decisive(self) -> dict[str, Any]:
        """The settings that decide which replies there are."""
        if self.assessor == "metadata":
            return self.model_dump(mode="json", include={"assessor", "n_targets"})
        if self.assessor == "local":
            return self.model_dump(mode="json", include={"assessor", "n_targets", "max_unanswered", "local"})
        return {name: value for name, value in super().decisive.items() if name != "local"}

    @model_validator(mode="after")
    def _a_budget_is_for_an_endpoint(self) -> Self:
        if self.assessor == "local" and (self.budget_tokens or self.budget_money):
            raise ValueError("a budget is for an endpoint; a model of this process costs nothing: take the budget out")
        return self


_DEFAULT = AssessConfig()


def make_assessor(config: AssessConfig, describer: Describer, words: DomainWords, local: LocalModel) -> Assessor:
    """Return the assessor that ``config`` names.

    Args:
        config: whom to ask.
        describer: of the catalogue; item metadata is read from it, an LLM does not need it.
        words: of the domain, likewise.
        local: the LLM in this process.

    Raises:
        ConfigError: an LLM is to be asked, and the environment names no endpoint or key.
    """
    if config.assessor == "metadata":
        return MetadataAssessor(describer, words)
    return LocalAssessor(config.local, local) if config.assessor == "local" else ChatAssessor(config.chat)


def sample_targets(targets: pa.Table, n: int, seed: int) -> pa.Table:
    """Return ``n`` training targets, drawn at random; all of them when there are fewer.

    Each target draws its own lot, so a smaller sample is part of every larger one of the same seed. The rows
    keep the order of ``targets``.

    Args:
        targets: TARGETS.
        n: how many.
        seed: the run's seed.
    """
    training = targets.filter(pc.equal(targets[SPLIT], "train"))
    lots = [derived_seed(seed, "assess", target_id) for target_id in training[TARGET_ID].to_pylist()]
    drawn = sorted(range(len(lots)), key=lots.__getitem__)[:n]
    return training.take(pa.array(sorted(drawn), pa.int64()))


def collect(
    requests: Sequence[AssessmentRequest],
    assessor: Assessor,
    store: ReplyStore | None = None,
    config: AskingConfig = _DEFAULT,
) -> tuple[pa.Table, dict[str, Any]]:
    """Return the assessments of all requests that were answered, in their order, and what happened.

    Every distinct prompt is asked once, and not at all when the store has its reply. A prompt whose reply cannot
    be used is asked again after the others. Only LLM replies are stored, and paid for out of the budget.

    Args:
        requests: (target_id, P^r).
        assessor: whom to ask.
        store: where replies are kept; None keeps none.
        config: the budget, and how many failures are borne.

    Returns:
        ASSESSMENTS, and facts: how many prompts came from the store, were asked, or stay unanswered; the calls
        and attempts that failed, by kind; and the tokens of this run.

    Raises:
        BudgetError: the budget is spent before all prompts are answered; the replies so far are in the store.
        AssessmentError: the endpoint refuses every call, or more prompts than allowed stay without a reply.
    """
    kept = store if assessor.is_llm else None
    plan = make_plan(requests, assessor.identity, kept)
    budget = config.budget(plan.spent) if assessor.is_llm else Budget()
    try:
        if isinstance(assessor, LocalAssessor):
            asked = ask_in_batches(assessor, kept, plan)
        else:
            asked = Questioning(assessor, kept, budget).ask(plan.pending, config.n_rounds, config.patience)
    except BudgetError as stop:
        n_kept = len(make_plan(requests, assessor.identity, kept).replies)
        raise BudgetError(_resumable(stop, n_kept, len(plan.prompts))) from None
    replies = {**plan.replies, **asked.replies}
    warnings = _unanswered(len(plan.prompts), len(replies), asked, config.max_unanswered)
    spent = asked.spent if assessor.is_llm else NOTHING
    rows = [
        (target_id, *replies[key], hashlib.sha256(plan.prompts[key].text.encode()).hexdigest())
        for target_id, key in plan.keys.items()
        if key in replies
    ]
    facts = {
        "assessor": assessor.name,
        "is_llm": assessor.is_llm,
        "n_requests": len(requests),
        "n_answered": len(rows),
        **_facts(plan, asked),
        "failed_attempts": dict(assessor.failed_attempts),
        "tokens_in": spent.sent,
        "tokens_out": spent.received,
        "warnings": warnings,
    }
    return _table(rows, assessor.name), facts


def _resumable(stop: BudgetError, n_kept: int, n_prompts: int) -> str:
    return f"{stop} and run again to continue: {n_kept} of {n_prompts} prompts have a reply, and every reply is kept"


def _facts(plan: Plan, asked: Answers) -> dict[str, Any]:
    """Return what became of the prompts."""
    return {
        "n_prompts_from_store": len(plan.replies),
        "n_prompts_asked": len(plan.pending),
        "n_prompts_unanswered": len(plan.pending) - len(asked.replies),
        "failures": dict(sorted(asked.failures.items())),
    }


def _unanswered(n_prompts: int, n_answered: int, asked: Answers, allowed: float) -> list[str]:
    """Return a warning where prompts stay without a reply.

    Raises:
        AssessmentError: more than the allowed share do.
    """
    n_missing = n_prompts - n_answered
    if not n_missing:
        return []
    told = f"{n_missing} of {n_prompts} prompts have no reply (calls that failed: {named(asked.failures)})"
    if n_missing > allowed * n_prompts or not n_answered:
        again = ". Run again: replies are kept, and only what is missing is asked" if asked.can_pass else ""
        raise AssessmentError(
            f"{told}, more than assess.max_unanswered = {allowed}; the last: {asked.last_failure}{again}"
        )
    return [told]


def _table(rows: Sequence[tuple[str, str, int | None, int | None, str]], model: str) -> pa.Table:
    target_ids, texts, tokens_in, tokens_out, hashes = zip(*rows, strict=True) if rows else ((),) * 5
    columns = {
        TARGET_ID: target_ids,
        REPLY: texts,
        "model": [model] * len(rows),
        PROMPT_HASH: hashes,
        "tokens_in": tokens_in,
        "tokens_out": tokens_out,
    }
    return ASSESSMENTS.check(pa.table({name: list(values) for name, values in columns.items()}, ASSESSMENTS.columns))
