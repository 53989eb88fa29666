"""Asks an endpoint for the log-probabilities of the first token of an answer, instead of for the answer."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, Field, ValidationError

from scorerec.assess.assessor import Reply, ReplyError
from scorerec.assess.client import ChatAssessor, ChatConfig
from scorerec.core.errors import AssessmentError

if TYPE_CHECKING:
    import openai

Kind = Literal["chat", "completion"]


class _Likely(BaseModel):
    token: str
    logprob: Annotated[float, Field(le=1e-3)]


class _Position(BaseModel):
    top_logprobs: list[_Likely] = Field(min_length=1)


class _ChatProbabilities(BaseModel):
    content: list[_Position] = Field(min_length=1)

    @property
    def likely(self) -> dict[str, float]:
        return {entry.token: entry.logprob for entry in self.content[0].top_logprobs}


class _CompletionProbabilities(BaseModel):
    top_logprobs: list[dict[str, float]] = Field(min_length=1)

    @property
    def likely(self) -> dict[str, float]:
        return self.top_logprobs[0]


class _Choice(BaseModel):
    logprobs: _ChatProbabilities | _CompletionProbabilities | None = None


class _Usage(BaseModel):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Body(BaseModel):
    choices: list[_Choice] = Field(min_length=1)
    usage: _Usage | None = None


class ProbabilityReader(ChatAssessor):
    """An LLM that is asked which tokens an answer would begin with; its replies are JSON: token -> log-probability.

    Args:
        config: the model; its ``max_tokens`` is not used, for one token is enough.
        kind: chat: the endpoint puts the model's chat template around a prompt; completion: the prompt as it is.
        n_tokens: how many of the likeliest tokens are asked for; endpoints allow 5 to 20, or more.
        environment: where the base URL and the key are.

    Raises:
        ConfigError: the environment lacks one of them.
    """

    section = "endpoint.chat"

    def __init__(self, config: ChatConfig, kind: Kind, n_tokens: int, environment: Mapping[str, str] = os.environ):
        wanted = {"logprobs": True, "top_logprobs": n_tokens} if kind == "chat" else {"logprobs": n_tokens}
        parameters = {**config.parameters, **wanted}
        super().__init__(config.model_copy(update={"max_tokens": 1, "parameters": parameters}), environment)
        self.identity = {**self.identity, "kind": kind}
        self._kind = kind

    def _create(self, client: openai.OpenAI, text: str) -> Any:
        if self._kind == "chat":
            return super()._create(client, text)
        return client.completions.with_raw_response.create(
            model=self.config.model, prompt=text, extra_body=self.config.sent_parameters
        )

    def _read(self, body: bytes) -> Reply:
        try:
            found = _Body.model_validate_json(body)
        except ValidationError as error:
            fault = error.errors(include_input=False, include_context=False)[0]
            invalid, place = fault["type"] == "json_invalid", ".".join(map(str, fault["loc"])) or "the body"
        else:
            return _reply(found)
        # Outside of "except": a chained error would hold the body.
        if invalid:
            raise ReplyError("invalid JSON", f"wanted a completion, got {len(body)} bytes; is the base URL complete?")
        raise ReplyError("no completion", f"{place} is missing or odd; is the base URL complete (/v1)?")


def _reply(found: _Body) -> Reply:
    probabilities, usage = found.choices[0].logprobs, found.usage or _Usage()
    if probabilities is None:
        raise AssessmentError(
            "the endpoint sent no log-probabilities; wanted one that knows logprobs and top_logprobs, as vLLM does"
        )
    return Reply(json.dumps(probabilities.likely), usage.prompt_tokens, usage.completion_tokens)
