"""Asks an LLM behind any OpenAI-compatible endpoint: the only outgoing calls of the package.

The base URL and the key come from the environment; neither reaches a table, the reply store or an error.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field, JsonValue

from scorerec.assess.assessor import Reply, ReplyError
from scorerec.core.config import Config
from scorerec.core.errors import AssessmentError, ConfigError
from scorerec.text.segments import Segment, render

_HOPELESS = {401: "the key is not accepted", 403: "the key may not use it", 404: "no such model or address"}


class ChatConfig(Config):
    """Which LLM is asked, and how."""

    model: str = Field(default="glm-4-plus", min_length=1, description="model name at the endpoint (the paper's)")
    temperature: float | None = Field(default=None, ge=0, description="None leaves it to the endpoint")
    max_tokens: int | None = Field(
        default=1024, ge=1, description="longest reply in tokens; a reply that is cut short is not used"
    )
    parameters: dict[str, JsonValue] = Field(
        default_factory=dict, description="further fields of the request, for what one endpoint alone knows"
    )
    base_url_variable: str = Field(
        default="SCOREREC_API_BASE_URL",
        description="environment variable with the address, up to /v1 or the like",
    )
    key_variable: str = Field(default="SCOREREC_API_KEY", description="environment variable with the key")
    n_concurrent: int = Field(default=8, ge=1, description="calls under way at once")
    n_retries: int = Field(default=6, ge=0, description="retries of a call after 429, 5xx or a lost connection")
    timeout: float = Field(default=60.0, gt=0, description="seconds to wait for one reply")


class ChatAssessor:
    """An LLM that is asked through chat completions, with the official SDK and its retries.

    Args:
        config: the model and its parameters.
        environment: where the base URL and the key are.

    Raises:
        ConfigError: the environment lacks one of them.
    """

    is_llm = True

    def __init__(self, config: ChatConfig, environment: Mapping[str, str] = os.environ):
        # Imported here: it takes two seconds, which only those who ask an LLM should wait for.
        import openai

        self._openai = openai
        self.config = config
        self._base_url = _required(environment, config.base_url_variable, "https://open.bigmodel.cn/api/paas/v4/")
        self._key = _required(environment, config.key_variable, "the endpoint's key, any text where it needs none")
        if not self._base_url.startswith(("http://", "https://")):
            raise ConfigError(f"environment variable {config.base_url_variable}: wanted an http or https address")
        self._client = openai.OpenAI(
            base_url=self._base_url, api_key=self._key, max_retries=config.n_retries, timeout=config.timeout
        )
        chosen = {"temperature": config.temperature, "max_tokens": config.max_tokens, **config.parameters}
        self._parameters = {name: value for name, value in chosen.items() if value is not None}

    def __repr__(self) -> str:
        return f"ChatAssessor({self.config.model!r})"

    @property
    def name(self) -> str:
        """The model's name."""
        return self.config.model

    @property
    def identity(self) -> Mapping[str, Any]:
        """Endpoint, model and parameters; for hashing alone, since the endpoint is not to be written down."""
        return {"endpoint": self._base_url, "model": self.config.model, "parameters": self._parameters}

    @property
    def n_concurrent(self) -> int:
        """Calls that may be under way at once."""
        return self.config.n_concurrent

    def ask(self, prompt: Sequence[Segment]) -> Reply:
        """Return the model's reply to one prompt.

        Raises:
            ReplyError: the call failed for good, or the reply is empty, refused or cut short.
            AssessmentError: the endpoint refuses the key, or does not know the model.
        """
        errors = self._openai
        try:
            response = self._client.chat.completions.create(
                model=self.config.model,
                messages=[{"role": "user", "content": render(prompt)}],
                extra_body=self._parameters,
            )
        # "from None": the SDK's errors hold the request, and the request holds the key.
        except errors.APITimeoutError:
            raise ReplyError("timeout", f"no reply within {self.config.timeout} s, raise assess.chat.timeout") from None
        except errors.APIConnectionError as error:
            raise ReplyError("connection", self._told(f"{error} {error.__cause__ or ''}")) from None
        except errors.APIStatusError as error:
            raise self._refusal(error.status_code, str(error)) from None
        except (errors.OpenAIError, ValueError) as error:
            raise ReplyError("unreadable", self._told(f"the endpoint sent no chat completion: {error}")) from None
        return _usable(response)

    def _refusal(self, status: int, message: str) -> AssessmentError:
        if status in _HOPELESS:
            return AssessmentError(
                self._told(
                    f"the endpoint answered {status}, {_HOPELESS[status]}; check {self.config.key_variable}, "
                    f"{self.config.base_url_variable} and the model {self.config.model!r} ({message})"
                )
            )
        return ReplyError(f"status {status}", self._told(message))

    def _told(self, message: str) -> str:
        """Return a server's or the SDK's message without the secrets it may repeat, and not at any length."""
        hidden = message.replace(self._key, "***").replace(self._base_url.rstrip("/"), "<endpoint>")
        return " ".join(hidden.split())[:500]


def _usable(response: Any) -> Reply:
    """Return the reply in a chat completion; endpoints that only resemble the API leave anything out.

    Raises:
        ReplyError: there is none, or it is empty, refused or cut short.
    """
    choices = getattr(response, "choices", None)
    if not choices or getattr(choices[0], "message", None) is None:
        raise ReplyError("unreadable", "the endpoint sent no chat completion; is the base URL complete (/v1)?")
    reason = choices[0].finish_reason
    if reason != "stop":
        raise ReplyError(f"finish_reason {reason}", "the reply is refused or cut short (assess.chat.max_tokens)")
    text = (choices[0].message.content or "").strip()
    if not text:
        raise ReplyError("empty", "the reply has no text")
    usage = getattr(response, "usage", None)
    return Reply(text, getattr(usage, "prompt_tokens", None), getattr(usage, "completion_tokens", None))


def _required(environment: Mapping[str, str], variable: str, example: str) -> str:
    value = environment.get(variable, "").strip()
    if not value:
        raise ConfigError(f"environment variable {variable} is not set; wanted: {example}")
    return value
