"""The LM that is served, here or elsewhere; its p(Yes) are computed once: pages ask again for what they showed."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from scorerec.core.columns import P_YES, TARGET_ID
from scorerec.llm.encode import read_prompts
from scorerec.serve.config import ServeConfig
from scorerec.text.segments import Segment

if TYPE_CHECKING:
    from scorerec.experiment.run import Run
    from scorerec.llm.encode import PromptEncoder, TokenIds


class LM(Protocol):
    """A tuned LM, in this process (``llm.score.Scorer``) or behind a server (``llm.distant.DistantScorer``)."""

    encoder: PromptEncoder

    def p_yes(self, rows: Sequence[TokenIds]) -> npt.NDArray[np.float64]:
        """Return the probability of Yes for each row of token ids, (N,)."""


Prompts = Sequence[Sequence[Segment]]


@dataclass
class Scored:
    """How much was computed: ``prompts`` that came, how many were known (``hits``), and ``tokens`` of the others."""

    prompts: int = 0
    hits: int = 0
    tokens: int = 0


class RememberedScores:
    """An LM whose answers are kept, by the tokens that it read.

    Args:
        scorer: the LM.
        size: scores that are kept; the one that was not asked for longest goes.

    Attributes:
        done: what was computed so far.
    """

    def __init__(self, scorer: LM, size: int):
        self.scorer, self._size, self.done = scorer, size, Scored()
        self._kept: OrderedDict[bytes, float] = OrderedDict()

    def p_yes(self, prompts: Prompts) -> npt.NDArray[np.float64]:
        """Return the probability of Yes of each prompt, (N,).

        Raises:
            ModelError: a prompt is longer than the model reads, or a score is not a number.
        """
        rows = self.scorer.encoder.encode(prompts).tokens
        names = [hashlib.blake2b(row.tobytes(), digest_size=16).digest() for row in rows]
        found = {name: self._kept[name] for name in names if name in self._kept}
        new = {name: row for name, row in zip(names, rows, strict=True) if name not in found}
        self.done.prompts += len(rows)
        self.done.hits += sum(name in found for name in names)
        self.done.tokens += sum(map(len, new.values()))
        if new:
            found |= zip(new, self.scorer.p_yes(list(new.values())).tolist(), strict=True)
        for name in dict.fromkeys(names):
            self._kept[name] = found[name]
            self._kept.move_to_end(name)
        while len(self._kept) > self._size:
            self._kept.popitem(last=False)
        return np.array([found[name] for name in names], np.float64)

    def table(self, prompts: pa.Table) -> pa.Table:
        """Return target_id and p_yes of PROMPTS, in their order."""
        p_yes = self.p_yes(read_prompts(prompts))
        return pa.table([prompts[TARGET_ID], pa.array(p_yes, pa.float64())], names=[TARGET_ID, P_YES])

    def forget(self) -> None:
        """Keep nothing of what was asked so far."""
        self._kept.clear()


def own_lm(run: Run, config: ServeConfig) -> LM:
    """Return the tuned LM of a run in this process."""
    exact = run.config.scoring.exact_answers
    if config.share_prefixes is not None:
        llm = run.config.llm.model_copy(update={"share_prefixes": config.share_prefixes})
        run = replace(run, config=run.config.model_copy(update={"llm": llm}))
        exact = exact and (config.share_prefixes or llm.precision == "fp32")  # no other way is as exact: ADR 0032
    return run.lm("tuned-score", exact)


def distant(run: Run, config: ServeConfig) -> LM:
    """Return the tuned LM of a run as a server has it."""
    from scorerec.llm.distant import DistantScorer

    return DistantScorer(run.model("tuned-score"), run.config.llm, config.lm_url or "", config.lm_name)
