"""Greedy writing: the same text in any company, ended where the model ends it, counted in tokens."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from scorerec.core.errors import ConfigError
from scorerec.llm.backbone import Backbone, load_backbone
from scorerec.llm.generate import Writer
from scorerec.text.segments import Segment

PROMPTS = [
    [Segment("wording", text)] for text in ("The user has", "The user has highly rated the following movies", "No")
]


@pytest.fixture
def backbone(tiny_lm: Path) -> Backbone:
    return load_backbone(tiny_lm, device="cpu")


def test_a_prompt_is_continued_the_same_way_in_any_company(backbone: Backbone) -> None:
    writer = Writer(backbone, 12)
    together = writer.write(PROMPTS)
    assert together == [writer.write([prompt])[0] for prompt in PROMPTS]
    assert len({written.tokens_in for written in together}) > 1  # some were padded


def test_a_text_longer_than_the_model_reads_is_refused_by_its_name(backbone: Backbone) -> None:
    assert backbone.positions is not None
    Writer(backbone, backbone.positions - 1)
    with pytest.raises(ConfigError, match=rf"max_new_tokens: wanted fewer than the {backbone.positions} .* got 99999"):
        Writer(backbone, 99_999)


def test_each_token_is_the_likeliest(backbone: Backbone) -> None:
    (written,) = Writer(backbone, 5).write(PROMPTS[:1])
    tokens = backbone.tokenizer(PROMPTS[0][0].text, return_tensors="pt")["input_ids"]
    n_read = tokens.shape[1]
    with torch.no_grad():
        for _ in range(written.tokens_out):
            following = backbone.model(tokens).logits[0, -1].argmax()
            tokens = torch.cat([tokens, following.view(1, 1)], dim=1)
    wanted = backbone.tokenizer.decode(tokens[0, n_read:], skip_special_tokens=True)
    assert written.tokens_in == n_read
    assert written.text == " ".join(wanted.split())


def test_a_text_ends_where_the_model_ends_it(backbone: Backbone) -> None:
    writer = Writer(backbone, 8)
    (end,) = writer._ends
    assert writer._written(7, [300, 301, end, 0, 0]).tokens_out == 3
    assert writer._written(7, [300, 301]).tokens_out == 2
    assert writer._written(7, [end, 0]) == ("", 7, 1)


def test_the_global_generator_is_left_alone(backbone: Backbone) -> None:
    before = torch.get_rng_state()
    Writer(backbone, 2).write(PROMPTS)
    assert torch.equal(before, torch.get_rng_state())


def test_titles_go_where_the_model_reads_less(backbone: Backbone) -> None:
    backbone.model.config.max_position_embeddings = 40
    prompt = [
        Segment("wording", "The user has watched ["),
        *(Segment("history", f"'Good Film {n} (1990)'", str(n)) for n in range(40)),
        Segment("wording", "] and "),
        Segment("target", "'Poor Film 2 (1982)'", "2"),
    ]
    assert Writer(backbone, 8).write([prompt])[0].tokens_in <= 32


def test_a_model_that_names_no_positions_reads_all(backbone: Backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Backbone, "positions", None)
    prompt = [Segment("wording", "The user has " * 300)]
    assert Writer(backbone, 2).write([prompt])[0].tokens_in > 300
