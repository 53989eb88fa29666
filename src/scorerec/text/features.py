"""Prompts of the baselines that tell a language model by other means what similar users did: tokens or codes.

The wording is ours, in the style of P^b; the methods' own prompts are for other tasks or other models.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from scorerec.text.describe import Describer
from scorerec.text.prompts import basic
from scorerec.text.segments import Segment
from scorerec.text.wording import DomainWords


def featured(
    history: Sequence[str],
    target: str,
    describer: Describer,
    words: DomainWords,
    features: tuple[str, str],
) -> list[Segment]:
    """Return P^b with a feature of the user behind the history, and one of the item behind its title.

    Args:
        history: ids of the items that the user liked, oldest first.
        target: item id.
        describer: writes the titles.
        words: the words of the domain.
        features: what stands for the user, and for the item: a code, or a mark that becomes a vector.

    Raises:
        DataError: an item has no description.
    """
    user, item = features
    segments = basic(history, target, describer, words)
    place = next(index for index, segment in enumerate(segments) if segment.kind == "target")
    return [
        *segments[: place - 1],
        Segment("wording", f". The feature of the user is {user}"),
        *segments[place - 1 : place + 1],
        Segment("wording", f", whose feature is {item}"),
        *segments[place + 1 :],
    ]


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
