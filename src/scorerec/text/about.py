"""What the catalogue says of a target, and how often the user likes such items."""

from __future__ import annotations

from bisect import bisect_right

from scorerec.text.segments import Segment
from scorerec.text.wording import DomainWords

_STEPS = (0.1, 0.25, 0.45, 0.65)
_OFTEN = ("hardly ever", "seldom", "sometimes", "often", "mostly")


def about(details: str, alike: float | None, words: DomainWords) -> Segment:
    """Return what stands behind the target; the full stop of its sentence is the next segment's.

    Args:
        details: what the catalogue says of the target; empty where it says nothing.
        alike: mean share of it that an item has which the user liked; None where the user liked none, or it is nothing
            that items have in common.
        words: the words of the domain.

    >>> from scorerec.text.wording import DOMAINS
    >>> about("genres: Drama, War; year: 1994", 0.5, DOMAINS["movie"]).text
    '. Its genres: Drama, War; year: 1994. The movies that this viewer likes are often of this kind'
    >>> about("", None, DOMAINS["movie"]).text
    '. Nothing else is known of this movie'
    """
    if not details:
        return Segment("verdict", f". Nothing else is known of this {words.singular}")
    kind = (
        f". The {words.plural} that this {words.person} likes are {_OFTEN[bisect_right(_STEPS, alike)]} of this kind"
        if alike is not None
        else ""
    )
    return Segment("verdict", f". Its {details}{kind}")
