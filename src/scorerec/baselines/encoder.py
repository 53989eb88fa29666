"""A pretrained encoder tuned to answer Yes or No to the LM's prompts: pre-training, where no pretrained LM is at hand.

It is no language model, and every table says so. The score is a sigmoid over the mean of its token states.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa

from scorerec.baselines.base import BASIC, Baseline
from scorerec.baselines.config import EncoderScorerConfig
from scorerec.core.config import Config


class Encoder(Baseline):
    """The encoder on P^b."""

    key: ClassVar[str] = "encoder"
    label: ClassVar[str] = "MiniLM encoder, without CI"
    settings: ClassVar[type[Config]] = EncoderScorerConfig
    section: ClassVar[str | None] = "encoder"
    builds_on: ClassVar[tuple[str, ...]] = (BASIC,)
    prompts_from: ClassVar[str | None] = BASIC
    trains: ClassVar[Any] = "encoder"
    heading: ClassVar[Any] = "Encoders, no LLMs"

    def train(self, prompts: pa.Table, out: Path) -> dict[str, Any]:
        """Tune the encoder."""
        from scorerec.baselines.encoder_scorer import EncoderConfigs, train_encoder_scorer

        inputs = self.inputs
        configs = EncoderConfigs(self.config, inputs.llm.budget)
        return train_encoder_scorer(prompts, inputs.labels, configs, out, inputs.seed, inputs.device)

    def score(self, prompts: pa.Table, model: str | Path) -> tuple[pa.Table, dict[str, Any]]:
        """Score with the tuned encoder."""
        from scorerec.baselines.encoder_scorer import load_encoder_scorer, score_with_encoder

        budget, device = self.inputs.llm.budget, self.inputs.device
        return score_with_encoder(load_encoder_scorer(Path(model), self.config, budget, device), prompts), {}


class EncoderWithCI(Encoder):
    """The encoder on P^s, the prompts of SCORE."""

    key: ClassVar[str] = "encoder-score"
    label: ClassVar[str] = "MiniLM encoder, with CI"
    builds_on: ClassVar[tuple[str, ...]] = ("prompts-score",)
    prompts_from: ClassVar[str | None] = "prompts-score"
