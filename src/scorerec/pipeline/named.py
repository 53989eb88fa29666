"""Rows whose evidence says something of the target: there, an LM that reads has something to read."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

from scorerec.core.columns import N_RATERS, TARGET_ID
from scorerec.llm.config import LLMConfig
from scorerec.llm.encode import read_prompts
from scorerec.text.budget import fit
from scorerec.text.exchange import names_target


def targets_named(prompts: pa.Table, config: LLMConfig) -> set[str]:
    """Return the target_ids whose prompt shows the target among the titles of similar users.

    Args:
        prompts: PROMPTS.
        config: how many titles and users the LM is shown. Its limit of tokens, which a tokenizer would have to count,
            is left out.
    """
    shown = config.budget.model_copy(update={"tokens": None})
    rows: Iterable[str] = prompts[TARGET_ID].to_pylist()
    named = (names_target(fit(segments, shown, lambda _: 0).segments) for segments in read_prompts(prompts))
    return {target for target, is_named in zip(rows, named, strict=True) if is_named}


def targets_judged(verdicts: pa.Table) -> set[str]:
    """Return the target_ids that others are known to have rated.

    Args:
        verdicts: VERDICTS.
    """
    rated: set[str] = set(verdicts.filter(pc.greater(verdicts[N_RATERS], 0))[TARGET_ID].to_pylist())
    return rated
