"""Prompts of the baselines that tell a language model by other means what similar users did: tokens or codes.

The wording is ours, in the style of P^b; the methods' own prompts are for other tasks or other models.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from scorerec.text.describe import Describer
from scorerec.text.segments import Segment, place_of_target
from scorerec.text.wording import DomainWords


class Asked(NamedTuple):
    """One row that a prompt is for: the ids of the target, of the user's query and of the item."""

    target_id: str
    query_id: str
    item_id: str


# (the row, its P^b) -> the prompt of a baseline
ChangePrompt = Callable[[Asked, Sequence[Segment]], list[Segment]]


def featured(segments: Sequence[Segment], user: str, item: str) -> list[Segment]:
    """Return P^b with a feature of the user behind the history, and one of the item behind its title.

    Args:
        segments: P^b.
        user: what stands for the user: a code, or a mark that becomes a vector.
        item: what stands for the item.
    """
    place = place_of_target(segments)
    return [
        *segments[: place - 1],
        Segment("wording", f". The feature of the user is {user}"),
        *segments[place - 1 : place + 1],
        Segment("wording", f", whose feature is {item}"),
        *segments[place + 1 :],
    ]


class Reactions(NamedTuple):
    """What some users thought of an item; users are numbers, from 1 on.

    Attributes:
        item_id: the item.
        liked_by: who liked it.
        not_liked_by: who rated it and did not like it.
    """

    item_id: str
    liked_by: Sequence[int]
    not_liked_by: Sequence[int]


def reacted(
    segments: Sequence[Segment], reactions: Sequence[Reactions], describer: Describer, words: DomainWords
) -> list[Segment]:
    """Return P^b with a sentence for each item on which retrieved users had a mind.

    Args:
        segments: P^b.
        reactions: in the order in which they are told; those of nobody are left out.
        describer: writes the titles.
        words: the words of the domain.
    """
    place = place_of_target(segments)
    sentences = [
        Segment("wording", _sentence(entry, describer.item(entry.item_id), words))
        for entry in reactions
        if entry.liked_by or entry.not_liked_by
    ]
    return [*segments[: place - 1], *sentences, *segments[place - 1 :]]


def disliked(
    segments: Sequence[Segment], item_ids: Sequence[str], describer: Describer, words: DomainWords
) -> list[Segment]:
    """Return P^b with the items that the user rated and did not like; P^b itself where there are none.

    Each title is a segment, as those of the history are: so budgets and augmentation find them.

    Args:
        segments: P^b.
        item_ids: oldest first.
        describer: writes the titles.
        words: the words of the domain.
    """
    if not item_ids:
        return list(segments)
    place = place_of_target(segments)
    return [
        *segments[: place - 1],
        Segment("wording", f". The user has not {words.liked} the following {words.plural}: ["),
        *(Segment("dislike", describer.item(item_id), item_id) for item_id in item_ids),
        Segment("wording", "]"),
        *segments[place - 1 :],
    ]


def _sentence(entry: Reactions, title: str, words: DomainWords) -> str:
    """Say who liked one item and who did not.

    >>> from scorerec.text.wording import DOMAINS
    >>> _sentence(Reactions("7", (1, 3), (2,)), "'Ran (1985)'", DOMAINS["movie"])
    ". User 1 and user 3 have given high ratings to the movie 'Ran (1985)', user 2 has not"
    """
    liked, not_liked = _users(entry.liked_by), _users(entry.not_liked_by)
    verbs = tuple("has" if len(users) == 1 else "have" for users in (entry.liked_by, entry.not_liked_by))
    what = f"{words.liked_by_others} the {words.singular} {title}"
    if not liked:
        return f". {not_liked.capitalize()} {verbs[1]} not {what}"
    return f". {liked.capitalize()} {verbs[0]} {what}" + (f", {not_liked} {verbs[1]} not" if not_liked else "")


def _users(numbers: Sequence[int]) -> str:
    return " and ".join(f"user {number}" for number in numbers)


def marked(segments: Sequence[Segment], mark: Callable[[str], str]) -> list[Segment]:
    """Return a prompt with a mark behind each title of history and target.

    Args:
        segments: P^b.
        mark: item id -> what stands behind its title.
    """
    return [
        segment._replace(text=f"{segment.text}{mark(segment.item_id)}")
        if segment.kind in ("history", "target") and segment.item_id is not None
        else segment
        for segment in segments
    ]
