"""What tests of several rooms share: a tiny text encoder that needs no download."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import StaticEmbedding
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from scorerec.core.randomness import generator

_UNKNOWN = "[UNK]"
# Tests run side by side: a second thread would wait for a core that is taken, and everything with it.
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def word_encoder() -> Callable[..., SentenceTransformer]:
    """Return a maker of static encoders with a random vector for each word of the texts given to it.

    Punctuation and words that stand in none of the texts count for nothing, so the cosine of two lists of titles
    grows with the words that they share.
    """

    def make(texts: Iterable[str], dimension: int = 64) -> SentenceTransformer:
        words = sorted({word for text in texts for word in re.findall(r"\w+", text)})
        tokenizer = Tokenizer(WordLevel({word: row for row, word in enumerate([_UNKNOWN, *words])}, unk_token=_UNKNOWN))
        tokenizer.pre_tokenizer = Whitespace()
        weights = generator(0, "word encoder").normal(size=(1 + len(words), dimension)).astype(np.float32)
        weights[0] = 0.0
        return SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_weights=weights)], device="cpu")

    return make
