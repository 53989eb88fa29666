"""TALLRec as its own paper prompts it: what the user did not like is told beside what the user liked."""

from __future__ import annotations

from typing import Any, ClassVar

import pyarrow as pa
from pydantic import Field

from scorerec.baselines.base import Baseline
from scorerec.core.columns import ROW_ID, TARGET_ID
from scorerec.core.config import Config
from scorerec.data.dislikes import dislikes_before
from scorerec.text.features import disliked


class DislikesConfig(Config):
    """What is told."""

    titles: int = Field(10, ge=1, description="most recent titles that the user rated and did not like")


class Dislikes(Baseline):
    """The LM tuned on P^b (TALLRec, the method ``llm``) with one more sentence."""

    key: ClassVar[str] = "dislikes"
    label: ClassVar[str] = "TALLRec with own dislikes"
    settings: ClassVar[type[Config]] = DislikesConfig
    reads_dislikes: ClassVar[bool] = True
    version: ClassVar[int] = 2

    def prompts(self) -> tuple[pa.Table, dict[str, Any]]:
        """Return P^b with the sentence."""
        inputs, targets = self.inputs, self.inputs.targets()
        row_ids = targets[ROW_ID].to_pylist()
        found = dislikes_before(inputs.interactions, row_ids, inputs.ties, self.config.titles)
        of_target = {name: found[row_id] for name, row_id in zip(targets[TARGET_ID].to_pylist(), row_ids, strict=True)}
        return inputs.write(
            lambda row, basic: disliked(basic, of_target[row.target_id], inputs.describer, inputs.words)
        ), {}
