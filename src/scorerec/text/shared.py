"""Why a similar user is like this one, and what they thought of the target: a sentence each behind the target."""

from __future__ import annotations

from collections.abc import Sequence

from scorerec.text.segments import Segment
from scorerec.text.wording import DomainWords


def shared(raters: Sequence[tuple[bool, Sequence[str]]], words: DomainWords) -> Segment:
    """Return what stands behind the target; the full stop of its sentence is the next segment's.

    Args:
        raters: whether they liked the target, and titles that the user likes too, at least one; the most similar first.
        words: the words of the domain.

    >>> from scorerec.text.wording import DOMAINS
    >>> shared([(True, ["'Alien'", "'Heat'"]), (False, ["'Ran'"])], DOMAINS["movie"]).text
    ". A viewer who also liked 'Alien' and 'Heat' liked it. A viewer who also liked 'Ran' did not like it"
    >>> shared([], DOMAINS["movie"]).text
    '. No viewer who liked the same movies is known to have rated it'
    """
    if not raters:
        return Segment("verdict", f". No {words.person} who liked the same {words.plural} is known to have rated it")
    told = (
        f". A {words.person} who also liked {_listed(titles)} {'liked it' if liked else 'did not like it'}"
        for liked, titles in raters
    )
    return Segment("verdict", "".join(told))


def _listed(titles: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(titles[:-1]), titles[-1])))
