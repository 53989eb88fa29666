"""Asks an LLM behind any OpenAI-compatible endpoint: the only outgoing calls of the package.

The base URL and the key come from the environment; neither reaches a table, the reply store or an error.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import Field, JsonValue

from scorerec.assess.assessor import Reply, ReplyError
from scorerec.assess.completion import read_reply
from scorerec.assess.limits import RateLimit, estimate_tokens, spent_on
from scorerec.core.config import Config
from scorerec.core.errors import AssessmentError, ConfigError
from scorerec.text.segments import Segment, render

if TYPE_CHECKING:
    import openai

_HOPELESS = {
    401: "the key is not accepted",
    402: "the account has no credit",
    403: "the key may not use it",
    404: "no such model or address",
}
_NO_CREDIT = "insufficient_quota"  # the code of a 429 that no waiting ends
_SHORTEST_SECRET = 8  # characters; endpoints without keys are given one such as "EMPTY"


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
    timeout: float = Field(default=60.0, gt=0, description="seconds to wait for the endpoint to send anything")
    requests_per_minute: float | None = Field(default=None, gt=0, description="most calls a minute, retries included")
    tokens_per_minute: float | None = Field(default=None, gt=0, description="most tokens a minute, in and out")

    def identity(self, environment: Mapping[str, str] = os.environ) -> dict[str, Any]:
        """Return what decides a reply beside the prompt; for hashing alone, since it names the endpoint.

        Raises:
            ConfigError: the environment names no endpoint.
        """
        return {
            "endpoint": _address(environment, self.base_url_variable),
            "model": self.model,
            "parameters": self.sent_parameters,
        }

    @property
    def sent_parameters(self) -> dict[str, JsonValue]:
        """The fields of the request beside model and messages."""
        chosen = {"temperature": self.temperature, "max_tokens": self.max_tokens, **self.parameters}
        return {name: value for name, value in chosen.items() if value is not None}


class ChatAssessor:
    """An LLM that is asked through chat completions, with the official SDK and its retries.

    Args:
        config: the model and its parameters.
        environment: where the base URL and the key are.

    Raises:
        ConfigError: the environment lacks one of them.
    """

    is_llm = True
    section = "assess.chat"  # of the configuration, for messages

    def __init__(self, config: ChatConfig, environment: Mapping[str, str] = os.environ):
        # Imported here: it takes two seconds, which only those who ask an LLM should wait for.
        import openai

        from scorerec.assess.attempts import MeteredClient

        self._openai = openai
        self.config = config
        self.identity: Mapping[str, Any] = config.identity(environment)
        self._key = _required(environment, config.key_variable, "the endpoint's key, any text where it needs none")
        if not (self._key.isascii() and self._key.isprintable()):
            raise ConfigError(f"environment variable {config.key_variable}: wanted a key of printable ASCII characters")
        self._tokens = RateLimit(config.tokens_per_minute)
        self._attempts = MeteredClient(RateLimit(config.requests_per_minute))
        self._client = openai.OpenAI(
            base_url=self.identity["endpoint"],
            api_key=self._key,
            max_retries=config.n_retries,
            timeout=config.timeout,
            http_client=self._attempts,
        )

    def __repr__(self) -> str:
        return f"ChatAssessor({self.config.model!r})"

    @property
    def name(self) -> str:
        """The model's name."""
        return self.config.model

    @property
    def n_concurrent(self) -> int:
        """Calls that may be under way at once."""
        return self.config.n_concurrent

    @property
    def failed_attempts(self) -> Mapping[str, int]:
        """How many attempts failed so far, by kind; a retry may have made them good."""
        return self._attempts.failed

    def ask(self, prompt: Sequence[Segment]) -> Reply:
        """Return the model's reply to one prompt.

        Raises:
            ReplyError: the call failed for good, or the reply is empty, refused or cut off.
            AssessmentError: the endpoint refuses the key, has no credit left, or does not know the model.
        """
        text = render(prompt)
        self._tokens.take(estimate_tokens(text))
        answer = self._call(text)
        # Raised here, not where it was caught: the SDK's errors hold the request, and the request holds the key.
        if isinstance(answer, AssessmentError):
            raise answer
        try:
            reply = self._read(answer)
        except ReplyError as failure:
            self._tokens.correct(failure.tokens.received)
            raise
        cost = spent_on(text, reply)
        self._tokens.correct(sum(cost) - estimate_tokens(text))
        if len(self._key) >= _SHORTEST_SECRET and self._key in reply.text:
            raise ReplyError("repeats the key", "a reply with the key in it is not kept", False, cost)
        return reply

    def _call(self, text: str) -> bytes | AssessmentError:
        """Return the body of the endpoint's answer, or what went wrong."""
        errors = self._openai
        try:
            response = self._create(self._client, text)
        except errors.APITimeoutError:
            return ReplyError("timeout", f"nothing came for {self.config.timeout} s; raise {self.section}.timeout")
        except errors.APIConnectionError as error:
            told = self._told(f"{error} {error.__cause__ or ''}")
            return ReplyError(self._attempts.kind(error.__cause__), f"{told}; check {self.config.base_url_variable}")
        except errors.APIStatusError as error:
            return self._refusal(error.status_code, error.code, str(error))
        except (errors.OpenAIError, ValueError) as error:
            return ReplyError("unreadable", self._told(f"the endpoint sent no chat completion: {error}"))
        return response.content

    def _create(self, client: openai.OpenAI, text: str) -> Any:
        """Make the call and return the SDK's raw response."""
        return client.chat.completions.with_raw_response.create(
            model=self.config.model,
            messages=[{"role": "user", "content": text}],
            extra_body=self.config.sent_parameters,
        )

    def _read(self, body: bytes) -> Reply:
        """Return what is wanted of the body of an answer.

        Raises:
            ReplyError: it is not there, or cannot be used.
        """
        return read_reply(body)

    def _refusal(self, status: int, code: object, message: str) -> AssessmentError:
        hopeless = _HOPELESS[402] if code == _NO_CREDIT else _HOPELESS.get(status)
        if hopeless is None:
            passing = status in (408, 409, 429) or status >= 500  # what the SDK retries, too
            return ReplyError(f"status {status}", self._told(message), passing)
        return AssessmentError(
            self._told(
                f"the endpoint answered {status}, {hopeless}; check {self.config.key_variable}, "
                f"{self.config.base_url_variable} and the model {self.config.model!r} ({message})"
            )
        )

    def _told(self, message: str) -> str:
        """Return a server's or the SDK's message without the secrets it may repeat, and not at any length."""
        hidden = message.replace(self._key, "***").replace(self.identity["endpoint"].rstrip("/"), "<endpoint>")
        return " ".join(hidden.split())[:500]


def _address(environment: Mapping[str, str], variable: str) -> str:
    address = _required(environment, variable, "https://open.bigmodel.cn/api/paas/v4/")
    if not address.startswith(("http://", "https://")):
        raise ConfigError(f"environment variable {variable}: wanted an http or https address")
    return address


def _required(environment: Mapping[str, str], variable: str, example: str) -> str:
    value = environment.get(variable, "").strip()
    if not value:
        raise ConfigError(f"environment variable {variable} is not set; wanted: {example}")
    return value
