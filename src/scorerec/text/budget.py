"""Fits a prompt to a budget of titles, users and tokens, without ever cutting a title.

What goes, and in which order:

1. Counted budgets: behaviours beyond ``evidence_users`` go whole, the last (least useful) first; then every
   list keeps its most recent titles. What the user did not like has no limit of its own: as many titles as
   its method tells are in the prompt.
2. The token budget: the list that is longest in tokens loses its oldest title (a history with a ``history_step`` so
   many at once), again and again, so that
   history, dislikes and evidence end up with about the same room (at a tie the history keeps its title, and
   the dislikes do before the evidence). When every list is down to one title, behaviours go whole, the last
   first, then the last title of the dislikes, and then the history's.

The wording, the target and the verdict on it always stay whole. Tokens are counted once per distinct part and added
up; parts counted apart need about as many tokens as together or more, and the final prompt is counted as a whole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from pydantic import Field

from scorerec.core.config import Config
from scorerec.core.errors import ConfigError
from scorerec.text.segments import LISTED, SEPARATOR, Segment, render

CountTokens = Callable[[str], int]


class Budget(Config):
    """How much of a prompt a consumer reads; None is no limit."""

    tokens: int | None = Field(
        default=None,
        ge=1,
        description="tokens of the text; special tokens and the chat template are the caller's to subtract",
    )
    history_titles: int | None = Field(default=None, ge=0, description="most recent titles of the user's history")
    history_step: int = Field(default=1, ge=1, description="see ``window_start``")
    evidence_titles: int | None = Field(default=None, ge=1, description="most recent titles of each other user")
    evidence_users: int | None = Field(default=None, ge=0, description="other users whose behaviour is shown")


def window_start(length: int, most: int, step: int = 1) -> int:
    """Return where the window of a list's latest titles starts: at a multiple of ``step``.

    It holds up to ``step - 1`` more than ``most``, and keeps its beginning while the list grows by as many.

    Args:
        length: titles of the list.
        most: titles of the window, where it could start anywhere.
        step: places from one start to the next.

    >>> [window_start(length, 10, 4) for length in (9, 13, 14, 17, 18)]
    [0, 0, 4, 4, 8]
    """
    start = max(0, length - most)
    return start - start % step


class Fitted(NamedTuple):
    """A prompt that fits.

    Attributes:
        segments: what is left.
        dropped_history: titles of the user's own left out: of the history, and of what was not liked.
        dropped_evidence: evidence titles left out.
        n_tokens: tokens of the rendered prompt.
    """

    segments: list[Segment]
    dropped_history: int
    dropped_evidence: int
    n_tokens: int


class TokenCounter:
    """Counts tokens and remembers the counts of short texts: titles recur in thousands of prompts.

    Args:
        count_tokens: tokens of a text, without special tokens.

    >>> calls = []
    >>> counter = TokenCounter(lambda text: calls.append(text) or len(text.split()))
    >>> counter("two words") + counter("two words"), len(calls)
    (4, 1)
    """

    longest_remembered = 400  # characters; whole prompts are longer and hardly ever recur

    def __init__(self, count_tokens: CountTokens):
        self._count = count_tokens
        self._known: dict[str, int] = {}

    def __call__(self, text: str) -> int:
        """Return the number of tokens of ``text``."""
        known = self._known.get(text)
        if known is None:
            known = self._count(text)
            if len(text) <= self.longest_remembered:
                self._known[text] = known
        return known


@dataclass
class _TitleList:
    """One list of titles in a prompt: the history, the dislikes, or the behaviour of one other user.

    Attributes:
        places: positions of its titles among the segments, oldest first.
        frame: positions of the wording that is there for this list alone.
        step: titles that go at once, so that it starts where other windows of the list do.
    """

    places: list[int] = field(default_factory=list)
    frame: list[int] = field(default_factory=list)
    step: int = 1

    def keep_latest(self, count: int | None) -> None:
        if count is not None:
            self.places = self.places[window_start(len(self.places), count, self.step) :]

    def drop_oldest(self) -> list[int]:
        """Take out the oldest titles up to the next start of a window; one where that is all. Return their places."""
        count = self.step if len(self.places) > self.step else 1
        gone, self.places = self.places[:count], self.places[count:]
        return gone


class _Draft:
    """A prompt while titles are taken out of it."""

    def __init__(self, segments: Sequence[Segment]):
        self.segments = segments
        self.fixed: list[int] = []  # the target, the verdict on it, and wording that always stays
        self.history, self.dislikes = _TitleList(), _TitleList()
        self.evidence: list[_TitleList] = []  # the most useful first
        by_behaviour: dict[str, _TitleList] = {}
        for place, (kind, _, _, behaviour_id) in enumerate(segments):
            if kind == "history":
                self.history.places.append(place)
            elif kind == "dislike":
                self.dislikes.places.append(place)
            elif behaviour_id is None:
                self.fixed.append(place)
            else:
                titles = by_behaviour.setdefault(behaviour_id, _TitleList())
                (titles.places if kind == "evidence" else titles.frame).append(place)
        self.evidence = list(by_behaviour.values())

    def kept(self) -> list[int]:
        """Return the positions that are still part of the prompt, in order."""
        lists = [self.history, self.dislikes, *self.evidence]
        return sorted([*self.fixed, *(place for titles in lists for place in (*titles.places, *titles.frame))])

    def text(self) -> str:
        return render(self.segments[place] for place in self.kept())

    def drop_one(self, costs: Mapping[int, int]) -> int:
        """Take out what the module says goes next; return its tokens, 0 when nothing is left to take out."""
        lists = [titles for titles in (self.history, self.dislikes, *self.evidence) if len(titles.places) > 1]
        if lists:  # max returns the first of equals: compare from the last list, so that the history wins a tie
            longest = max(reversed(lists), key=lambda titles: sum(costs[place] for place in titles.places))
            return sum(costs[place] for place in longest.drop_oldest())
        if self.evidence:
            gone = self.evidence.pop()
            return sum(costs[place] for place in (*gone.places, *gone.frame))
        last = self.dislikes if self.dislikes.places else self.history
        return costs[last.places.pop()] if last.places else 0


def fit(segments: Sequence[Segment], budget: Budget, count_tokens: CountTokens) -> Fitted:
    """Return the part of a prompt that fits ``budget``; the module says what goes first.

    Args:
        segments: a prompt of ``text.prompts``.
        budget: the limits.
        count_tokens: tokens of a text without special tokens; a ``TokenCounter`` for many prompts.

    Raises:
        ConfigError: the wording and the target alone need more than ``budget.tokens``.
    """
    draft = _Draft(segments)
    if budget.evidence_users is not None:
        del draft.evidence[budget.evidence_users :]
    draft.history.step = budget.history_step
    draft.history.keep_latest(budget.history_titles)
    for titles in draft.evidence:
        titles.keep_latest(budget.evidence_titles)
    n_tokens = count_tokens(draft.text()) if budget.tokens is None else _fit_tokens(draft, budget.tokens, count_tokens)
    left = [segments[place] for place in draft.kept()]
    dropped = Counter(part.kind for part in segments)
    dropped.subtract(part.kind for part in left)
    return Fitted(left, dropped["history"] + dropped["dislike"], dropped["evidence"], n_tokens)


def _fit_tokens(draft: _Draft, tokens: int, count_tokens: CountTokens) -> int:
    """Take titles out of ``draft`` until it has at most ``tokens`` tokens; return how many it has."""
    costs = {place: _cost(draft.segments[place], count_tokens) for place in draft.kept()}
    total, limit = sum(costs.values()), tokens
    while True:
        while total > limit and (saved := draft.drop_one(costs)):
            total -= saved
        n_tokens = count_tokens(draft.text())
        if n_tokens <= tokens:
            return n_tokens
        if not (draft.evidence or draft.dislikes.places or draft.history.places):
            raise ConfigError(
                f"a budget of {tokens} tokens is too small: wording and target alone need {n_tokens}; "
                "raise the budget or shorten titles (describe.max_title_characters)"
            )
        # Apart, the parts were cheaper than together: take out a little more.
        limit = total - (n_tokens - tokens)


def _cost(segment: Segment, count_tokens: CountTokens) -> int:
    # With its comma, because tokenizers join a closing quote and a comma, and a space and the quote after it.
    return count_tokens(segment.text + SEPARATOR.rstrip() if segment.kind in LISTED else segment.text)
