"""Reads the body of a chat completion, and tells apart the ways in which it holds no usable reply.

The SDK hands on whatever a body holds; endpoints that only resemble the API leave fields out or fill them oddly.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field, ValidationError

from scorerec.assess.assessor import Reply, ReplyError, Tokens

_REFUSED = ("content_filter", "sensitive")
_LARGEST_COUNT = 2**31 - 1

_Count = Annotated[int, Field(ge=0, le=_LARGEST_COUNT)]


class _Message(BaseModel):
    content: str | None = None
    refusal: str | None = None


class _Choice(BaseModel):
    finish_reason: str | None = None
    message: _Message


class _Usage(BaseModel):
    prompt_tokens: _Count | None = None
    completion_tokens: _Count | None = None


class _Completion(BaseModel):
    choices: list[_Choice] = Field(min_length=1)
    usage: _Usage | None = None


def read_reply(body: bytes) -> Reply:
    """Return the reply in the body of a chat completion.

    Raises:
        ReplyError: there is none, or it is empty, refused or cut off. No message repeats what the body says.
    """
    try:
        completion = _Completion.model_validate_json(body)
    except ValidationError as error:
        fault = error.errors(include_input=False, include_context=False)[0]
        invalid, place = fault["type"] == "json_invalid", ".".join(map(str, fault["loc"])) or "the body"
    else:
        return _usable(completion)
    # Outside of "except": a chained error would hold the body.
    if invalid:
        raise ReplyError("invalid JSON", f"wanted a chat completion, got {len(body)} bytes; is the base URL complete?")
    raise ReplyError("no chat completion", f"{place} is missing or odd; is the base URL complete (/v1)?")


def _usable(completion: _Completion) -> Reply:
    choice, usage = completion.choices[0], completion.usage or _Usage()
    cost = Tokens(usage.prompt_tokens or 0, usage.completion_tokens or 0)
    text = (choice.message.content or "").strip()
    if choice.message.refusal or choice.finish_reason in _REFUSED:
        raise ReplyError("refused", "the model or a content filter declines this prompt", False, cost)
    if choice.finish_reason == "length":
        raise ReplyError("cut off", "the reply has no end; raise assess.chat.max_tokens", False, cost)
    if choice.finish_reason != "stop":
        raise ReplyError("unfinished", "wanted a reply with finish_reason stop", tokens=cost)
    if not text:
        raise ReplyError("empty", "the reply has no text", tokens=cost)
    return Reply(text, usage.prompt_tokens, usage.completion_tokens)
