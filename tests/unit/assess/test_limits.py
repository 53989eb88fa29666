"""Rates by an injected clock, budgets by hand-computed sums, and estimates before anything is asked."""

from __future__ import annotations

import threading

import pytest
from pydantic import ValidationError

from scorerec.assess.assessor import BudgetError, Reply, Tokens
from scorerec.assess.client import ChatConfig
from scorerec.assess.collect import AssessConfig
from scorerec.assess.estimate import estimate
from scorerec.assess.limits import Budget, Prices, RateLimit, estimate_tokens, spent_on
from scorerec.assess.plan import Plan, Prompt


class Time:
    """A clock that stands still but for sleeping."""

    def __init__(self) -> None:
        self.now = 100.0

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def turns(limit: RateLimit, time: Time, *amounts: float) -> list[float]:
    """Return the seconds at which each amount may be taken."""
    found = []
    for amount in amounts:
        limit.take(amount)
        found.append(round(time.now - 100.0, 6))
    return found


def test_calls_are_spaced_and_never_come_in_a_burst() -> None:
    time = Time()
    limit = RateLimit(30, time.clock, time.sleep)
    assert turns(limit, time, 1, 1, 1) == [0, 2, 4]
    time.now += 60  # a pause earns nothing
    assert turns(limit, time, 1, 1) == [64, 66]


def test_a_large_call_keeps_the_next_one_waiting() -> None:
    time = Time()
    assert turns(RateLimit(600, time.clock, time.sleep), time, 100, 10, 1) == [0, 10, 11]


def test_what_a_call_really_took_is_made_up_for() -> None:
    time = Time()
    limit = RateLimit(60, time.clock, time.sleep)
    limit.take(1)
    limit.correct(5)
    assert turns(limit, time, 2) == [6]
    limit.correct(-1)
    assert turns(limit, time, 1) == [7]


def test_without_a_rate_nobody_waits() -> None:
    time = Time()
    assert turns(RateLimit(None, time.clock, time.sleep), time, 1e9, 1e9) == [0, 0]


def test_a_call_begins_only_where_its_worst_case_fits() -> None:
    budget = Budget(tokens=100, longest_reply=40, spent=Tokens(10, 20))
    call = budget.reserve("x" * 90)  # 30 tokens
    assert call == Tokens(30, 40)
    budget.settle(call, Tokens(28, 2))  # 60 spent: nothing longer than 0 + 40 fits
    budget.settle(budget.reserve(""), Tokens(0, 1))
    with pytest.raises(BudgetError, match=r"^61 of 100 tokens are spent, and the next call may need 40; raise"):
        budget.reserve("")


def test_a_budget_of_money_counts_both_prices() -> None:
    budget = Budget(money=1.0, prices=Prices(10_000, 100_000), longest_reply=5)  # 0.01 and 0.1 a token
    budget.settle(budget.reserve("xyz"), Tokens(1, 5))
    with pytest.raises(BudgetError, match=r"0\.5100 of 1\.0000 is spent.* may cost 0\.5100; raise assess.budget_money"):
        budget.reserve("xyz")


def test_a_call_waits_for_those_under_way_rather_than_stop_too_early() -> None:
    budget = Budget(tokens=10, longest_reply=8)
    first = budget.reserve("")
    second: list[Tokens] = []
    waiting = threading.Thread(target=lambda: second.append(budget.reserve("")))
    waiting.start()
    waiting.join(0.02)
    assert waiting.is_alive()
    budget.settle(first, Tokens(0, 2))
    waiting.join(5)
    assert second == [Tokens(0, 8)]


def test_tokens_that_an_endpoint_does_not_count_are_estimated() -> None:
    assert estimate_tokens("\N{HIRAGANA LETTER A}" * 4) == 4
    assert spent_on("x" * 9, Reply("yes!", None, None)) == Tokens(3, 2)
    assert spent_on("x" * 9, Reply("yes!", 7, 5)) == Tokens(7, 5)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"budget_money": 5.0, "price_in": 1.0}, "needs price_in and price_out"),
        ({"budget_tokens": 5, "chat": {"max_tokens": None}}, "needs chat.max_tokens"),
    ],
)
def test_a_budget_that_cannot_be_kept_is_refused(settings: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        AssessConfig.model_validate(settings)


DECISIVE = {
    "assessor": "openai",
    "n_targets": 9,
    "max_unanswered": 0.5,
    "chat": {"model": "m", "temperature": 0.5, "max_tokens": 9, "parameters": {"top_p": 0.5}},
}
INDECISIVE = {
    "n_rounds": 9,
    "patience": 9,
    "budget_tokens": 9,
    "budget_money": 9.0,
    "price_in": 9.0,
    "price_out": 9.0,
    "chat": {
        "base_url_variable": "A",
        "key_variable": "B",
        "n_concurrent": 9,
        "n_retries": 9,
        "timeout": 9.0,
        "requests_per_minute": 9.0,
        "tokens_per_minute": 9.0,
    },
}


def test_every_setting_decides_what_is_assessed_or_only_how_it_is_asked() -> None:
    decides, asks = AssessConfig.model_validate(DECISIVE), AssessConfig(assessor="openai", **INDECISIVE)
    assert decides.decisive == DECISIVE
    assert asks.decisive == AssessConfig(assessor="openai").decisive
    assert DECISIVE.keys() | INDECISIVE.keys() | {"local"} == AssessConfig.model_fields.keys()
    assert DECISIVE["chat"].keys() | INDECISIVE["chat"].keys() == ChatConfig.model_fields.keys()


def test_the_metadata_assessor_depends_on_no_setting_of_an_llm() -> None:
    assert AssessConfig(n_targets=5, chat=ChatConfig(model="m")).decisive == {"assessor": "metadata", "n_targets": 5}


PLAN = Plan(
    keys={"t0": "a", "t1": "a", "t2": "b", "t3": "c"},
    prompts={key: Prompt([], "x" * 300) for key in "abc"},
    replies={"c": Reply("kept")},
    spent=Tokens(100, 10),
)


def test_an_estimate_before_anything_is_asked() -> None:
    chat = ChatConfig(model="m", max_tokens=50, requests_per_minute=4, tokens_per_minute=50)
    found = estimate(PLAN, AssessConfig(chat=chat, price_in=1000, price_out=2000, budget_tokens=410))
    assert (found.n_requests, found.n_prompts, found.n_stored, found.n_to_ask) == (4, 3, 1, 2)
    assert (found.tokens_spent, found.tokens_in, found.most_tokens_out) == (110, 200, 100)
    assert (found.most_money, found.minutes, found.within_budget) == (0.4, 4.0, True)
    assert estimate(PLAN, AssessConfig(chat=chat, budget_tokens=409)).within_budget is False


def test_what_is_not_known_is_not_estimated() -> None:
    found = estimate(PLAN, AssessConfig(chat=ChatConfig(max_tokens=None), price_in=1.0, price_out=1.0))
    assert (found.most_tokens_out, found.most_money, found.minutes, found.within_budget) == (None,) * 4
