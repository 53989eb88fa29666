"""The embedded assessor, for machines that reach no LLM: it reads item metadata, and says that it is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from scorerec.assess.assessor import Reply
from scorerec.core.errors import DataError
from scorerec.text.assessment import metadata_assessment
from scorerec.text.consensus import metadata_consensus
from scorerec.text.describe import Describer
from scorerec.text.segments import Segment
from scorerec.text.wording import DomainWords


class MetadataAssessor:
    """Names what the target has and the history lacks, after the items that the prompt's titles stand for.

    Of a prompt without a target, which asks what items have in common, it names that.

    Args:
        describer: the catalogue with its metadata.
        words: the words of the domain.
    """

    name = "metadata-assessor (not an LLM)"
    is_llm = False
    n_concurrent = 1
    failed_attempts: Mapping[str, int] = MappingProxyType({})

    def __init__(self, describer: Describer, words: DomainWords):
        self._describer = describer
        self._words = words

    @property
    def identity(self) -> Mapping[str, Any]:
        """The assessor's name alone: its replies cost nothing and are never kept."""
        return {"model": self.name}

    def ask(self, prompt: Sequence[Segment]) -> Reply:
        """Answer one prompt.

        Raises:
            DataError: the prompt has more than one target, or no titles.
        """
        history = [part.item_id for part in prompt if part.kind == "history" and part.item_id is not None]
        targets = [part.item_id for part in prompt if part.kind == "target" and part.item_id is not None]
        if not targets and history:
            return Reply(metadata_consensus(history, self._describer, self._words))
        if len(targets) != 1:
            raise DataError(f"wanted a prompt with one target, got {len(targets)}: {targets}")
        return Reply(metadata_assessment(history, targets[0], self._describer, self._words))
