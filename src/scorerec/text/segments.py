"""Typed segments: the form in which prompts travel between rooms.

Budgets, augmentation, attention plots and soft-token models need to know which part of a prompt is what, so a
prompt stays a list of segments and becomes one string only where a tokenizer meets it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from scorerec.core.errors import DataError

KINDS = ("wording", "history", "dislike", "evidence", "target", "verdict")
LISTED = ("history", "dislike", "evidence")  # kinds of titles that stand in lists
SEPARATOR = ", "


class Segment(NamedTuple):
    """One part of a prompt.

    Attributes:
        kind: ``wording``, or a title: of the user's ``history``, of what the user rated and did not like
            (``dislike``), of another user's behaviour (``evidence``), or the ``target``; or what others thought of
            the target (``verdict``).
        text: the part as the reader sees it; titles are quoted.
        item_id: the item that a title describes; None for wording.
        behaviour_id: the behaviour that an evidence title belongs to. Wording that is there for one
            behaviour alone (the brackets around its list) carries it too, so that it can be taken out whole.
    """

    kind: str
    text: str
    item_id: str | None = None
    behaviour_id: str | None = None


def render(segments: Iterable[Segment]) -> str:
    """Return the prompt as one string, with ``", "`` between neighbouring titles of one list.

    Leaving titles of lists out beforehand leaves a well-formed prompt.

    >>> parts = [
    ...     Segment("wording", "Seen: ["),
    ...     Segment("history", "'Dogma (1999)'", "1"),
    ...     Segment("history", "'Clerks (1994)'", "2"),
    ...     Segment("wording", "]."),
    ... ]
    >>> render(parts)
    "Seen: ['Dogma (1999)', 'Clerks (1994)']."
    >>> render(part for part in parts if part.kind == "wording")
    'Seen: [].'
    """
    pieces: list[str] = []
    previous: tuple[str, str | None] | None = None
    for kind, text, _, behaviour_id in segments:
        current = (kind, behaviour_id) if kind in LISTED else None
        if current is not None and current == previous:
            pieces.append(SEPARATOR)
        pieces.append(text)
        previous = current
    return "".join(pieces)


def place_of_target(segments: Sequence[Segment]) -> int:
    """Return where the target stands in a prompt."""
    return next(place for place, segment in enumerate(segments) if segment.kind == "target")


def to_rows(segments: Iterable[Segment]) -> list[dict[str, str | None]]:
    """Return the segments as rows of the struct ``core.tables.SEGMENT``."""
    return [segment._asdict() for segment in segments]


def from_rows(rows: Iterable[Mapping[str, Any]]) -> list[Segment]:
    """Return the segments that ``to_rows`` turned into rows.

    Raises:
        DataError: a row is of no known kind, or has no text.
    """
    segments = [Segment(row["kind"], row["text"], row["item_id"], row["behaviour_id"]) for row in rows]
    for segment in segments:
        if segment.kind not in KINDS or segment.text is None:
            raise DataError(f"{segment}: wanted a text and one of the kinds {', '.join(KINDS)}")
    return segments
