"""BinLLM: users and items as short binary codes in the text of the prompt (Zhang et al., 2024)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa

from scorerec.baselines.base import TEXT_TUNED, Baseline
from scorerec.baselines.config import BinLLMConfig
from scorerec.core.columns import QUERY_ID
from scorerec.core.config import Config
from scorerec.text.features import featured


class BinLLM(Baseline):
    """Two stages: the LM tuned on P^b goes on being tuned on P^b with codes."""

    key: ClassVar[str] = "binllm"
    label: ClassVar[str] = "BinLLM"
    settings: ClassVar[type[Config]] = BinLLMConfig
    builds_on: ClassVar[tuple[str, ...]] = (TEXT_TUNED,)
    version: ClassVar[int] = 2

    def prompts(self) -> tuple[pa.Table, dict[str, Any]]:
        """Learn the codes and write them into the prompts."""
        from scorerec.baselines.binary_codes import learn_codes, write_code

        inputs, form = self.inputs, self.config.form
        model, facts = learn_codes(inputs.interactions, self.config, inputs.seed)
        queries, items = inputs.queries, inputs.item_ids
        codes_of_users = [write_code(bits, form) for bits in inputs.of_queries(model.user_codes)]
        users = dict(zip(queries[QUERY_ID].to_pylist(), codes_of_users, strict=True))
        codes = dict(zip(items, (write_code(bits, form) for bits in model.item_codes(items)), strict=True))
        table = inputs.write(lambda row, basic: featured(basic, users[row.query_id], codes[row.item_id]))
        distinct = {"distinct_user_codes": len(set(users.values())), "distinct_item_codes": len(set(codes.values()))}
        return table, {**facts, **distinct}

    def train(self, prompts: pa.Table, out: Path) -> dict[str, Any]:  # noqa: ARG002 - ``tune`` knows them
        """Go on tuning."""
        return self.inputs.tune(self.inputs.model(TEXT_TUNED), out)
