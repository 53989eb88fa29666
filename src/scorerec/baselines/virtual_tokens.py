"""Vectors as tokens: a mark in a prompt becomes a token id beyond the vocabulary, and a projected vector its embedding.

So a prompt with vectors is a row of token ids like any other, and budgets, batches, tuning and scoring need not know.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from scorerec.core.errors import ArtifactError
from scorerec.llm.backbone import Backbone
from scorerec.nn.checkpoints import UNREADABLE

_MARK = re.compile(r" ?<\|vector:(\d+)\|>")  # cleaned titles cannot spell it; the space before it is no token
_FILE = "virtual_tokens.safetensors"


def mark(number: int) -> str:
    """Return what stands in a prompt for row ``number`` of the vectors.

    >>> mark(7)
    '<|vector:7|>'
    """
    return f"<|vector:{number}|>"


class VirtualTokenizer:
    """A tokenizer that turns marks into token ids from ``first_id`` on; everything else is the tokenizer's own.

    Attributes:
        first_id: the number of tokens that the model has an embedding for.
    """

    def __init__(self, tokenizer: Any, first_id: int):
        self._tokenizer = tokenizer
        self.first_id = first_id

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tokenizer, name)

    def __call__(self, texts: str | Sequence[str], **settings: Any) -> dict[str, Any]:
        """Tokenize, piece by piece between marks: a mark is one token, whatever stands beside it."""
        if isinstance(texts, str) or not any(_MARK.search(text) for text in texts):
            return dict(self._tokenizer(texts, **settings))
        pieces = [_MARK.split(text) for text in texts]  # text, number, text, number, ..., text
        flat = [piece for parts in pieces for piece in parts[::2]]
        tokens = iter(self._tokenizer(flat, **settings)["input_ids"])
        rows = []
        for parts in pieces:
            row = list(next(tokens))
            for number in parts[1::2]:
                row += [self.first_id + int(number), *next(tokens)]
            rows.append(row)
        return {"input_ids": rows}

    def decode(self, ids: Sequence[int], **settings: Any) -> str:
        """Return the text, with a mark for each vector."""
        parts, known = [], []
        for token in map(int, ids):
            if token < self.first_id:
                known.append(token)
                continue
            parts += [self._tokenizer.decode(known, **settings), mark(token - self.first_id)]
            known = []
        return "".join([*parts, self._tokenizer.decode(known, **settings)])


class VirtualEmbedding(nn.Module):
    """The embedding of a model, and behind its vocabulary the projections of fixed vectors.

    Args:
        base: the model's own embedding, V x H.
        vectors: (N, d); token id V + n stands for vector n.
        projector: d -> H.
    """

    vectors: Tensor

    def __init__(self, base: nn.Embedding, vectors: Tensor, projector: nn.Module):
        super().__init__()
        self.base = base
        self.projector = projector
        self.register_buffer("vectors", vectors.float(), persistent=False)

    @property
    def weight(self) -> Tensor:
        """The model's own table, for code that asks for it."""
        return self.base.weight

    def forward(self, tokens: Tensor) -> Tensor:
        """Return embeddings, (B, T) -> (B, T, H)."""
        size = self.base.num_embeddings
        embedded: Tensor = self.base(tokens.clamp(max=size - 1))
        is_virtual = tokens >= size
        if not is_virtual.any():
            return embedded
        projected = self.projector(self.vectors[tokens[is_virtual] - size]).to(embedded.dtype)
        return embedded.masked_scatter(is_virtual[..., None], projected)


def with_virtual_tokens(backbone: Backbone, vectors: Tensor, projector: nn.Module) -> Backbone:
    """Return the backbone with vectors in its vocabulary; the model is changed in place.

    Args:
        backbone: an LM with an embedding of V x H.
        vectors: (N, d); token id V + n stands for vector n.
        projector: d -> H.
    """
    base = backbone.model.get_input_embeddings()
    embedding = VirtualEmbedding(base, vectors.to(backbone.device), projector.to(backbone.device))
    backbone.model.set_input_embeddings(embedding)
    return replace(backbone, tokenizer=VirtualTokenizer(backbone.tokenizer, base.num_embeddings))


def without_virtual_tokens(backbone: Backbone) -> VirtualEmbedding:
    """Give the model its own embedding back, as it must be saved; return the other."""
    embedding = backbone.model.get_input_embeddings()
    assert isinstance(embedding, VirtualEmbedding)
    backbone.model.set_input_embeddings(embedding.base)
    return embedding


def save_virtual_tokens(embedding: VirtualEmbedding, folder: Path) -> None:
    """Write vectors and projector beside a model."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {f"projector.{name}": value.detach().cpu() for name, value in embedding.projector.state_dict().items()}
    save_file({"vectors": embedding.vectors.cpu(), **weights}, folder / _FILE)


def load_virtual_tokens(folder: Path, projector: nn.Module) -> Tensor:
    """Fill ``projector`` with what was saved; return the vectors.

    Raises:
        ArtifactError: nothing usable was saved there.
    """
    path = folder / _FILE
    try:
        saved = load_file(path)
        vectors = saved.pop("vectors")
        projector.load_state_dict({name.removeprefix("projector."): value for name, value in saved.items()})
    except (*UNREADABLE, RuntimeError) as error:
        raise ArtifactError(f"{path}: no usable vectors ({error}); train this method again") from None
    return vectors
