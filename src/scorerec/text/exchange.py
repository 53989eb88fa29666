"""A prompt with a part of another row's prompt in its place: what a model that reads the part must answer otherwise."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from scorerec.text.segments import Segment, place_of_target


def with_history_of(segments: Sequence[Segment], other: Sequence[Segment]) -> list[Segment] | None:
    """Return a prompt with the history of another one; None where one of them has none."""
    return _exchanged(segments, other, lambda part: part.kind == "history")


def with_evidence_of(segments: Sequence[Segment], other: Sequence[Segment]) -> list[Segment] | None:
    """Return a prompt with the evidence of another one, in each form that both show; None where there is no such form.

    >>> target = Segment("target", "'A'", "1")
    >>> one, other = ([target, Segment("verdict", text)] for text in (". Nobody rated it", ". Of 2, 1 liked it"))
    >>> with_evidence_of(one, other) == other, with_evidence_of(one, [target])
    (True, None)
    """
    found: list[Segment] | None = None
    for is_part in (_is_of_similar_users, _is_verdict):
        found = _exchanged(found or segments, other, is_part) or found
    return found


def with_target(segments: Sequence[Segment], text: str) -> list[Segment]:
    """Return a prompt that asks about an item in other words, such as those of another one.

    >>> with_target([Segment("wording", "Like "), Segment("target", "'A'", "1")], "'B'")[1].text
    "'B'"
    """
    place = place_of_target(segments)
    return [*segments[:place], segments[place]._replace(text=text), *segments[place + 1 :]]


def names_target(segments: Sequence[Segment]) -> bool:
    """Whether a title of somebody else's behaviour is the target."""
    target = segments[place_of_target(segments)].item_id
    return any(part.kind == "evidence" and part.item_id == target for part in segments)


def _is_of_similar_users(part: Segment) -> bool:
    return part.behaviour_id is not None


def _is_verdict(part: Segment) -> bool:
    return part.kind == "verdict"


def _exchanged(
    segments: Sequence[Segment], other: Sequence[Segment], is_part: Callable[[Segment], bool]
) -> list[Segment] | None:
    places = [place for place, part in enumerate(segments) if is_part(part)]
    theirs = [part for part in other if is_part(part)]
    if not places or not theirs:
        return None
    return [*segments[: places[0]], *theirs, *segments[places[-1] + 1 :]]
