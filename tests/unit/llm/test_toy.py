"""The toy LM is an ordinary model folder, made the same way every time, and says what it is."""

from __future__ import annotations

from pathlib import Path

import pytest
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from scorerec.core.errors import ConfigError, DataError, ModelError
from scorerec.llm.backbone import load_backbone
from scorerec.llm.config import ToyConfig
from scorerec.llm.toy import pretrain
from scorerec.llm.vocabulary import train_tokenizer

TINY = ToyConfig(vocabulary=400, width=16, inner_width=32, heads=2, epochs=4, batch_size=16)


def test_it_learns_and_is_loaded_as_any_model(tmp_path: Path, texts: list[str]) -> None:
    facts = pretrain(texts, TINY, tmp_path / "lm", seed=1)
    assert facts["last_loss"] < facts["first_loss"]
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "lm").num_parameters() == facts["parameters"]
    assert len(AutoTokenizer.from_pretrained(tmp_path / "lm")) == facts["vocabulary"]
    loaded = load_backbone(tmp_path / "lm", device="cpu")
    assert loaded.is_toy
    assert facts["parameters"] == TINY.model_copy(update={"vocabulary": facts["vocabulary"]}).parameters
    assert loaded.describe() == "toy LM (0.0 million weights that this run trained itself; no pretrained LLM)"


def test_the_same_seed_gives_the_same_weights(tmp_path: Path, texts: list[str]) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        pretrain(texts, TINY.model_copy(update={"epochs": 1}), tmp_path / name, seed)
    a, b, c = ((tmp_path / name / "model.safetensors").read_bytes() for name in "abc")
    assert a == b != c


def test_a_text_beyond_the_limit_is_read_in_part(tmp_path: Path, texts: list[str]) -> None:
    config = TINY.model_copy(update={"epochs": 1, "max_text_tokens": 8})
    assert pretrain(texts, config, tmp_path, 0)["tokens_read"] <= 8 * len(texts)


def test_weights_can_be_left_random_and_untied(tmp_path: Path, texts: list[str]) -> None:
    facts = pretrain(texts, TINY.model_copy(update={"epochs": 0, "is_tied": False}), tmp_path, 0)
    assert facts["steps"] == 0
    assert "lm_head.weight" in load_file(tmp_path / "model.safetensors")


def test_no_text_and_a_broken_loss_are_errors(tmp_path: Path, texts: list[str]) -> None:
    with pytest.raises(DataError, match="came none"):
        pretrain([], TINY, tmp_path, 0)
    with pytest.raises(ModelError, match="loss became"):
        pretrain(texts, TINY.model_copy(update={"learning_rate": 1e30, "max_gradient_norm": 1e30}), tmp_path, 0)


def test_phrases_make_titles_and_sentences_single_tokens(texts: list[str]) -> None:
    phrases, words = (train_tokenizer(texts, 800, units) for units in ("phrases", "words"))
    text = "The user has highly rated the following movies: ['Good Film 3 (1983)', \"Carl's Film (1990)\"]"
    pieces = [piece for piece, _ in phrases.backend_tokenizer.pre_tokenizer.pre_tokenize_str(text)]
    assert [piece.replace("Ġ", " ") for piece in pieces] == [
        "The user has highly rated the following movies: ",
        "['",
        "Good Film 3 (1983)",
        "', \"",
        "Carl's Film (1990)",  # an apostrophe is no quote
        '"]',
    ]
    ids = phrases(text, add_special_tokens=False)["input_ids"]
    assert [phrases.decode(token) for token in ids[:3]] == [piece.replace("Ġ", " ") for piece in pieces[:3]]
    assert len(ids) < len(words(text)["input_ids"])
    for tokenizer in (phrases, words):
        for odd in ("Ünïcödé 東京 \n\t", "", "'']]\"[, ['"):
            assert tokenizer.decode(tokenizer(odd, add_special_tokens=False)["input_ids"]) == odd


def test_it_computes_where_it_is_told_to(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="got 'abacus'"):
        pretrain(["a text"], ToyConfig(vocabulary=300, width=8, heads=1), tmp_path, seed=0, device="abacus")
