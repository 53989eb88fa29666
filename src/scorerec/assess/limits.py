"""Keeps calls within an endpoint's rates and a user's budget, whatever number of threads makes them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from scorerec.assess.assessor import NOTHING, BudgetError, Reply, Tokens

_BYTES_PER_TOKEN = 3  # of UTF-8. English has about 4 and Chinese 3 to 4, so this errs on the expensive side.


def estimate_tokens(text: str) -> int:
    """Return about how many tokens a text has, without the tokenizer of the endpoint's model.

    >>> estimate_tokens("Ran (1985)")
    4
    """
    return -(-len(text.encode()) // _BYTES_PER_TOKEN)


def spent_on(prompt: str, reply: Reply) -> Tokens:
    """Return the tokens of one call as the endpoint counted them, and estimated where it did not."""
    return Tokens(
        estimate_tokens(prompt) if reply.tokens_in is None else reply.tokens_in,
        estimate_tokens(reply.text) if reply.tokens_out is None else reply.tokens_out,
    )


class RateLimit:
    """Spaces calls so that no minute has more than its share; there is no burst at the start.

    Args:
        per_minute: how much may be taken in a minute; None is no limit.
        clock: seconds that never go back.
        sleep: waits for so many seconds.
    """

    def __init__(
        self,
        per_minute: float | None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ):
        self._seconds = 0.0 if per_minute is None else 60.0 / per_minute  # that one unit takes
        self._clock = clock
        self._sleep = sleep
        self._free_at = clock()
        self._lock = threading.Lock()

    def take(self, amount: float) -> None:
        """Wait for one's turn, and let the next wait until ``amount`` has been made up for."""
        with self._lock:
            now = self._clock()
            turn = max(now, self._free_at)
            self._free_at = turn + amount * self._seconds
        if turn > now:
            self._sleep(turn - now)

    def correct(self, amount: float) -> None:
        """Count what a call took beyond (or, when negative, short of) what was taken for it."""
        with self._lock:
            self._free_at += amount * self._seconds


class Prices(NamedTuple):
    """What a million tokens cost, in the user's currency."""

    sent: float = 0.0
    received: float = 0.0

    def of(self, tokens: Tokens) -> float:
        """Return what so many tokens cost.

        >>> Prices(2.0, 8.0).of(Tokens(1_000_000, 500_000))
        6.0
        """
        return (tokens.sent * self.sent + tokens.received * self.received) / 1e6


_FREE = Prices()


class Budget:
    """Lets a call begin only where its worst case still fits, beside the worst cases of all that are under way.

    Args:
        tokens: most tokens, sent and received; None is no limit.
        money: most money; None is no limit.
        prices: what tokens cost.
        longest_reply: tokens that one reply may have.
        spent: tokens of earlier runs.
    """

    def __init__(
        self,
        tokens: int | None = None,
        money: float | None = None,
        prices: Prices = _FREE,
        longest_reply: int = 0,
        spent: Tokens = NOTHING,
    ):
        self._tokens = tokens
        self._money = money
        self._prices = prices
        self._longest_reply = longest_reply
        self._spent = spent
        self._reserved = NOTHING
        self._changed = threading.Condition()

    def reserve(self, prompt: str) -> Tokens:
        """Set aside what a call with this prompt may cost; waits while calls under way may give some back.

        Raises:
            BudgetError: it does not fit, and nothing is under way that could make room.
        """
        call = Tokens(estimate_tokens(prompt), self._longest_reply)
        with self._changed:
            while (excess := self._excess(call)) is not None:
                if self._reserved == NOTHING:
                    raise BudgetError(excess)
                self._changed.wait()
            self._reserved = self._reserved.plus(call)
        return call

    def settle(self, call: Tokens, cost: Tokens) -> None:
        """Replace what was set aside for a call by what it cost."""
        with self._changed:
            self._reserved = Tokens(self._reserved.sent - call.sent, self._reserved.received - call.received)
            self._spent = self._spent.plus(cost)
            self._changed.notify_all()

    def has_room(self, tokens: Tokens) -> bool:
        """Whether so many more tokens break no limit."""
        return self._excess(tokens) is None

    def _excess(self, call: Tokens) -> str | None:
        """Say which limit a further use may break, and None where it breaks none."""
        after = self._spent.plus(self._reserved).plus(call)
        if self._tokens is not None and sum(after) > self._tokens:
            return (
                f"{sum(self._spent):,} of {self._tokens:,} tokens are spent, and the next call may need "
                f"{sum(call):,}; raise assess.budget_tokens"
            )
        if self._money is not None and self._prices.of(after) > self._money:
            return (
                f"{self._prices.of(self._spent):.4f} of {self._money:.4f} is spent, and the next call may cost "
                f"{self._prices.of(call):.4f}; raise assess.budget_money"
            )
        return None
