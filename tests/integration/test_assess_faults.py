"""Assessments from an endpoint that misbehaves in every way: what is counted, what is lost, and who learns the key."""

from __future__ import annotations

import hashlib
import itertools
import json
import logging
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from scorerec import cli
from scorerec.assess.assessor import BudgetError
from scorerec.assess.client import ChatAssessor, ChatConfig
from scorerec.assess.collect import AssessConfig, collect
from scorerec.assess.store import ReplyStore
from scorerec.text.segments import Segment

KEY = "sk-distinctive-7f3a9c1e5b"
TIMEOUT = 1.0  # seconds


def completion(text: str | None, finish_reason: str = "stop") -> dict[str, Any]:
    return {
        "choices": [{"finish_reason": finish_reason, "message": {"role": "assistant", "content": text}}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 20},
    }


class Handler(BaseHTTPRequestHandler):
    """Plays the fault that the server's plan names for a call, or answers."""

    server: Endpoint
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        prompt = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["messages"][0]["content"]
        fault = self.server.begin(prompt)
        if fault is None:
            time.sleep(self.server.seconds)
            self._send(200, json.dumps(completion(f"reply to {prompt}")))
            self.server.end(prompt)
        else:
            FAULTS[fault](self)

    def _send(self, status: int, body: str, length: int | None = None, **headers: str) -> None:
        data = body.encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(length or len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _half(self) -> None:
        self._send(200, '{"choices": [', length=400)
        self.close_connection = True

    def _reset(self) -> None:
        # Closing with unsent time 0 makes the kernel answer with a reset.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.shutdown(socket.SHUT_RD)
        self.close_connection = True
        self.rfile.close()
        self.wfile.close()
        self.connection.close()

    def log_message(self, *_: object) -> None:
        pass


ECHO = json.dumps({"error": {"message": f"bad key {KEY}"}})
FAULTS: dict[str, Callable[[Handler], None]] = {
    "status 429": lambda handler: handler._send(429, ECHO, Retry_After="0.8"),
    "status 500": lambda handler: handler._send(500, ECHO, Retry_After_Ms="1"),
    "timeout": lambda _: time.sleep(2 * TIMEOUT),
    "half a reply": Handler._half,
    "connection reset": Handler._reset,
    "invalid JSON": lambda handler: handler._send(200, f'{{"choices": [{{"message": "{KEY}'),
    "no chat completion": lambda handler: handler._send(200, '{"object": "list"}'),
    "empty": lambda handler: handler._send(200, json.dumps(completion(" "))),
    "refused": lambda handler: handler._send(200, json.dumps(completion(None, "content_filter"))),
    "cut off": lambda handler: handler._send(200, json.dumps(completion("half a", "length"))),
    "status 401": lambda handler: handler._send(401, ECHO),
}
PASSING = [kind for kind in FAULTS if kind not in ("refused", "cut off", "status 401")]

Plan = Callable[[str, int], "str | None"]  # (prompt, how often it was asked before) -> fault, or None for a reply


class Endpoint(ThreadingHTTPServer):
    """A chat endpoint on this machine that remembers what it was asked and what it did."""

    daemon_threads = True

    def __init__(self, plan: Plan, seconds: float):
        super().__init__(("127.0.0.1", 0), Handler)
        self.plan = plan
        self.seconds = seconds
        self.asked: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        self.played: Counter[str] = Counter()
        self.times: list[float] = []
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    @property
    def environment(self) -> dict[str, str]:
        return {"SCOREREC_API_BASE_URL": self.url, "SCOREREC_API_KEY": KEY}

    def begin(self, prompt: str) -> str | None:
        with self._lock:
            fault = self.plan(prompt, self.asked[prompt])
            self.asked[prompt] += 1
            self.times.append(time.monotonic())
            if fault is not None:
                self.played[fault] += 1
            return fault

    def end(self, prompt: str) -> None:
        with self._lock:
            self.answered[prompt] += 1

    def handle_error(self, *_: object) -> None:
        pass  # a client that was killed


@contextmanager
def endpoint(plan: Plan = lambda *_: None, seconds: float = 0.0) -> Iterator[Endpoint]:
    with Endpoint(plan, seconds) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def assessor(server: Endpoint, **settings: Any) -> ChatAssessor:
    return ChatAssessor(ChatConfig(**{"n_retries": 0, "timeout": TIMEOUT, **settings}), server.environment)


def requests(count: int) -> list[tuple[str, list[Segment]]]:
    return [(f"t{number}", [Segment("wording", f"prompt {number}")]) for number in range(count)]


@pytest.mark.parametrize("kind", PASSING)
def test_a_fault_is_named_and_counted_and_the_prompt_asked_again(kind: str) -> None:
    with endpoint(lambda prompt, before: kind if prompt == "prompt 1" and not before else None) as server:
        table, facts = collect(requests(4), assessor(server))
    assert table["reply"].to_pylist() == [f"reply to prompt {number}" for number in range(4)]
    assert facts["failures"] == {kind: 1}
    assert facts["failed_attempts"] == ({} if kind in ("invalid JSON", "no chat completion", "empty") else {kind: 1})
    assert server.asked["prompt 1"] == 2


@pytest.mark.parametrize("kind", ["refused", "cut off"])
def test_what_would_come_again_is_not_asked_again_and_paid_for(kind: str) -> None:
    with endpoint(lambda prompt, _: kind if prompt == "prompt 1" else None) as server:
        table, facts = collect(requests(4), assessor(server), None, AssessConfig(max_unanswered=0.25))
    assert table["target_id"].to_pylist() == ["t0", "t2", "t3"]
    assert (facts["failures"], facts["tokens_in"]) == ({kind: 1}, 12)
    assert facts["warnings"] == [f"1 of 4 prompts have no reply (calls that failed: 1 x {kind})"]


def test_a_retry_waits_as_long_as_the_endpoint_says_and_is_counted_too() -> None:
    with endpoint(lambda _, before: None if before else "status 429") as server:
        _, facts = collect(requests(1), assessor(server, n_retries=1))
    assert server.times[1] - server.times[0] >= 0.8  # the SDK alone waits 0.5 s at most
    assert (facts["failures"], facts["failed_attempts"]) == ({}, {"status 429": 1})


def test_no_reply_is_lost_when_three_calls_in_ten_fail(tmp_path: Path) -> None:
    kinds = itertools.cycle(PASSING)

    def plan(prompt: str, before: int) -> str | None:
        lot = hashlib.sha256(f"{prompt} {before}".encode()).digest()[0]
        return next(kinds) if lot < 0.36 * 256 else None

    with endpoint(plan) as server, ReplyStore(tmp_path / "replies.sqlite") as store:
        table, facts = collect(requests(200), assessor(server), store)
        assert len(store) == 200
    assert table["reply"].to_pylist() == [f"reply to prompt {number}" for number in range(200)]
    assert set(server.played) == set(PASSING)
    assert facts["failures"] == dict(server.played)
    assert sum(server.played.values()) >= 0.3 * server.asked.total()
    assert set(server.answered.values()) == {1}


def test_a_rate_holds_for_retries_too() -> None:
    with endpoint(lambda _, before: None if before else "status 500") as server:
        collect(requests(3), assessor(server, n_retries=1, requests_per_minute=1200))  # one in 50 ms
    gaps = [later - earlier for earlier, later in itertools.pairwise(sorted(server.times))]
    assert len(gaps) == 5
    assert server.times[-1] - server.times[0] >= 0.9 * 5 * 0.05


def test_a_budget_stops_between_calls_and_a_higher_one_continues(tmp_path: Path) -> None:
    # One call may cost 3 + 20 tokens, and does.
    with endpoint() as server, ReplyStore(tmp_path / "replies.sqlite") as store:
        chat = assessor(server, max_tokens=20)
        small, large = (AssessConfig(chat=chat.config, budget_tokens=limit) for limit in (130, 460))
        with pytest.raises(BudgetError, match=r"115 of 130 tokens are spent.*assess\.budget_tokens.*5 of 20 prompts"):
            collect(requests(20), chat, store, small)
        assert server.asked.total() == len(store) == 5
        with pytest.raises(BudgetError, match="5 of 20"):
            collect(requests(20), chat, store, small)
        assert server.asked.total() == 5  # what earlier runs spent counts
        table, facts = collect(requests(20), chat, store, large)
    assert (table.num_rows, facts["n_prompts_from_store"], facts["tokens_in"]) == (20, 5, 45)
    assert set(server.asked.values()) == {1}


def test_money_and_paid_failures_count_too(tmp_path: Path) -> None:
    def plan(prompt: str, before: int) -> str | None:
        return "cut off" if prompt == "prompt 0" else None

    settings = {"price_in": 1e6 / 3, "price_out": 50_000.0, "budget_money": 4.5}  # a call costs 1 + 1
    with endpoint(plan) as server, ReplyStore(tmp_path / "replies.sqlite") as store:
        chat = assessor(server, max_tokens=20, n_concurrent=1)
        config = AssessConfig(chat=chat.config, **settings)
        for _ in range(2):
            with pytest.raises(BudgetError, match=r"4\.0000 of 4\.5000 is spent.*1 of 10 prompts"):
                collect(requests(10), chat, store, config)
    assert server.asked.total() == 2


_KILLED = """
import sys
from pathlib import Path
from scorerec.assess.client import ChatAssessor, ChatConfig
from scorerec.assess.collect import collect
from scorerec.assess.store import ReplyStore
from scorerec.text.segments import Segment

with ReplyStore(Path(sys.argv[1])) as store:
    requests = [(f"t{number}", [Segment("wording", f"prompt {number}")]) for number in range(200)]
    collect(requests, ChatAssessor(ChatConfig(n_concurrent=4)), store)
"""


def test_a_killed_collection_loses_at_most_the_calls_under_way(tmp_path: Path) -> None:
    path = tmp_path / "replies.sqlite"
    with endpoint(seconds=0.02) as server:
        process = subprocess.Popen([sys.executable, "-c", _KILLED, str(path)], env={**os.environ, **server.environment})
        deadline = time.monotonic() + 60
        while server.answered.total() < 30 and time.monotonic() < deadline:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        answered = server.answered.total()
        time.sleep(0.1)
        with ReplyStore(path) as store:
            kept = len(store)
            assert 200 > kept >= answered - 4
            before = server.asked.total()
            chat = ChatAssessor(ChatConfig(n_concurrent=4), server.environment)
            table, _ = collect(requests(200), chat, store)
    assert server.asked.total() - before == 200 - kept
    assert table["reply"].to_pylist() == [f"reply to prompt {number}" for number in range(200)]


WORLD = (
    'data.source={name="synthetic", n_users=20, n_items=100}',
    'data.split={by="months", train=[0, 9], valid=[10, 10], test=[11, 11]}',
    "name=faulty",
    "assess.assessor=openai",
    "assess.n_targets=40",
    "assess.chat.n_retries=0",
    f"assess.chat.timeout={TIMEOUT}",
)


def scorerec(monkeypatch: pytest.MonkeyPatch, command: str, *changes: str, to: str = "assessments") -> int:
    options = [part for change in (*WORLD, *changes) for part in ("--set", change)]
    stop = ["--to", to] if command == "run" else ["--json"]
    monkeypatch.setattr(sys, "argv", ["scorerec", command, "ml-1m-toy", *options, *stop])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def test_the_key_reaches_no_file_no_log_and_no_message(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("openai").setLevel(logging.DEBUG)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")
    kinds = itertools.cycle(PASSING)
    plans: list[Plan] = [
        lambda *_: "status 401",
        lambda *_: "status 500",
        lambda _, before: None if before % 2 else next(kinds),
    ]
    shown = ""
    with endpoint() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        assert scorerec(monkeypatch, "cost") == 0
        assert json.loads(capfd.readouterr().out)["assessments"]["n_to_ask"] > 30
        assert not (tmp_path / "runs" / "faulty").exists()  # a look ahead is no run
        for plan, status in zip(plans, (1, 1, 0), strict=True):
            server.plan = plan
            assert scorerec(monkeypatch, "run", "assess.patience=45") == status
            shown += "".join(capfd.readouterr())
        assert scorerec(monkeypatch, "cost") == 0
        cost = capfd.readouterr()
        assert json.loads(cost.out)["assessments"]["n_to_ask"] == 0
    shown += "".join(cost) + caplog.text + "".join(str(vars(record)) for record in caplog.records)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    on_disk = b"".join(path.read_bytes() for path in files)
    assert "answered 401" in shown
    assert "HTTP Response" in shown  # the SDK's log is looked at, too
    assert any(path.name == "replies.sqlite" for path in files)
    assert b"reply to" in on_disk
    for secret in (KEY, KEY.removeprefix("sk-"), server.url):
        assert secret not in shown
        assert secret.encode() not in on_disk


def test_rates_budgets_and_rounds_are_no_reason_to_assess_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")
    with endpoint() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        assert scorerec(monkeypatch, "run", "assess.budget_tokens=1500") == 1
        said = " ".join(capfd.readouterr().err.split())
        assert "BudgetError" in said
        assert "assess.budget_tokens" in said
        assert scorerec(monkeypatch, "run", "assess.budget_tokens=300000") == 0
        n_asked = server.asked.total()
        capfd.readouterr()
        changes = ("assess.budget_tokens=400000", "assess.chat.n_concurrent=2", "assess.chat.requests_per_minute=9")
        assert scorerec(monkeypatch, "run", *changes) == 0
        assert "done  assessments" in capfd.readouterr().err
    assert server.asked.total() == n_asked
    assert set(server.asked.values()) == {1}


def test_a_look_ahead_needs_no_key_and_says_what_every_stage_takes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")
    for name in ("SCOREREC_API_BASE_URL", "SCOREREC_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    assert scorerec(monkeypatch, "cost", "assess.price_in=1.0", "assess.price_out=2.0") == 0
    told = json.loads(capfd.readouterr().out)["assessments"]
    assert told["most_tokens_out"] == told["n_to_ask"] * 1024
    assert told["most_money"] == round((told["tokens_in"] + 2 * told["most_tokens_out"]) / 1e6, 4)
    assert scorerec(monkeypatch, "cost", "assess.assessor=metadata") == 0
    told = json.loads(capfd.readouterr().out)
    assert told["assessments"] is None
    by_stage = {part["stage"]: part for part in told["stages"]}
    assert {"rankings", "backbone", "tuned-llm", "scores-llm", "tuned-score", "scores-score"} <= set(by_stage)
    assert all(part["seconds"] > 0 and part["gibibytes"] > 0 for part in by_stage.values())
    assert by_stage["tuned-score"]["work"]["tokens"] > by_stage["tuned-llm"]["work"]["tokens"]
