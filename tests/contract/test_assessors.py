"""What every assessor must do: say who it is, answer P^r, and answer the same again."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from scorerec.assess.assessor import Assessor, Reply
from scorerec.assess.collect import AssessConfig, collect, make_assessor
from scorerec.assess.local import LocalModel
from scorerec.assess.store import ReplyStore
from scorerec.core.tables import ASSESSMENTS
from scorerec.text import prompts
from scorerec.text.describe import Describer
from scorerec.text.segments import Segment, render
from scorerec.text.wording import DOMAINS

ITEMS = Describer({str(n): {"title": f"Film {n}", "genres": ["Drama" if n % 2 else "War"]} for n in range(9)})
MOVIE = DOMAINS["movie"]
REQUESTS = [(f"t{place}", prompts.self_assessing(["1", "3"], item, ITEMS, MOVIE)) for place, item in enumerate("4564")]


def _write(asked: Sequence[Sequence[Segment]]) -> list[Reply]:
    return [Reply(f"More like {len(render(prompt))}", 9, 3) for prompt in asked]


def local(kind: str) -> Assessor:
    return make_assessor(
        AssessConfig.model_validate({"assessor": kind}),
        ITEMS,
        MOVIE,
        LocalModel("a small LLM", dict, lambda: _write),
    )


@pytest.fixture(params=["metadata", "local", "openai"])
def make(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Assessor]:
    """Return a maker of assessors; what an endpoint sends is written here."""
    monkeypatch.setenv("SCOREREC_API_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("SCOREREC_API_KEY", "k")
    sent = {
        "choices": [{"message": {"content": "More drama"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 2},
    }
    monkeypatch.setattr("scorerec.assess.client.ChatAssessor._call", lambda self, text: json.dumps(sent).encode())
    return lambda: local(request.param)


def test_it_says_who_it_is(make: Callable[[], Assessor]) -> None:
    one, other = make(), make()
    assert one.name
    assert json.dumps(one.identity, sort_keys=True) == json.dumps(other.identity, sort_keys=True)
    assert one.n_concurrent >= 1
    assert not one.failed_attempts


def test_it_answers_a_prompt_and_the_same_again(make: Callable[[], Assessor]) -> None:
    reply = make().ask(REQUESTS[0][1])
    assert reply.text == reply.text.strip() != ""
    assert make().ask(REQUESTS[0][1]) == reply


def test_it_can_be_collected_from_and_an_llm_is_asked_once(make: Callable[[], Assessor], tmp_path: Path) -> None:
    assessor = make()
    with ReplyStore(tmp_path / "replies.sqlite") as store:
        table, facts = collect(REQUESTS, assessor, store)
        again, kept = collect(REQUESTS, make(), store)
    assert ASSESSMENTS.check(table).equals(again)
    assert table["target_id"].to_pylist() == [name for name, _ in REQUESTS]
    assert set(table["model"].to_pylist()) == {assessor.name}
    assert facts["n_prompts_asked"] == 3
    assert kept["n_prompts_asked"] == (0 if assessor.is_llm else 3)
