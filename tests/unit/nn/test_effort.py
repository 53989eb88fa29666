"""Sizes are those of the published models; times and memory follow the formulas."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig, XLMRobertaConfig

from scorerec.core.errors import ModelError
from scorerec.nn import effort
from scorerec.nn.effort import Shape, Work, model_shape, shape_of

TINY = Shape(parameters=1000, weights_per_token=600, layers=2, width=10, inner_width=20, vocabulary=40)


def test_llama_3_1_8b_has_its_published_size(tmp_path: Path) -> None:
    LlamaConfig(
        vocab_size=128256,
        hidden_size=4096,
        intermediate_size=14336,
        num_hidden_layers=32,
        num_attention_heads=32,
        num_key_value_heads=8,
    ).save_pretrained(tmp_path)
    shape = model_shape(tmp_path, is_causal=True)  # config.json is all there is
    assert shape.parameters == 8_030_261_248
    assert shape.weights_per_token == 8_030_261_248 - 2 * 128256 * 4096
    tuning = Work(shape, 1024, 0, 33_891, 8, 21_000_000, value_bytes=2, is_checkpointed=True)
    assert 16 < tuning.bytes / 2**30 < 24  # weights alone are 15.0 GiB


def test_xlm_roberta_large_has_its_published_size() -> None:
    config = XLMRobertaConfig(
        vocab_size=250002,
        hidden_size=1024,
        intermediate_size=4096,
        num_hidden_layers=24,
        num_attention_heads=16,
        max_position_embeddings=514,
        type_vocab_size=1,
    )
    assert shape_of(config, is_causal=False).parameters == pytest.approx(560e6, rel=0.01)


def test_operations_are_counted_as_by_hand() -> None:
    # 5 tokens x (2 x 600 + 4 x 5 x 10 x 2) + 2 x 10 x 40 = 5 x 1600 + 800 = 8800 for one row forward
    assert Work(TINY, 5, 3, 0, 8, 0).flops == 3 * 8800
    assert Work(TINY, 5, 0, 3, 8, 1000).flops == 3 * 3 * 8800  # forward, and two products backward
    assert Work(TINY, 5, 0, 3, 8, 0, is_checkpointed=True).flops == 3 * 3 * 8800  # twice forward, one backward


def test_memory_is_counted_as_by_hand() -> None:
    block = 2 * 5 * (8 * 10 + 4 * 20) * 4
    logits = 3 * 2 * 40 * 4
    assert Work(TINY, 5, 9, 0, 2, 0).bytes == 4000 + block + logits
    assert Work(TINY, 5, 9, 9, 2, 1000).bytes == 4000 + 12_000 + 2 * block + logits
    kept = 2 * 5 * 10 * 2 * 4
    assert Work(TINY, 5, 9, 9, 2, 1000, is_checkpointed=True).bytes == 4000 + 12_000 + block + kept + logits


def test_layers_below_those_that_learn_are_read_and_no_more() -> None:
    top = Work(TINY, 5, 0, 3, 8, 100, learning_share=0.5)
    assert top.flops == pytest.approx(3 * 8800 * (1 + 0.5 + 0.1))
    again = Work(TINY, 5, 0, 3, 8, 100, is_checkpointed=True, learning_share=0.5)
    assert again.flops == pytest.approx(3 * 8800 * (1 + 2 * 0.5 + 0.1))
    block = 8 * 5 * (8 * 10 + 4 * 20) * 4
    assert Work(TINY, 5, 0, 3, 8, 100).bytes - top.bytes == block  # of two layers, one keeps its activations


def test_time_follows_the_speed_of_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    work = Work(TINY, 5, 3, 0, 8, 0)
    assert 0 < work.seconds(torch.device("cpu")) < 60
    monkeypatch.setattr(effort, "block_rate", lambda *_: 1e3)
    assert work.seconds(torch.device("cpu")) == 3 * 8800 / (1e3 * 0.5)


def test_a_block_takes_longer_than_its_products_alone() -> None:
    given = 64, (128, 256), torch.float32, torch.device("cpu")
    assert 0 < effort.block_rate(*given) < effort.matrix_rate(*given)


def test_a_model_that_is_nowhere_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="its size cannot be told"):
        model_shape(tmp_path / "nothing", is_causal=True)
