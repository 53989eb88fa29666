"""Fig. 5 for any row of a run: where the tuned LM looks when it answers, SCORE beside LLaRA."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from scorerec.baselines.llara_training import load_llara
from scorerec.core.errors import ConfigError
from scorerec.core.randomness import generator
from scorerec.core.tables import PROMPTS
from scorerec.experiment.run import Run
from scorerec.llm.attention import TEMPLATE, VECTOR, TokenWeight, prompt_attention
from scorerec.llm.config import LLMConfig
from scorerec.llm.encode import read_prompts
from scorerec.llm.score import Scorer

SPANS = {
    "history": "history",
    "evidence": "similar users (CI as text)",
    VECTOR: "item vectors (CI as soft tokens)",
    "target": "target",
    "wording": "wording",
    TEMPLATE: "opening and template",
    "verdict": "verdicts (CI as counts)",
}
_LOADERS: Mapping[str, Callable[[Path, LLMConfig, str], Scorer]] = {
    "score": Scorer.load,
    "llm": Scorer.load,
    "llara": load_llara,
}
STAGES_OF = {key: (f"prompts-{key}", f"tuned-{key}") for key in _LOADERS}


class Look(NamedTuple):
    """Attributes: ``layers``: numbers from 0, averaged, None the middle third; ``heads``: likewise, None all."""

    layers: Sequence[int] | None = None
    heads: Sequence[int] | None = None


@dataclass(frozen=True)
class Attention:
    """What one method looked at in one row.

    Attributes:
        method: its key.
        row_id: of the row.
        tokens: of the prompt, with their weights.
        n_rows: that the mean shares were computed from.
        mean_shares: span -> share of the attention, mean over those rows.
    """

    method: str
    row_id: int
    tokens: list[TokenWeight]
    n_rows: int
    mean_shares: dict[str, float]

    @property
    def shares(self) -> dict[str, float]:
        """Span -> its share of the attention in this row."""
        return _shares(self.tokens)

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Attention:
        """Return what ``as_json`` told."""
        tokens = [TokenWeight(**token) for token in told["tokens"]]
        return cls(told["method"], told["row_id"], tokens, told["n_rows"], told["mean_shares"])

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {**asdict(self), "tokens": [entry._asdict() for entry in self.tokens], "shares": self.shares}


def row_attention(folder: Path, row_id: int | None, method: str, look: Look) -> Attention:
    """Return what a method of a finished run looked at in one row.

    Args:
        folder: of the run.
        row_id: of the interactions table; None: the first test row.
        method: score, llm or llara.
        look: which layers and heads.

    Raises:
        ConfigError: the method has no prompts to look at, or there is no such layer or head.
        ArtifactError: the run has not come that far.
        DataError: there is no such row.
    """
    if method not in _LOADERS:
        raise ConfigError(f"method {method!r}: wanted one of {', '.join(_LOADERS)}")
    return attend(Run.open(folder), method, row_id, look, n_rows=1)


def attend(
    run: Run,
    method: str,
    row_id: int | None,
    look: Look,
    n_rows: int = 200,
) -> Attention:
    """Return what a method looked at in one row, and on the mean of ``n_rows`` test rows.

    Args:
        run: with the stages of the method.
        method: score, llm or llara.
        row_id: of the interactions table; None: the first test row.
        look: which layers and heads.
        n_rows: how many test rows the mean is of; 1: of the one row.

    Raises:
        DataError: there is no such row.
    """
    prompts, tuned = STAGES_OF[method]
    chosen, table = run.target(row_id), run.table(prompts, PROMPTS)
    scorer = _LOADERS[method](run.model(tuned), run.config.llm, run.config.device)

    def weights(target: pa.Table) -> list[TokenWeight]:
        own = table.filter(pc.is_in(table["target_id"], target["target_id"].combine_chunks()))
        return prompt_attention(scorer, read_prompts(own)[0], *look)

    tokens = weights(chosen)
    several = [tokens] if n_rows == 1 else [weights(target) for target in sampled_test_rows(run.all_targets, n_rows)]
    shares = [_shares(entry) for entry in several]
    means = {span: float(np.mean([entry[span] for entry in shares])) for span in SPANS}
    return Attention(method, chosen["row_id"][0].as_py(), tokens, len(several), means)


def sampled_test_rows(targets: pa.Table, count: int) -> list[pa.Table]:
    """Return up to ``count`` test rows, drawn at random; the same ones every time."""
    tested = targets.filter(pc.equal(targets["split"], "test"))
    order = generator(0, "attention").permutation(tested.num_rows)[:count]
    return [tested.slice(int(place), 1) for place in order]


def _shares(tokens: Sequence[TokenWeight]) -> dict[str, float]:
    return {span: float(sum(entry.weight for entry in tokens if entry.kind == span)) for span in SPANS}
