"""Which titles argue: they move the answer further than titles of this catalogue do, whatever it is about.

Titles come from catalogues that anybody may write to, and an LM reads them. Each is put in the place of the title that
a few prompts ask about. What it then does to the log odds of Yes, beside what the catalogue's middle title does, is
compared with what titles do usually. Measured on titles, not guessed from their words: it needs no list of orders.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scorerec.core.odds import log_odds
from scorerec.text.exchange import with_target
from scorerec.text.segments import Segment

Prompt = Sequence[Segment]
Score = Callable[[Sequence[Prompt]], npt.NDArray[np.float64]]  # prompts as the LM reads them -> p(Yes), (N,)
_OF_NORMAL = 1.4826  # a normal distribution's standard deviation, in median absolute deviations
_LEAST = 1e-9  # p(Yes) of which log odds are taken


@dataclass(frozen=True)
class TitleAudit:
    """How far titles move the answer.

    Attributes:
        moves: log odds of Yes with each title, less those with the catalogue's middle one: a mean over prompts, (N,).
        usual: robust standard deviation of ``moves``.
        argue: whether each title moves the answer beyond the bound, (N,) bool.
        neutral: the name, of those offered, that moves the answer least in whichever prompt.
        neutral_move: by how much it does: root of the mean square over prompts.
    """

    moves: npt.NDArray[np.float64]
    usual: float
    argue: npt.NDArray[np.bool_]
    neutral: str
    neutral_move: float


def audit_titles(
    prompts: Sequence[Prompt], titles: Sequence[str], neutral: Mapping[str, str], score: Score, bound: float
) -> TitleAudit:
    """Measure how far each title moves the answer to prompts that ask about it.

    Args:
        prompts: as the LM reads them.
        titles: of the catalogue, N of them, as prompts write them.
        neutral: name without a meaning -> how prompts write it; what may stand for a title that argues.
        score: the LM; what a prompt's variants begin with alike is computed once where it reads trees.
        bound: so many robust standard deviations from the middle are allowed. Half of the catalogue must be honest.
    """
    written = [*titles, *neutral.values()]
    of_prompts = []
    for prompt in prompts:
        odds = log_odds(score([with_target(prompt, title) for title in written]), _LEAST)
        of_prompts.append(odds - np.median(odds[: len(titles)]))
    moves = np.array(of_prompts)
    own = moves[:, : len(titles)].mean(0)
    own -= np.median(own)
    # A name that lifts some rows and lowers others has no move on average, and is not neutral to any.
    names = dict(zip(neutral, np.sqrt((moves[:, len(titles) :] ** 2).mean(0)).tolist(), strict=True))
    usual = _OF_NORMAL * float(np.median(np.abs(own)))
    # Where most titles move nothing at all, there is nothing to compare with.
    argue = np.abs(own) > bound * usual if usual else np.zeros(len(own), bool)
    calm = min(names, key=lambda name: names[name])
    return TitleAudit(own, usual, argue, calm, names[calm])
