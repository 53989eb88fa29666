"""A distant LM as scorer. No server of this kind is at hand, so a fake one: the run's own LM behind the wire format."""

from __future__ import annotations

import json
import shutil
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch

from scorerec.core.errors import AssessmentError, ModelError
from scorerec.core.tables import PROMPTS, QUERIES, SCORES, TARGETS
from scorerec.experiment.run import REPLIES
from scorerec.llm.answers import NO, YES
from scorerec.llm.score import Scorer
from scorerec.nn.batching import pad
from scorerec.pipeline.endpoint import as_asked
from scorerec.serve.forget import forget
from scorerec.text.segments import render

KEY = "sk-secret-of-a-distant-model"
METHODS = 'methods=["item-mean","item+user-mean","crm","llm","score","endpoint","endpoint-score"]'


class FakeServer:
    """Answers as vLLM does, from a causal LM: the likeliest first tokens with their log-probabilities."""

    def __init__(self, scorer: Scorer):
        self.scorer, self.n_calls, self.url = scorer, 0, ""
        self.lock = threading.Lock()

    def likely(self, text: str, count: int) -> dict[str, float]:
        encoder, answers = self.scorer.encoder, self.scorer.encoder.answers
        with torch.inference_mode(), self.lock:
            logits = self.scorer.backbone.last_logits(pad(encoder._encode_texts([text]), side="left"))[0].float()
        best = torch.log_softmax(logits, 0).topk(min(count, len(logits)))
        found = {}
        for token, value in zip(best.indices.tolist(), best.values.tolist(), strict=True):
            name = encoder.tokenizer.decode([token])
            # The scorer here reads one form of each answer; this tokenizer's other form is left out.
            if name.strip() not in (YES, NO) or token in (answers.yes, answers.no):
                found[name] = value
        return found

    def answer(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        self.n_calls += 1
        usage = {"prompt_tokens": 7, "completion_tokens": 1, "total_tokens": 8}
        if path == "/v1/completions":
            found = {"top_logprobs": [self.likely(body["prompt"], body["logprobs"])], "tokens": ["x"]}
            choice = {"index": 0, "finish_reason": "length", "text": "x", "logprobs": found}
        else:
            assert body["logprobs"] is True
            likely = self.likely(body["messages"][0]["content"], body["top_logprobs"])
            entries = [{"token": token, "logprob": value, "bytes": None} for token, value in likely.items()]
            found = {"content": [{"token": "x", "logprob": 0.0, "top_logprobs": entries}]}
            message = {"role": "assistant", "content": "x"}
            choice = {"index": 0, "finish_reason": "length", "message": message, "logprobs": found}
        return {"id": "1", "object": "o", "created": 0, "model": "m", "choices": [choice], "usage": usage}


@contextmanager
def serving(server: FakeServer) -> Iterator[FakeServer]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            data = json.dumps(server.answer(self.path, body)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
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


@pytest.fixture(scope="module")
def root(outcome: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the finished run: other tests look at what lies beside it."""
    copy = tmp_path_factory.mktemp("endpoint") / "runs"
    shutil.copytree(outcome.root, copy)
    return copy


@pytest.fixture
def server(outcome: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeServer]:
    scorer = Scorer.load(outcome.artifacts["tuned-score"].path / "model", outcome.config.llm)
    with serving(FakeServer(scorer)) as running:
        monkeypatch.setenv("SCOREREC_API_BASE_URL", running.url)
        monkeypatch.setenv("SCOREREC_API_KEY", KEY)
        yield running


def p_yes(artifact: Any) -> dict[str, float]:
    table = artifact.table(SCORES)
    return dict(zip(table["target_id"].to_pylist(), table["p_yes"].to_pylist(), strict=True))


@pytest.mark.parametrize("kind", ["completion", "chat"])
def test_a_distant_model_gives_the_scores_of_the_same_model_here(
    root: Path, outcome: Any, experiment: Any, server: FakeServer, kind: str
) -> None:
    changes = METHODS, f"endpoint.kind={kind}", "endpoint.top_logprobs=600", f"name=endpoint-{kind}"
    run = experiment.run(root, *changes, to="scores-endpoint-score")
    distant, near = p_yes(run.artifacts["scores-endpoint-score"]), p_yes(outcome.artifacts["scores-score"])
    targets = outcome.artifacts["corpus"].table(TARGETS).to_pylist()
    assert {row["split"] for row in targets if row["target_id"] in distant} == {"test"}  # each row may cost money
    assert distant == pytest.approx(near, abs=1e-4)
    facts = run.artifacts["scores-endpoint-score"].facts
    assert (facts["n_without_answer"], facts["is_llm"], facts["tokens_out"]) == (0, True, facts["n_prompts_asked"])

    asked = server.n_calls
    again = experiment.run(root, *changes, "llm.max_tokens=511", to="scores-endpoint-score")
    assert "scores-endpoint-score" in again.ran
    assert server.n_calls == asked  # every reply was kept
    for path in root.rglob("*"):
        if path.is_file():
            assert KEY.encode() not in path.read_bytes()


def test_answers_that_are_not_likely_enough_are_an_error(root: Path, experiment: Any, server: FakeServer) -> None:
    server.likely = lambda text, count: {"Perhaps": -0.1, "Maybe": -3.0}  # type: ignore[method-assign]
    with pytest.raises(ModelError, match="neither Yes nor No among the 21 likeliest tokens"):
        experiment.run(root, METHODS, "endpoint.top_logprobs=21", "name=odd", to="scores-endpoint")


def test_an_endpoint_without_log_probabilities_ends_it_at_once(root: Path, experiment: Any, server: FakeServer) -> None:
    answer = server.answer

    def without(path: str, body: dict[str, Any]) -> dict[str, Any]:
        reply = answer(path, body)
        reply["choices"][0]["logprobs"] = None
        return reply

    server.answer = without  # type: ignore[method-assign]
    with pytest.raises(AssessmentError, match="sent no log-probabilities; wanted one that knows logprobs"):
        experiment.run(root, METHODS, "endpoint.top_logprobs=22", "name=dumb", to="scores-endpoint")
    assert server.n_calls <= 16


def test_a_forgotten_user_is_in_no_kept_reply(root: Path, experiment: Any, server: FakeServer, tmp_path: Path) -> None:
    shutil.copytree(root, tmp_path / "runs")
    run = experiment.run(tmp_path / "runs", METHODS, "endpoint.kind=completion", "name=run", to="scores-endpoint-score")
    user = "u0003"
    corpus, asked = run.artifacts["corpus"], run.artifacts["scores-endpoint-score"].table(SCORES)["target_id"]
    users = dict(zip(*(corpus.table(QUERIES)[name].to_pylist() for name in ("query_id", "user_id")), strict=True))
    theirs = {row["target_id"] for row in corpus.table(TARGETS).to_pylist() if users[row["query_id"]] == user} & set(
        asked.to_pylist()
    )
    prompts = read_prompts_of(run, theirs)
    assert kept(tmp_path / "runs", prompts) == len(prompts) > 0
    forget(tmp_path / "runs" / "run", user)
    assert kept(tmp_path / "runs", prompts) == 0


def read_prompts_of(run: Any, targets: set[str]) -> list[str]:
    """Return the texts that the endpoint was sent for these rows."""
    asked = as_asked(run.artifacts["prompts-score"].table(PROMPTS), run.config.llm.budget)
    return [render(segments) for name, segments in asked.items() if name in targets]


def kept(root: Path, prompts: Sequence[str]) -> int:
    """Return how many of the prompts are in the store of replies."""
    with closing(sqlite3.connect(root / REPLIES)) as database:
        found = {prompt for (prompt,) in database.execute("SELECT prompt FROM replies")}
    return sum(prompt in found for prompt in prompts)
