"""The attention of the answer's position: a share for every token, each token in its span."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from scorerec.core.errors import ConfigError
from scorerec.llm.attention import TEMPLATE, prompt_attention
from scorerec.llm.config import LLMConfig
from scorerec.llm.score import Scorer
from scorerec.text.segments import Segment

Write = Callable[..., list[Segment]]
CONFIG = LLMConfig(history_titles=None)


@pytest.fixture(scope="module")
def scorer(tiny_lm: Path) -> Scorer:
    return Scorer.load(tiny_lm, CONFIG, "cpu")


def test_weights_are_shares_and_every_token_is_in_its_span(scorer: Scorer, write: Write) -> None:
    prompt = write(["1", "2"], "3", ("4",))
    found = prompt_attention(scorer, prompt)
    assert sum(token.weight for token in found) == pytest.approx(1.0, abs=1e-5)
    assert min(token.weight for token in found) >= 0
    text = {
        kind: "".join(token.text for token in found if token.kind == kind)
        for kind in ("history", "evidence", "target", TEMPLATE)
    }
    assert "Film 2" in text["history"]
    assert "Film 4" in text["evidence"]
    assert "Film 3" in text["target"]
    assert "Film" not in text[TEMPLATE]
    assert len(found) == len(scorer.encoder.encode([prompt]).tokens[0])


def test_layers_and_heads_are_chosen_and_averaged(scorer: Scorer, write: Write) -> None:
    prompt = write(["1"], "3")

    def weights(layers: list[int] | None, heads: list[int] | None) -> list[float]:
        return [token.weight for token in prompt_attention(scorer, prompt, layers, heads)]

    one, other, both = weights([0], [0]), weights([0], [1]), weights([0], None)
    assert one != other
    assert both == pytest.approx([(a + b) / 2 for a, b in zip(one, other, strict=True)], abs=1e-6)
    with pytest.raises(ConfigError, match="layer 9: this model has layers 0 to 1"):
        weights([9], None)
    with pytest.raises(ConfigError, match="head 2: this model has heads 0 to 1"):
        weights(None, [2])


def test_looking_changes_no_score(scorer: Scorer, write: Write) -> None:
    rows = scorer.encoder.encode([write(["1"], "3")]).tokens
    before = scorer.p_yes(rows)
    prompt_attention(scorer, write(["1"], "3"))
    assert scorer.p_yes(rows) == before
    assert scorer.backbone.model.config._attn_implementation == "sdpa"
