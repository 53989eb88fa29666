"""What a user made of the items rated so far, likes and dislikes, in one short sentence behind the target."""

from __future__ import annotations

from bisect import bisect_right
from typing import Literal, NamedTuple

from scorerec.text.segments import Segment
from scorerec.text.wording import DomainWords

RecordNumbers = Literal["figures", "words"]

_STEPS = (0.15, 0.3, 0.42, 0.58, 0.7, 0.85)
_SHARES = ("hardly any", "few", "some", "about half", "many", "most", "nearly all")
_PRIOR = 2.0  # ratings of the kind that are like all the others


class Record(NamedTuple):
    """How many items a user liked and did not like, and how many of these are of the target's kind, if it has one."""

    n_likes: int
    n_dislikes: int
    alike_likes: int
    alike_dislikes: int
    has_kind: bool = True


def record(counts: Record, words: DomainWords, numbers: RecordNumbers) -> Segment:
    """Return what stands behind the target; the full stop of its sentence is the next segment's.

    Args:
        counts: as of the row.
        words: the words of the domain.
        numbers: ``words`` tells shares in seven steps; of the target's kind with two ratings more, shared as all are.

    >>> from scorerec.text.wording import DOMAINS
    >>> record(Record(12, 18, 5, 4), DOMAINS["movie"], "figures").text
    '. So far this viewer liked 12 of 30 movies, and 5 of 9 of this kind'
    >>> record(Record(12, 18, 5, 4), DOMAINS["movie"], "words").text
    '. So far this viewer liked some movies, and about half of this kind'
    >>> record(Record(3, 0, 0, 0), DOMAINS["book"], "figures").text
    '. So far this reader liked 3 of 3 books, and rated none of this kind'
    >>> record(Record(3, 1, 0, 0, False), DOMAINS["book"], "figures").text
    '. So far this reader liked 3 of 4 books'
    >>> record(Record(0, 0, 0, 0), DOMAINS["book"], "words").text
    '. So far this reader rated no books'
    """
    n_rated, n_alike = counts.n_likes + counts.n_dislikes, counts.alike_likes + counts.alike_dislikes
    so_far = f". So far this {words.person}"
    if not n_rated:
        return Segment("verdict", f"{so_far} rated no {words.plural}")
    if numbers == "figures":
        liked, alike = f"{counts.n_likes} of {n_rated}", f"{counts.alike_likes} of {n_alike}"
    else:
        share = counts.n_likes / n_rated
        liked, alike = _share(share), _share((counts.alike_likes + _PRIOR * share) / (n_alike + _PRIOR))
    of_kind = f", and {alike} of this kind" if n_alike else ", and rated none of this kind"
    return Segment("verdict", f"{so_far} liked {liked} {words.plural}{of_kind if counts.has_kind else ''}")


def _share(share: float) -> str:
    return _SHARES[bisect_right(_STEPS, share)]
