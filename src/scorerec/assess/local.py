"""An LLM in this process as assessor, for machines that reach no endpoint: small, and an LLM all the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any, TypeAlias

from pydantic import Field

from scorerec.assess.assessor import Reply, ReplyError, Tokens
from scorerec.core.config import Config
from scorerec.text.segments import Segment

Write: TypeAlias = Callable[[Sequence[Sequence[Segment]]], Sequence[Reply]]  # prompts, all at once -> replies


class LocalConfig(Config):
    """Which LLM of this machine is asked, and how."""

    model: str = Field(
        default="embedded:smollm2", min_length=1, description="a Hugging Face id, a folder, or embedded:smollm2"
    )
    max_new_tokens: int = Field(default=48, ge=1, description="tokens after which a reply ends, wherever it is")
    batch_size: int = Field(default=32, ge=1, description="prompts at once; another number rounds otherwise")


@dataclass(frozen=True)
class LocalModel:
    """An LLM that this process can load.

    Attributes:
        name: what tables and reports call it.
        weights: says which weights they are, beyond their name: replies of others are not kept under the same key.
        load: loads the model, when something is to be asked, and returns what writes replies with it.
    """

    name: str
    weights: Callable[[], Mapping[str, Any]]
    load: Callable[[], Write]


class LocalAssessor:
    """A causal LM that replies greedily, to a batch of prompts at once.

    Args:
        config: the model and its limits.
        model: that model.
    """

    is_llm = True
    n_concurrent = 1
    failed_attempts: Mapping[str, int] = MappingProxyType({})

    def __init__(self, config: LocalConfig, model: LocalModel):
        self.config = config
        self.name = model.name
        self._model = model

    @cached_property
    def identity(self) -> Mapping[str, Any]:
        """The model, its weights, and the length of its replies."""
        parameters = {"max_new_tokens": self.config.max_new_tokens, "weights": dict(self._model.weights())}
        return {"endpoint": "this process", "model": self.config.model, "parameters": parameters}

    @cached_property
    def _write(self) -> Write:
        return self._model.load()

    def ask(self, prompt: Sequence[Segment]) -> Reply:
        """Return the model's reply to one prompt.

        Raises:
            ReplyError: the reply is empty.
        """
        (answer,) = self.ask_together([prompt])
        if isinstance(answer, ReplyError):
            raise answer
        return answer

    def ask_together(self, prompts: Sequence[Sequence[Segment]]) -> list[Reply | ReplyError]:
        """Return the model's reply to each prompt of a batch, or why there is none: it would be empty each time."""
        return [reply if reply.text else _empty(reply) for reply in self._write(prompts)]


def _empty(reply: Reply) -> ReplyError:
    tokens = Tokens(reply.tokens_in or 0, reply.tokens_out or 0)
    return ReplyError("empty", "the model has nothing to say; use another assess.local.model", False, tokens)
