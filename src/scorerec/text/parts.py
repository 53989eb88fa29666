"""What a prompt can do without: titles of the user, similar users, what is told of the target, all evidence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from scorerec.text.prompts import without_behaviours
from scorerec.text.segments import Segment

PartKind = Literal["title", "dislike", "neighbour", "told"]
# Kinds of segments that are parts of their own; the titles of a similar user leave together.
_KINDS: dict[str, PartKind] = {"history": "title", "dislike": "dislike", "verdict": "told"}


class Part(NamedTuple):
    """A part of a prompt that may be left out.

    Attributes:
        kind: a ``title`` of the user's own, one that the user did not like (``dislike``), a similar user's titles
            (``neighbour``), or what is ``told`` of the target in one form of evidence.
        key: the item, the behaviour, or what is told.
        item_ids: of the titles that go.
    """

    kind: PartKind
    key: str
    item_ids: tuple[str, ...] = ()

    @property
    def is_evidence(self) -> bool:
        """Whether it tells of others."""
        return self.kind in ("neighbour", "told")


def parts(segments: Sequence[Segment]) -> list[Part]:
    """Return the parts of a prompt that may be left out, in its order.

    >>> [part.kind for part in parts([Segment("history", "'A'", "1"), Segment("verdict", ". Nobody rated it")])]
    ['title', 'told']
    """
    return list(dict.fromkeys(_parts(segments)))


def without(segments: Sequence[Segment], left_out: Sequence[Part]) -> list[Segment]:
    """Return a prompt without some of its parts, as it would have been written without them.

    >>> shown = [Segment("history", "'A'", "1"), Segment("verdict", ". Nobody rated it"), Segment("wording", ".")]
    >>> without(shown, parts(shown))
    [Segment(kind='wording', text='.', item_id=None, behaviour_id=None)]
    """
    behaviours = {part.key for part in left_out if part.kind == "neighbour"}
    left = without_behaviours(segments, behaviours) if behaviours else list(segments)
    others = {(part.kind, part.key) for part in left_out}
    return [one for one in left if one.kind not in _KINDS or (_KINDS[one.kind], _key(one)) not in others]


def _parts(segments: Sequence[Segment]) -> Iterator[Part]:
    for segment in segments:
        if segment.kind in _KINDS:
            yield Part(_KINDS[segment.kind], _key(segment), (segment.item_id,) if segment.item_id else ())
        elif segment.kind == "evidence" and segment.behaviour_id is not None:
            shown = (one for one in segments if one.kind == "evidence" and one.behaviour_id == segment.behaviour_id)
            yield Part("neighbour", segment.behaviour_id, tuple(one.item_id or "" for one in shown))


def _key(segment: Segment) -> str:
    return segment.text.removeprefix(". ") if segment.kind == "verdict" else segment.item_id or ""
