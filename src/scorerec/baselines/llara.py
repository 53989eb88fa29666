"""LLaRA: behind each title the projected item vector of a conventional recommender (Liao et al., 2024)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa

from scorerec.baselines.base import Baseline
from scorerec.baselines.config import LLaRAConfig
from scorerec.core.config import Config
from scorerec.text.features import marked

if TYPE_CHECKING:
    from scorerec.llm.score import Scorer


class LLaRA(Baseline):
    """The LM and a projector are tuned together, on titles with the recommender's item vectors behind them."""

    key: ClassVar[str] = "llara"
    label: ClassVar[str] = "LLaRA"
    settings: ClassVar[type[Config]] = LLaRAConfig
    builds_on: ClassVar[tuple[str, ...]] = ("crm", "backbone")
    version: ClassVar[int] = 2

    def prompts(self) -> tuple[pa.Table, dict[str, Any]]:
        """Return P^b with a mark behind each title."""
        from scorerec.baselines.soft import marks

        _, items = marks(self.inputs)
        return self.inputs.write(lambda _, basic: marked(basic, items.__getitem__)), {}

    def train(self, prompts: pa.Table, out: Path) -> dict[str, Any]:
        """Tune both."""
        from scorerec.baselines.llara_training import train_llara
        from scorerec.baselines.soft import Material, SoftConfigs, crm_vectors

        inputs = self.inputs
        material = Material(prompts, inputs.labels, crm_vectors(inputs, with_users=False))
        configs = SoftConfigs(inputs.llm, self.config)
        return train_llara(inputs.backbone, material, configs, out, inputs.seed, inputs.device)

    def scorer(self, model: str | Path) -> Scorer:
        """Return the tuned LM with its vectors."""
        from scorerec.baselines.llara_training import load_llara

        return load_llara(Path(model), self.inputs.llm, self.inputs.device)
