from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from scorerec.baselines.virtual_tokens import (
    VirtualEmbedding,
    VirtualTokenizer,
    load_virtual_tokens,
    mark,
    save_virtual_tokens,
    with_virtual_tokens,
    without_virtual_tokens,
)
from scorerec.core.errors import ArtifactError
from scorerec.llm.backbone import load_backbone
from scorerec.nn.batching import pad


class Letters:
    """A tokenizer with one token per letter."""

    chat_template = None

    def __call__(self, texts, **_):
        return {"input_ids": [[ord(letter) for letter in text] for text in texts]}

    def decode(self, ids, **_):
        return "".join(map(chr, ids))


def test_a_mark_is_one_token_and_swallows_the_space_before_it():
    tokenizer = VirtualTokenizer(Letters(), first_id=1000)
    rows = tokenizer([f"ab {mark(3)}c{mark(12)}", "plain"])["input_ids"]
    assert rows == [[97, 98, 1003, 99, 1012], [ord(letter) for letter in "plain"]]
    assert tokenizer.decode(rows[0]) == "ab<|vector:3|>c<|vector:12|>"
    assert tokenizer.chat_template is None


def test_vectors_are_projected_where_their_tokens_stand():
    base, vectors = nn.Embedding(10, 4), torch.tensor([[1.0, 2.0], [3.0, 5.0]])
    projector = nn.Linear(2, 4)
    embedded = VirtualEmbedding(base, vectors, projector)(torch.tensor([[1, 11], [10, 2]]))
    torch.testing.assert_close(embedded[0, 0], base.weight[1])
    torch.testing.assert_close(embedded[0, 1], projector(vectors[1]))
    torch.testing.assert_close(embedded[1, 0], projector(vectors[0]))
    torch.testing.assert_close(embedded[1, 1], base.weight[2])


def test_without_marks_the_model_is_what_it_was(tiny_lm: Path):
    backbone = load_backbone(tiny_lm, device="cpu")
    batch = pad([np.array([1, 2, 3])], side="left")
    before = backbone.last_logits(batch)
    virtual = with_virtual_tokens(backbone, torch.ones(1, 2), nn.Linear(2, backbone.model.config.hidden_size))
    torch.testing.assert_close(virtual.last_logits(batch), before)
    marked = pad([np.array([1, virtual.tokenizer.first_id, 3])], side="left")
    assert not torch.allclose(virtual.last_logits(marked), before)
    without_virtual_tokens(virtual)
    assert not any("projector" in name for name, _ in backbone.model.named_parameters())


def test_what_is_saved_comes_back(tmp_path: Path):
    projector = nn.Linear(2, 4)
    save_virtual_tokens(VirtualEmbedding(nn.Embedding(3, 4), torch.ones(5, 2), projector), tmp_path)
    other = nn.Linear(2, 4)
    assert load_virtual_tokens(tmp_path, other).shape == (5, 2)
    torch.testing.assert_close(other.weight, projector.weight)
    with pytest.raises(ArtifactError, match="train this method again"):
        load_virtual_tokens(tmp_path / "nowhere", other)
