"""The embedded static encoder: one vector per token, averaged over a text.

It reads thousands of texts a second on one processor core, and is tuned in seconds.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import safe_open
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import StaticEmbedding
from tokenizers import Tokenizer

SMOOTHING = 1e-4  # a of SIF; the best of 3e-5 .. 1e-3 on MovieLens-1M histories and titles
WORD_TABLE = "embeddings.word_embeddings.weight"


def static_encoder(folder: Path, device: str = "cpu") -> SentenceTransformer:
    """Return a static encoder that starts from the word embeddings of a BERT-like encoder.

    A token's vector is its word embedding, less the mean over the vocabulary, times ``a / (a + frequency)`` (SIF),
    which silences punctuation and function words. The frequency is Zipf's, from the token's place in the
    vocabulary, which WordPiece sorts by frequency behind its reserved tokens.

    Passing every token alone through the encoder instead (distillation) takes half a minute, and tuned it was no
    better on MovieLens-1M.

    Args:
        folder: of the encoder, with ``tokenizer.json`` and ``model.safetensors``.
        device: where it computes.
    """
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_truncation()
    with safe_open(folder / "model.safetensors", framework="np") as weights:
        table: npt.NDArray[np.float32] = weights.get_tensor(WORD_TABLE)
    n_reserved = count_reserved(tokenizer.get_vocab())
    table = table - table[n_reserved:].mean(axis=0)
    vectors = (table * sif_weights(len(table), n_reserved)[:, None]).astype(np.float32)
    return SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_weights=vectors)], device=device)


def count_reserved(vocabulary: dict[str, int]) -> int:
    """Return how many tokens come before the first word: [PAD], [unused0], [CLS], ...

    >>> count_reserved({"[PAD]": 0, "[CLS]": 1, "[unused7]": 2, "!": 3, "[": 4, "]": 5, "the": 6})
    3
    """
    return max((place for token, place in vocabulary.items() if _is_reserved(token)), default=-1) + 1


def sif_weights(n_tokens: int, n_reserved: int) -> npt.NDArray[np.float64]:
    """Return the weight of each token, (n_tokens,); 0 for the reserved ones at the front.

    >>> sif_weights(4, 1).round(5).tolist()
    [0.0, 0.00014, 0.00028, 0.00042]
    """
    place = np.arange(1, n_tokens - n_reserved + 1)
    frequency = 1.0 / (place * np.log(n_tokens - n_reserved + 1))
    return np.concatenate([np.zeros(n_reserved), SMOOTHING / (SMOOTHING + frequency)])


def _is_reserved(token: str) -> bool:
    return len(token) > 2 and token.startswith("[") and token.endswith("]")
