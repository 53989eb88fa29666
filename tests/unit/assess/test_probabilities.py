"""What an endpoint says of likely tokens: both wire formats, and everything that may be wrong with them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from scorerec.assess.assessor import ReplyError
from scorerec.assess.client import ChatConfig
from scorerec.assess.probabilities import Kind, ProbabilityReader
from scorerec.core.errors import AssessmentError
from scorerec.pipeline.endpoint import probability_of_yes

ENVIRONMENT = {"SCOREREC_API_BASE_URL": "http://localhost:1/v1", "SCOREREC_API_KEY": "sk-secret"}
USAGE = {"prompt_tokens": 11, "completion_tokens": 1}


def reader(kind: Kind = "chat") -> ProbabilityReader:
    return ProbabilityReader(ChatConfig(model="m", max_tokens=900), kind, 5, ENVIRONMENT)


def chat(*likely: tuple[str, float]) -> dict[str, Any]:
    entries = [{"token": token, "logprob": value, "bytes": None} for token, value in likely]
    first = {"token": "Yes", "logprob": -0.1, "top_logprobs": entries}
    return {"choices": [{"logprobs": {"content": [first], "refusal": None}}], "usage": USAGE}


def completion(**likely: float) -> dict[str, Any]:
    return {"choices": [{"text": " Yes", "logprobs": {"top_logprobs": [likely], "tokens": [" Yes"]}}], "usage": USAGE}


@pytest.mark.parametrize("body", [chat(("Yes", -0.1), ("No", -2.5)), completion(Yes=-0.1, No=-2.5)])
def test_both_formats_say_the_same(body: dict[str, Any]) -> None:
    reply = reader()._read(json.dumps(body).encode())
    assert json.loads(reply.text) == {"Yes": -0.1, "No": -2.5}
    assert (reply.tokens_in, reply.tokens_out) == (11, 1)


def test_one_token_is_asked_for_whatever_the_settings_say_of_replies() -> None:
    sent = {kind: reader(kind).config.sent_parameters for kind in ("chat", "completion")}
    assert {body["max_tokens"] for body in sent.values()} == {1}
    assert (sent["chat"]["logprobs"], sent["chat"]["top_logprobs"]) == (True, 5)
    assert sent["completion"]["logprobs"] == 5
    assert reader("chat").identity != reader("completion").identity


@pytest.mark.parametrize(
    ("body", "kind", "message"),
    [
        (b"<html>", "invalid JSON", "got 6 bytes; is the base URL complete"),
        (b'{"choices": []}', "no completion", "choices is missing or odd"),
        (json.dumps(chat(("Yes", 3.0))).encode(), "no completion", "missing or odd"),
        (json.dumps(chat()).encode(), "no completion", "missing or odd"),
    ],
)
def test_a_body_that_cannot_be_used_says_what_it_lacks(body: bytes, kind: str, message: str) -> None:
    with pytest.raises(ReplyError, match=message) as caught:
        reader()._read(body)
    assert caught.value.kind == kind


def test_no_log_probabilities_are_no_reply_but_the_end() -> None:
    with pytest.raises(AssessmentError, match="sent no log-probabilities"):
        reader()._read(b'{"choices": [{"message": {"content": "Yes"}, "logprobs": null}]}')


@pytest.mark.parametrize(
    ("likely", "p_yes", "n_seen"),
    [
        ({"Yes": -0.6931471805599453, "No": -0.6931471805599453}, 0.5, 2),
        ({" Yes": -0.2876820724517809, "No": -1.3862943611198906}, 0.75, 2),  # 3/4 and 1/4
        ({"Yes": -0.6931471805599453, "Maybe": -1.791759469228055}, 0.75, 1),  # No is at most 1/6: (1/2) / (1/2 + 1/6)
        ({"No": -0.6931471805599453, "Maybe": -1.791759469228055}, 0.25, 1),
        ({"yes": -0.1, "NO": -0.2}, 0.5, 0),
    ],
)
def test_the_score_of_hand_computed_cases(likely: dict[str, float], p_yes: float, n_seen: int) -> None:
    assert probability_of_yes(likely) == (pytest.approx(p_yes), n_seen)
