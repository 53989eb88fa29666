"""CoLLM: one soft token for the user and one for the item (Zhang et al., 2023)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa

from scorerec.baselines.base import TEXT_TUNED, Baseline
from scorerec.baselines.config import CoLLMConfig
from scorerec.core.config import Config
from scorerec.text.features import featured

if TYPE_CHECKING:
    from scorerec.llm.score import Scorer


class CoLLM(Baseline):
    """Two stages: the LM tuned on P^b stays as it is, and a projector of users' and items' vectors is trained."""

    key: ClassVar[str] = "collm"
    label: ClassVar[str] = "CoLLM"
    settings: ClassVar[type[Config]] = CoLLMConfig
    builds_on: ClassVar[tuple[str, ...]] = ("crm", TEXT_TUNED)
    version: ClassVar[int] = 2

    def prompts(self) -> tuple[pa.Table, dict[str, Any]]:
        """Return P^b with a mark for the user and one for the item."""
        from scorerec.baselines.soft import marks

        users, items = marks(self.inputs)
        return self.inputs.write(lambda row, basic: featured(basic, users[row.query_id], items[row.item_id])), {}

    def train(self, prompts: pa.Table, out: Path) -> dict[str, Any]:
        """Train the projector."""
        from scorerec.baselines.collm_training import train_collm
        from scorerec.baselines.soft import Material, SoftConfigs, crm_vectors

        inputs = self.inputs
        material = Material(prompts, inputs.labels, crm_vectors(inputs, with_users=True))
        configs = SoftConfigs(inputs.llm, self.config)
        return train_collm(inputs.model(TEXT_TUNED), material, configs, out, inputs.seed, inputs.device)

    def scorer(self, model: str | Path) -> Scorer:
        """Return the LM of the first stage with the projected vectors."""
        from scorerec.baselines.collm_training import load_collm

        return load_collm(self.inputs.model(TEXT_TUNED), Path(model), self.inputs.llm, self.inputs.device)
