"""What a service is asked, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from scorerec.pipeline.reasons import Reasons
from scorerec.pipeline.recommend import Recommendation
from scorerec.serve.catalogue import Filter
from scorerec.text.parts import Part
from scorerec.text.segments import Segment


class Person(NamedTuple):
    """Who is asked for.

    Attributes:
        user_id: whose own behaviours are never evidence.
        history: ids of liked items, oldest first.
        seen: ids of all items that they are known to have rated.
        disliked: ids of items that they say they did not like, oldest first, where nothing else is known of them.
    """

    user_id: str
    history: Sequence[str]
    seen: frozenset[str]
    disliked: Sequence[str] = ()


class Wish(NamedTuple):
    """What somebody is to be recommended.

    Attributes:
        person: who.
        n_items: how many items.
        exclude: items that are not recommended.
        filters: on the items; see ``ItemList.chosen``.
        again: whether items that they have seen may come again.
    """

    person: Person
    n_items: int
    exclude: Sequence[str] = ()
    filters: Mapping[str, Filter] = {}
    again: bool = False


class Proposed(NamedTuple):
    """A recommended item.

    Attributes:
        item: with what the LM read of others.
        is_scored: whether the LM scored it; if not, its p_yes means nothing, and its place is the recommender's.
    """

    item: Recommendation
    is_scored: bool


@dataclass(frozen=True)
class Explanation:
    """Why an item has its score for somebody.

    Attributes:
        item: with what the LM read of others.
        segments: the prompt, as much of it as the LM reads.
        parts: those that may be left out, in the order of the prompt.
        reasons: what the answer is without each of them.
        p_yes: probability of Yes without those that were left out.
        owners: behaviour_id -> user_id, of similar users.
    """

    item: Recommendation
    segments: Sequence[Segment]
    parts: Sequence[Part]
    reasons: Reasons
    p_yes: float
    owners: Mapping[str, str]


@dataclass(frozen=True)
class Versions:
    """What every answer names.

    Attributes:
        model: fingerprint of the tuned LM.
        corpus: fingerprint of the corpus, and what was added to it.
        snapshot: UTC second of the latest interaction that is known.
    """

    model: str
    corpus: str
    snapshot: int
