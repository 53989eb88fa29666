"""What numbers alone expect of a target, in one short sentence behind it."""

from __future__ import annotations

from bisect import bisect_right
from typing import Literal

from scorerec.text.segments import Segment
from scorerec.text.wording import DomainWords

OpinionNumbers = Literal["figures", "words", "words and figures"]

# Probabilities, and what people would say of them.
_STEPS = (0.12, 0.2, 0.28, 0.35, 0.42, 0.48, 0.54, 0.6, 0.66, 0.72, 0.79, 0.87)
_EXPECTED = (
    "would hate it",
    "would strongly dislike it",
    "would dislike it",
    "would rather dislike it",
    "would not much like it",
    "might not like it",
    "would have mixed feelings about it",
    "might like it",
    "would rather like it",
    "would quite like it",
    "would like it",
    "would like it a lot",
    "would love it",
)


def opinion(p_yes: float, words: DomainWords, numbers: OpinionNumbers) -> Segment:
    """Return what stands behind the target; the full stop of its sentence is the next segment's.

    Args:
        p_yes: calibrated probability that the user likes the target.
        words: the words of the domain.
        numbers: ``figures``: of a hundred; ``words``: a feeling, in thirteen steps; or both.

    >>> from scorerec.text.wording import DOMAINS
    >>> opinion(0.64, DOMAINS["movie"], "figures").text
    '. Judged by numbers alone, 64 of 100 viewers like this one would like it'
    >>> opinion(0.64, DOMAINS["movie"], "words").text
    '. Judged by numbers alone, this viewer would rather like it'
    >>> opinion(0.64, DOMAINS["game"], "words and figures").text
    '. Judged by numbers alone, this player would rather like it (64 of 100)'
    """
    hundredths = f"{round(100 * p_yes)} of 100"
    if numbers == "figures":
        return Segment("verdict", f". Judged by numbers alone, {hundredths} {words.people} like this one would like it")
    beside = f" ({hundredths})" if numbers == "words and figures" else ""
    expected = _EXPECTED[bisect_right(_STEPS, p_yes)]
    return Segment("verdict", f". Judged by numbers alone, this {words.person} {expected}{beside}")
