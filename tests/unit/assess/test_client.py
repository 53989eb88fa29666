"""The LLM client against a real server on this machine: retries, failures, replay, concurrency, secrets."""

from __future__ import annotations

import json
import re
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from scorerec.assess.assessor import Reply, ReplyError
from scorerec.assess.client import ChatAssessor, ChatConfig
from scorerec.assess.collect import AssessConfig, collect
from scorerec.assess.store import ReplyStore
from scorerec.core.errors import AssessmentError, ConfigError
from scorerec.text.segments import Segment

KEY = "sk-very-secret-0123456789"
PROMPT = [Segment("wording", "What else?")]

Answer = Callable[[str, int], "tuple[int, Any]"]  # (prompt, how often it was asked before) -> (status, body)


def completion(text: str | None, finish_reason: str = "stop", usage: bool = True) -> dict[str, Any]:
    """Return the body of a chat completion."""
    body: dict[str, Any] = {
        "id": "1",
        "object": "chat.completion",
        "created": 0,
        "model": "m",
        "choices": [{"index": 0, "finish_reason": finish_reason, "message": {"role": "assistant", "content": text}}],
    }
    if usage:
        body["usage"] = {"prompt_tokens": 11, "completion_tokens": 5, "total_tokens": 16}
    return body


def refusal() -> dict[str, Any]:
    """Return the body of a chat completion in which the model declines."""
    body = completion(None)
    body["choices"][0]["message"]["refusal"] = "I cannot help with that"
    return body


@dataclass
class ChatServer:
    """A running server: where it is, and what it was asked."""

    answer: Answer
    url: str = ""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    most_at_once: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    under_way: int = 0

    @property
    def prompts(self) -> list[str]:
        return [body["messages"][0]["content"] for body in self.bodies]


@contextmanager
def chat_server(answer: Answer, seconds: float = 0.0) -> Iterator[ChatServer]:
    """Serve ``answer`` as ``/v1/chat/completions`` for the length of a block, each reply after a while."""
    server = ChatServer(answer)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with server.lock:
                prompt = body["messages"][0]["content"]
                before = server.prompts.count(prompt)
                server.bodies.append(body)
                server.keys.add(self.headers["Authorization"])
                server.under_way += 1
                server.most_at_once = max(server.most_at_once, server.under_way)
            time.sleep(seconds)
            status, reply = (404, {}) if self.path != "/v1/chat/completions" else server.answer(prompt, before)
            data = reply.encode() if isinstance(reply, str) else json.dumps(reply).encode()
            with server.lock:
                server.under_way -= 1
            self.send_response(status)
            self.send_header("Content-Type", "text/html" if isinstance(reply, str) else "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.send_header("Retry-After-Ms", "1")
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.url = f"http://127.0.0.1:{http.server_port}/v1"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()


def assessor(server: ChatServer, **settings: Any) -> ChatAssessor:
    config = ChatConfig(**{"n_retries": 0, "timeout": 5.0, **settings})
    return ChatAssessor(config, {"SCOREREC_API_BASE_URL": server.url, "SCOREREC_API_KEY": KEY})


def requests(n: int) -> list[tuple[str, list[Segment]]]:
    return [(f"t{place}", [Segment("wording", f"prompt {place}")]) for place in range(n)]


def told(error: BaseException | None) -> str:
    """Return everything that a log of this error could hold: the whole chain, hidden links too."""
    if error is None:
        return ""
    trace = "".join(traceback.format_exception(error))
    return f"{trace} {error!r} {vars(error)}" + told(error.__context__) + told(error.__cause__)


def echo(prompt: str, before: int) -> tuple[int, Any]:
    return 200, completion(f"reply to {prompt}")


def test_what_is_sent_and_what_comes_back() -> None:
    with chat_server(echo) as server:
        chat = assessor(server, temperature=0.5, parameters={"do_sample": False})
        assert chat.ask(PROMPT) == Reply("reply to What else?", 11, 5)
    assert server.keys == {f"Bearer {KEY}"}
    assert server.bodies == [
        {
            "model": "glm-4-plus",
            "messages": [{"role": "user", "content": "What else?"}],
            "temperature": 0.5,
            "max_tokens": 1024,
            "do_sample": False,
        }
    ]


def test_what_is_not_set_is_not_sent() -> None:
    with chat_server(echo) as server:
        assessor(server, max_tokens=None).ask(PROMPT)
    assert server.bodies[0].keys() == {"model", "messages"}


@pytest.mark.parametrize("status", [500, 429])
def test_a_passing_failure_is_retried(status: int) -> None:
    with chat_server(lambda _, before: (200, completion("yes")) if before else (status, {})) as server:
        assert assessor(server, n_retries=2).ask(PROMPT).text == "yes"
    assert len(server.bodies) == 2


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, completion("half a", finish_reason="length"), "cut off"),
        (200, completion(None, finish_reason="content_filter"), "refused"),
        (200, completion(""), "empty"),
        (200, completion(" \n"), "empty"),
        (200, completion(None), "empty"),
        (200, completion("no", finish_reason="tool_calls"), "unfinished"),
        (200, refusal(), "refused"),
        (200, {}, "no chat completion"),
        (200, [KEY], "no chat completion"),
        (200, {"choices": []}, "no chat completion"),
        (200, {"choices": {KEY: 1}}, "no chat completion"),
        (200, {"choices": [None]}, "no chat completion"),
        (200, {"choices": [{"finish_reason": "stop"}]}, "no chat completion"),
        (200, {**completion("text"), "usage": {"prompt_tokens": 2**63}}, "no chat completion"),
        (200, "<html>Welcome</html>", "invalid JSON"),
        (200, json.dumps(completion(f"half a body {KEY}"))[:-40], "invalid JSON"),
        (200, completion(f"your key is {KEY}"), "repeats the key"),
        (500, {"error": {"message": f"crashed with {KEY}"}}, "status 500"),
        (400, "no", "status 400"),
    ],
)
def test_a_reply_that_cannot_be_used(status: int, body: Any, kind: str) -> None:
    with chat_server(lambda *_: (status, body)) as server, pytest.raises(ReplyError) as caught:
        assessor(server).ask(PROMPT)
    assert caught.value.kind == kind
    assert KEY not in told(caught.value)


@pytest.mark.parametrize("status", [401, 402, 403, 404])
def test_what_no_other_call_would_survive_ends_the_collection(status: int, tmp_path: Path) -> None:
    def refuse(prompt: str, before: int) -> tuple[int, Any]:
        return status, {"error": {"message": f"Incorrect API key provided: {KEY}"}}

    with chat_server(refuse) as server, ReplyStore(tmp_path / "replies.sqlite") as store:
        with pytest.raises(AssessmentError, match=f"answered {status}.*SCOREREC_API_KEY") as caught:
            collect(requests(50), assessor(server, n_concurrent=1), store)
        assert len(server.bodies) < 50
    assert not isinstance(caught.value, ReplyError)
    assert KEY not in told(caught.value)
    assert server.url not in told(caught.value)


def test_a_quota_that_is_used_up_ends_the_collection() -> None:
    used_up = {"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}}
    with chat_server(lambda *_: (429, used_up)) as server, pytest.raises(AssessmentError, match="no credit") as caught:
        assessor(server).ask(PROMPT)
    assert not isinstance(caught.value, ReplyError)


def test_no_reply_in_time() -> None:
    with chat_server(echo, seconds=0.3) as server, pytest.raises(ReplyError) as caught:
        assessor(server, timeout=0.05).ask(PROMPT)
    assert caught.value.kind == "timeout"


def test_no_server_at_all() -> None:
    with chat_server(echo) as server:
        pass
    with pytest.raises(ReplyError) as caught:
        assessor(server).ask(PROMPT)
    assert caught.value.kind == "no connection"


def test_the_secrets_are_in_no_repr_no_error_and_no_file(tmp_path: Path) -> None:
    def half_broken(prompt: str, before: int) -> tuple[int, Any]:
        return (500, {"error": KEY}) if prompt.endswith("1") else (200, completion(f"reply to {prompt}"))

    with chat_server(half_broken) as server, ReplyStore(tmp_path / "replies.sqlite") as store:
        chat = assessor(server)
        table, facts = collect(requests(3), chat, store, AssessConfig(max_unanswered=0.5, n_rounds=1))
        shown = f"{chat!r} {chat} {table.to_pylist()} {facts}".encode()
        on_disk = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    for secret in (KEY, server.url, server.url.removeprefix("http://").removesuffix("/v1")):
        assert secret.encode() not in shown + on_disk
    assert b"reply to prompt 2" in on_disk


def test_an_environment_that_lacks_something_is_an_error() -> None:
    for environment in ({}, {"SCOREREC_API_BASE_URL": "http://x/v1"}, {"SCOREREC_API_KEY": KEY}):
        with pytest.raises(ConfigError, match=r"SCOREREC_API_\w+ is not set") as caught:
            ChatAssessor(ChatConfig(), environment)
        assert KEY not in str(caught.value)
    with pytest.raises(ConfigError, match="http"):
        ChatAssessor(ChatConfig(), {"SCOREREC_API_BASE_URL": "localhost:8000", "SCOREREC_API_KEY": KEY})


def test_the_variables_have_the_names_that_the_configuration_gives() -> None:
    config = ChatConfig(base_url_variable="GLM_URL", key_variable="GLM_KEY")
    assert ChatAssessor(config, {"GLM_URL": "http://x/v1", "GLM_KEY": KEY}).name == "glm-4-plus"


def test_calls_run_side_by_side_and_the_table_keeps_the_order_of_the_targets() -> None:
    def uneven(prompt: str, before: int) -> tuple[int, Any]:
        time.sleep(0.05 if re.search("[02468]$", prompt) else 0)
        return echo(prompt, before)

    with chat_server(uneven, seconds=0.02) as server:
        table, _ = collect(requests(12), assessor(server, n_concurrent=4))
    assert server.most_at_once > 1
    assert server.most_at_once <= 4
    assert table["target_id"].to_pylist() == [f"t{n}" for n in range(12)]
    assert table["reply"].to_pylist() == [f"reply to prompt {n}" for n in range(12)]


def test_nothing_is_asked_twice(tmp_path: Path) -> None:
    path = tmp_path / "replies.sqlite"
    with chat_server(echo) as server:
        with ReplyStore(path) as store:
            first, told = collect(requests(6), assessor(server), store)
        assert told["n_prompts_asked"] == 6
        with ReplyStore(path) as store:
            second, told = collect(requests(6), assessor(server), store)
        assert len(server.bodies) == 6
        assert (told["n_prompts_asked"], told["n_prompts_from_store"]) == (0, 6)
        assert second.equals(first)
        with ReplyStore(path) as store:
            collect(requests(6), assessor(server, temperature=0.1), store)
        assert len(server.bodies) == 12
