"""A tuned LM behind a server gives the scores that it gives here, whichever of the three ways the server knows."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import torch

from scorerec.core.errors import ArtifactError, ModelError
from scorerec.llm.backbone import load_backbone
from scorerec.llm.config import LLMConfig
from scorerec.llm.distant import DistantScorer
from scorerec.llm.lora import attach_lora, save_adapter
from scorerec.llm.merge import export_merged
from scorerec.llm.score import Scorer

CONFIG = LLMConfig(tune="lora", chat_template=False)


@pytest.fixture
def tuned(tiny_lm: Path, tmp_path: Path) -> Path:
    """Return the folder of an adapter that changes answers."""
    backbone = load_backbone(tiny_lm, device="cpu")
    model = attach_lora(backbone.model, CONFIG.lora)
    torch.manual_seed(0)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.5)
    save_adapter(model, tmp_path / "tuned", backbone.base)
    return tmp_path / "tuned"


def rows_of(scorer: Scorer) -> list[Any]:
    texts = ("The user liked A, B.", "The user liked A, C. Did they like D?", "The user")
    return [np.array(scorer.encoder.tokenizer(text)["input_ids"], np.int32) for text in texts]


class Server:
    """What servers for LLMs answer, by an LM here.

    Args:
        scorer: the LM.
        path: the one route that it has.
    """

    def __init__(self, scorer: Scorer, path: str):
        self.scorer, self.path, self.asked = scorer, path, []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path != self.path:
            return httpx.Response(404)
        given = json.loads(request.content)
        self.asked.append(given)
        if self.path == "/v1/completions":
            return httpx.Response(
                200, json={"choices": [*map(self.likeliest, range(len(given["prompt"])), given["prompt"])]}
            )
        answers = self.scorer.encoder.answers
        assert given["label_token_ids"] == [answers.yes, answers.no]
        assert all(given["items"])
        p_yes = self.scorer.p_yes([np.array([*given["query"], *item], np.int32) for item in given["items"]]).tolist()
        if self.path == "/v1/score":
            return httpx.Response(200, json={"scores": [[p, 1 - p] for p in p_yes]})
        data = [{"index": place, "object": "score", "score": p} for place, p in enumerate(p_yes)]
        return httpx.Response(200, json={"data": data[::-1]})

    def likeliest(self, place: int, prompt: list[int]) -> dict[str, Any]:
        (p,) = self.scorer.p_yes([np.array(prompt, np.int32)]).tolist()
        likely = {" Yes": float(np.log(p)) - 1, "No": float(np.log1p(-p)) - 1, "The": -9.0}
        return {"index": place, "logprobs": {"top_logprobs": [likely]}}


def distant(tuned: Path, answer: Callable[[httpx.Request], httpx.Response]) -> DistantScorer:
    client = httpx.Client(transport=httpx.MockTransport(answer))
    return DistantScorer(tuned, CONFIG, "http://127.0.0.1:1/v1", "tuned", client)


@pytest.mark.parametrize("path", ["/generative_scoring", "/v1/score", "/v1/completions"])
def test_scores_are_those_of_the_lm_here(tuned: Path, path: str) -> None:
    scorer = Scorer(load_backbone(tuned, device="cpu"), CONFIG)
    rows, server = rows_of(scorer), Server(scorer, path)
    far = distant(tuned, server)
    assert far.p_yes(rows) == pytest.approx(scorer.p_yes(rows), abs=1e-6)
    assert far.p_yes(rows[:1]) == pytest.approx(scorer.p_yes(rows[:1]), abs=1e-6)
    assert far.p_yes([]).shape == (0,)
    assert far.encoder.answers == scorer.encoder.answers
    assert all(given["model"] == "tuned" for given in server.asked)


def test_faults_of_servers_are_told(tuned: Path) -> None:
    rows = rows_of(Scorer(load_backbone(tuned, device="cpu"), CONFIG))
    with pytest.raises(ModelError, match=r"answers neither /generative_scoring .* give the address of such a server"):
        distant(tuned, lambda _: httpx.Response(404)).p_yes(rows)
    with pytest.raises(ModelError, match=r"/generative_scoring: refused with status 400: no such model"):
        distant(tuned, lambda _: httpx.Response(400, text="no such model")).p_yes(rows)

    def gone(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    with pytest.raises(ModelError, match=r"http://127.0.0.1:1: cannot be reached \(refused\); start the server"):
        distant(tuned, gone).p_yes(rows)

    def late(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("timed out", request=request)

    with pytest.raises(ModelError, match=r"http://127.0.0.1:1: no answer within 60 s; look at the server's log"):
        distant(tuned, late).p_yes(rows)


def test_a_merged_folder_scores_as_the_adapter_does(tuned: Path, tmp_path: Path) -> None:
    assert export_merged(tuned, CONFIG, tmp_path / "merged") < 1e-5
    assert not (tmp_path / "merged" / "adapter_config.json").exists()
    here, merged = (Scorer(load_backbone(place, device="cpu"), CONFIG) for place in (tuned, tmp_path / "merged"))
    assert merged.p_yes(rows_of(here)) == pytest.approx(here.p_yes(rows_of(here)), abs=1e-5)
    with pytest.raises(ArtifactError, match=r"exists already"):
        export_merged(tuned, CONFIG, tmp_path / "merged")
