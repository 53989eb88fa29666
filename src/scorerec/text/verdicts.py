"""What others thought of a target, in one or two short sentences behind it."""

from __future__ import annotations

from bisect import bisect_right
from typing import Literal, NamedTuple

from scorerec.text.segments import Segment
from scorerec.text.wording import DomainWords

Numbers = Literal["figures", "percent", "words", "words and percent"]

# Shares of those who liked it, and what people would say of it then: small models read feelings better than figures.
_STEPS = (0.36, 0.45, 0.52, 0.59, 0.66, 0.73, 0.80)
_FEELINGS = (
    "hated it",
    "disliked it",
    "did not much like it",
    "had mixed feelings about it",
    "quite liked it",
    "liked it",
    "liked it a lot",
    "loved it",
)
_NOBODY_SIMILAR = "Nobody similar is known to have rated it"
_PRIOR, _USUAL = 3.0, 0.6  # so many raters more, who like it as usual: one rater alone is no extreme


class Verdict(NamedTuple):
    """How many others rated an item and how many of them liked it; of these, the same of the most similar ones."""

    n_raters: int
    n_liked: int
    n_similar: int
    n_similar_liked: int


def verdict(counts: Verdict, words: DomainWords, numbers: Numbers) -> Segment:
    """Return what stands behind the target; the full stop of its sentence is the next segment's.

    Args:
        counts: of the target.
        words: the words of the domain.
        numbers: ``percent`` adds the share of those who liked it; ``words`` tells it as a feeling, in eight steps, of a
            share to which a few raters of average opinion are added; ``words and percent`` has that share beside it.

    >>> from scorerec.text.wording import DOMAINS
    >>> verdict(Verdict(40, 31, 8, 7), DOMAINS["movie"], "figures").text
    '. Of 40 other viewers, 31 liked it. Of the 8 most similar, 7 liked it'
    >>> verdict(Verdict(40, 31, 1, 0), DOMAINS["movie"], "percent").text
    '. Of 40 other viewers, 31 (78%) liked it. The most similar one did not like it'
    >>> verdict(Verdict(40, 31, 8, 7), DOMAINS["movie"], "words").text
    '. Other viewers liked it a lot. The most similar ones loved it'
    >>> verdict(Verdict(40, 31, 8, 7), DOMAINS["movie"], "words and percent").text
    '. Other viewers liked it a lot (76%). The most similar ones loved it (84%)'
    >>> verdict(Verdict(1, 1, 0, 0), DOMAINS["item"], "figures").text
    '. One of the other users rated it and liked it. Nobody similar is known to have rated it'
    >>> verdict(Verdict(0, 0, 0, 0), DOMAINS["game"], "figures").text
    '. No other players are known to have rated it'
    """
    others = f"other {words.people}"
    if not counts.n_raters:
        return Segment("verdict", f". No {others} are known to have rated it")
    if numbers in ("words", "words and percent"):
        usual = (counts.n_liked + _PRIOR * _USUAL) / (counts.n_raters + _PRIOR)
        of_similar = (counts.n_similar_liked + _PRIOR * usual) / (counts.n_similar + _PRIOR)
        told = f"The most similar ones {_feeling(of_similar, numbers)}" if counts.n_similar else _NOBODY_SIMILAR
        return Segment("verdict", f". {others[0].upper()}{others[1:]} {_feeling(usual, numbers)}. {told}")
    if counts.n_raters == 1:
        raters = f"One of the {others} rated it and {_liked_it(counts.n_liked)}"
    else:
        raters = f"Of {counts.n_raters} {others}, {_share(counts.n_liked, counts.n_raters, numbers)} liked it"
    if not counts.n_similar:
        similar = _NOBODY_SIMILAR
    elif counts.n_similar == 1:
        similar = f"The most similar one {_liked_it(counts.n_similar_liked)}"
    else:
        liked = _share(counts.n_similar_liked, counts.n_similar, numbers)
        similar = f"Of the {counts.n_similar} most similar, {liked} liked it"
    return Segment("verdict", f". {raters}. {similar}")


def without_numbers(words: DomainWords) -> str:
    """Return what a verdict leaves where it says nothing."""
    return f". Other {words.people} have rated it"


def _feeling(share: float, numbers: Numbers) -> str:
    feeling = _FEELINGS[bisect_right(_STEPS, share)]
    return feeling if numbers == "words" else f"{feeling} ({share:.0%})"


def _liked_it(is_liked: int) -> str:
    return "liked it" if is_liked else "did not like it"


def _share(part: int, whole: int, numbers: Numbers) -> str:
    return f"{part} ({part / whole:.0%})" if numbers == "percent" else str(part)
