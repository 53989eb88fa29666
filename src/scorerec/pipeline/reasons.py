"""What changed a score: by how much p(Yes) falls when a part of the prompt is left out.

Not what sounds well: each part that the LM read is left out in turn, and the LM is asked again. A part may also speak
against the item: without it the score rises.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from scorerec.text.parts import Part, parts, without
from scorerec.text.segments import Segment

Prompt = Sequence[Segment]
Score = Callable[[Sequence[Prompt]], npt.NDArray[np.float64]]  # prompts as the LM reads them -> p(Yes), (N,)


@dataclass(frozen=True)
class Reason:
    """A part of the prompt, and what the answer is without it.

    Attributes:
        part: what was left out.
        p_without: probability of Yes without it.
        fall: by how much the probability is lower then; negative: the part spoke against the item.
    """

    part: Part
    p_without: float
    fall: float


@dataclass(frozen=True)
class Reasons:
    """Why an item has its score.

    Attributes:
        p_yes: probability of Yes.
        p_without_evidence: the same without all that is told of others; None: nothing was.
        reasons: every part that the LM read, the one without which the score falls most first.
    """

    p_yes: float
    p_without_evidence: float | None
    reasons: tuple[Reason, ...]


def explained(prompts: Sequence[Prompt], score: Score) -> list[Reasons]:
    """Return why each prompt has its score, in one pass: what variants begin with alike is computed once.

    Args:
        prompts: as the LM reads them, budget applied.
        score: the LM.
    """
    asked: list[Prompt] = []
    shown = [parts(prompt) for prompt in prompts]
    for prompt, own in zip(prompts, shown, strict=True):
        evidence = [part for part in own if part.is_evidence]
        asked += [
            prompt,
            *(without(prompt, [part]) for part in own),
            *([without(prompt, evidence)] if evidence else ()),
        ]
    p_yes = score(asked)
    sizes = [1 + len(own) + any(part.is_evidence for part in own) for own in shown]
    ends = np.cumsum([0, *sizes])
    return [_reasons(own, p_yes[start:end]) for own, (start, end) in zip(shown, pairwise(ends), strict=True)]


def falls_without(
    prompts: Sequence[Prompt], score: Score, count: int, rng: np.random.Generator
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Leave the strongest reasons of each prompt out, all at once, and as many parts drawn at random.

    Reasons are named one by one; that they hold together is not so by construction.

    Args:
        prompts: as the LM reads them.
        score: the LM.
        count: parts that are left out.
        rng: draws.

    Returns:
        Places of the prompts that have more parts than that, (R,), and by how much p(Yes) falls without the strongest,
        and without the drawn ones, (R, 2).
    """
    places = [place for place, prompt in enumerate(prompts) if len(parts(prompt)) > count]
    asked: list[Prompt] = []
    found = explained([prompts[place] for place in places], score)
    for place, why in zip(places, found, strict=True):
        drawn = rng.permutation(len(why.reasons))[:count]
        for chosen in (range(count), drawn.tolist()):
            asked.append(without(prompts[place], [why.reasons[at].part for at in chosen]))
    left = score(asked).reshape(-1, 2) if asked else np.zeros((0, 2))
    return np.array(places, np.int64), np.array([why.p_yes for why in found]).reshape(-1, 1) - left


def _reasons(shown: Sequence[Part], p_yes: npt.NDArray[np.float64]) -> Reasons:
    whole, *rest = p_yes.tolist()
    found = [Reason(part, p, whole - p) for part, p in zip(shown, rest, strict=False)]
    without_evidence = rest[-1] if len(rest) > len(shown) else None
    return Reasons(whole, without_evidence, tuple(sorted(found, key=lambda reason: -reason.fall)))
