"""Eq. 14 by a tuned LM behind a server for LLMs: asked by token ids, so that it reads what it would read here.

Servers answer in one of three ways, which are tried in this order: vLLM's ``/generative_scoring``, SGLang's
``/v1/score``, and log-probabilities of the next token (``/v1/completions``), which vLLM and llama.cpp have.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import numpy.typing as npt

from scorerec.core.errors import ModelError
from scorerec.core.odds import log_odds
from scorerec.llm.answers import NO, YES
from scorerec.llm.backbone import load_tokenizer
from scorerec.llm.calibrate import SUREST
from scorerec.llm.config import LLMConfig
from scorerec.llm.encode import PromptEncoder, TokenIds
from scorerec.llm.score import noted_calibration

_SECONDS = 60.0
_TOGETHER = 32  # rows of one request: a server that reads one row a second answers in time
_LIKELIEST = 20
_ABSENT = (404, 405, 501)

Floats = npt.NDArray[np.float64]


class DistantScorer:
    """Scores prompts by a server that serves the tuned LM: merged (``scorerec export``), or with its adapter.

    Args:
        model: folder of the tuned LM; its tokenizer is read from its base, its weights are not.
        config: how it was tuned.
        url: of the server, such as http://127.0.0.1:8001.
        name: what the server calls the model.
        client: to be asked in place of the server; for tests.
    """

    def __init__(self, model: Path, config: LLMConfig, url: str, name: str, client: httpx.Client | None = None):
        self.encoder = PromptEncoder(load_tokenizer(model), config.budget, config.chat_template)
        self.url, self.name = url.rstrip("/").removesuffix("/v1"), name
        self._calibration = noted_calibration(model, config)
        self._client = client or httpx.Client(timeout=_SECONDS)
        self._ways: dict[str, Callable[[Sequence[TokenIds]], Floats]] = {
            "/generative_scoring": self._by_vllm,
            "/v1/score": self._by_sglang,
            "/v1/completions": self._by_likelihoods,
        }

    def p_yes(self, rows: Sequence[TokenIds]) -> Floats:
        """Return the probability of Yes for each row of token ids, (N,).

        Raises:
            ModelError: the server cannot be reached, refuses, or answers in no way that is known.
        """
        parts = [rows[start : start + _TOGETHER] for start in range(0, len(rows), _TOGETHER)]
        found = np.concatenate([np.zeros(0), *map(self._asked, parts)])
        if not np.isfinite(found).all():
            raise ModelError(f"{self.url}: scores that are not numbers; look at the server's model")
        return self._calibration(log_odds(found, SUREST))

    def _asked(self, rows: Sequence[TokenIds]) -> Floats:
        while self._ways:
            path, way = next(iter(self._ways.items()))
            try:
                return way(rows)
            except _NotThereError:  # the server has no such route, or means something else by it
                del self._ways[path]
        raise ModelError(
            f"{self.url}: answers neither /generative_scoring (vLLM) nor /v1/score (SGLang) nor /v1/completions with "
            "log-probabilities; give the address of such a server"
        )

    def _by_vllm(self, rows: Sequence[TokenIds]) -> Floats:
        answer = self._post("/generative_scoring", self._labelled(rows))
        found = dict(map(itemgetter("index", "score"), answer["data"]))
        return np.array([found[place] for place in range(len(rows))], np.float64)

    def _by_sglang(self, rows: Sequence[TokenIds]) -> Floats:
        answer = self._post("/v1/score", self._labelled(rows))
        return np.array([scores[0] for scores in answer["scores"]], np.float64)

    def _labelled(self, rows: Sequence[TokenIds]) -> dict[str, Any]:
        """Return what both score servers are asked: what all rows begin with, and how each goes on."""
        shared = _shared_length(rows)
        answers = self.encoder.answers
        return {
            "model": self.name,
            "query": rows[0][:shared].tolist(),
            "items": [row[shared:].tolist() for row in rows],
            "label_token_ids": [answers.yes, answers.no],
            "apply_softmax": True,
            "item_first": False,
            "add_special_tokens": False,  # they are there
        }

    def _by_likelihoods(self, rows: Sequence[TokenIds]) -> Floats:
        asked = {
            "model": self.name,
            "prompt": [row.tolist() for row in rows],
            "max_tokens": 1,
            "temperature": 0,
            "logprobs": _LIKELIEST,
        }
        answer = self._post("/v1/completions", asked)
        found = {one["index"]: one["logprobs"]["top_logprobs"][0] for one in answer["choices"]}
        return np.array([self._of_likeliest(found[place]) for place in range(len(rows))], np.float64)

    def _of_likeliest(self, likely: Mapping[str, float]) -> float:
        """Return P(Yes) / (P(Yes) + P(No)); an answer that is not among the likeliest is as likely as the last."""
        yes, no = (
            max((value for token, value in likely.items() if token.strip() == answer), default=min(likely.values()))
            for answer in (YES, NO)
        )
        return float(0.5 * (1 + np.tanh(0.5 * (yes - no))))

    def _post(self, path: str, asked: Mapping[str, Any]) -> Any:
        try:
            answer = self._client.post(self.url + path, json=asked)
        except httpx.TimeoutException:
            raise ModelError(f"{self.url}: no answer within {_SECONDS:g} s; look at the server's log") from None
        except httpx.HTTPError as error:
            raise ModelError(f"{self.url}: cannot be reached ({error}); start the server, or mend --lm-url") from None
        if answer.status_code in _ABSENT:
            raise _NotThereError
        if answer.is_error:
            said = answer.text[:300].strip()
            raise ModelError(f"{self.url}{path}: refused with status {answer.status_code}: {said}")
        try:
            return answer.json()
        except ValueError:
            raise _NotThereError from None


class _NotThereError(Exception):
    """A server has no such route."""


def _shared_length(rows: Sequence[TokenIds]) -> int:
    """Return how many tokens all rows begin with; each keeps at least one of its own."""
    shared = min(map(len, rows)) - 1
    for row in rows[1:]:
        differing = np.flatnonzero(row[:shared] != rows[0][:shared])
        shared = int(differing[0]) if len(differing) else shared
    return max(shared, 1) if min(map(len, rows)) > 1 else 0
