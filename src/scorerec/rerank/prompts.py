"""P^b as the reranker reads it: fitted to its budget, target and question whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from scorerec.core.columns import SEGMENTS, TARGET_ID
from scorerec.core.randomness import generator
from scorerec.core.tables import PROMPTS
from scorerec.text.budget import Budget, CountTokens, fit
from scorerec.text.segments import Segment, from_rows, render


@dataclass(frozen=True)
class PromptReader:
    """Turns PROMPTS into the strings that one reranker reads.

    Attributes:
        budget: what it reads of a prompt.
        count_tokens: its tokens of a text, without special tokens.
    """

    budget: Budget
    count_tokens: CountTokens

    def read(self, prompts: pa.Table) -> dict[str, list[Segment]]:
        """Return target_id -> P^b, fitted: the oldest history titles go first."""
        table = PROMPTS.check(prompts.select(PROMPTS.columns.names))
        # Without a token budget nothing is decided by counting, and counting costs more than all the rest.
        count = self.count_tokens if self.budget.tokens is not None else (lambda _: 0)
        return {
            target_id: fit(from_rows(rows), self.budget, count).segments
            for target_id, rows in zip(table[TARGET_ID].to_pylist(), table[SEGMENTS].to_pylist(), strict=True)
        }

    def texts(self, prompts: pa.Table) -> dict[str, str]:
        """Return target_id -> P^b as it is read."""
        return texts_of(self.read(prompts))


def texts_of(prompts: dict[str, list[Segment]]) -> dict[str, str]:
    """Return target_id -> prompt as one string."""
    return {target_id: render(segments) for target_id, segments in prompts.items()}


def with_other_targets(prompts: dict[str, list[Segment]], seed: int) -> dict[str, list[Segment]]:
    """Return the prompts with each target item replaced by that of another prompt, the history untouched.

    Args:
        prompts: target_id -> segments.
        seed: decides who gets whose; a prompt keeps its own only where all prompts have the same target.
    """
    own = {target_id: _target(segments) for target_id, segments in prompts.items()}
    by_item = {target.item_id: target for target in own.values()}
    items = sorted(by_item, key=str)
    swapped = {}
    for target_id, segments in prompts.items():
        others = [item for item in items if item != own[target_id].item_id] or items
        other = by_item[others[generator(seed, "swap", target_id).integers(len(others))]]
        swapped[target_id] = [other if segment.kind == "target" else segment for segment in segments]
    return swapped


def _target(segments: Sequence[Segment]) -> Segment:
    return next(segment for segment in segments if segment.kind == "target")
