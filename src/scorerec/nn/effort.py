"""What reading and tuning transformers will take in memory and time, before any weight is loaded."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import silu
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, PreTrainedConfig

from scorerec.core.errors import ModelError

_EFFICIENCY = 0.5  # of a block alone: what is left when short batches, adapters and rotations are paid
_TRIAL_SECONDS, _TRIALS = 0.1, 5  # at least; others may have the processor meanwhile
_MOST_TRIAL_TOKENS = {"cpu": 256, "cuda": 8192}
_HEAD = 64  # values of an attention head, as most models have them


@dataclass(frozen=True)
class Shape:
    """The size of a transformer.

    Attributes:
        parameters: of the whole model.
        weights_per_token: of those, the ones that every token is multiplied with: no embeddings, no output layer.
        layers: transformer blocks.
        width: hidden values per token.
        inner_width: width inside the feed-forward layers.
        vocabulary: tokens.
    """

    parameters: int
    weights_per_token: int
    layers: int
    width: int
    inner_width: int
    vocabulary: int


def model_shape(name: str | Path, *, is_causal: bool) -> Shape:
    """Return the size of a model on disk or in a hub; its configuration alone is read.

    Raises:
        ModelError: there is no such model.
    """
    try:
        return shape_of(AutoConfig.from_pretrained(name), is_causal=is_causal)
    except (OSError, ValueError, KeyError, ImportError) as error:
        reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise ModelError(
            f"{str(name)!r}: its size cannot be told ({reason}). Give a local folder, or a Hugging Face id that this "
            "machine can reach"
        ) from error


def shape_of(config: PreTrainedConfig, *, is_causal: bool) -> Shape:
    """Return the size of the model that a configuration describes; its weights are never there."""
    with torch.device("meta"):
        model = (AutoModelForCausalLM if is_causal else AutoModel).from_config(config)
    embeddings = model.get_input_embeddings().weight
    body = sum(weight.numel() for weight in model.base_model.parameters())
    return Shape(
        parameters=model.num_parameters(),
        weights_per_token=body - embeddings.numel(),
        layers=config.num_hidden_layers,
        width=config.hidden_size,
        inner_width=getattr(config, "intermediate_size", None) or 4 * config.hidden_size,  # GPT-2, OPT, ...
        vocabulary=embeddings.shape[0],
    )


@dataclass(frozen=True)
class Work:
    """Rows that a model reads, and rows that it learns from.

    Attributes:
        shape: of the model.
        tokens: of a row.
        rows_read: rows that are read without learning, repetitions counted.
        rows_trained: rows that are learnt from, repetitions counted.
        batch: rows at once.
        trained: parameters that are learnt.
        value_bytes: of a weight and of an activation.
        is_checkpointed: whether activations are computed twice, to save memory.
        logits_per_row: positions whose logits are computed.
        is_bound: whether less will be computed: rows that begin alike are computed as if they did not.
        learning_share: of the layers, from the top: those below learn nothing, and no gradient goes through them.
    """

    shape: Shape
    tokens: float
    rows_read: float
    rows_trained: float
    batch: int
    trained: int
    value_bytes: int = 4
    is_checkpointed: bool = False
    logits_per_row: float = 1.0
    is_bound: bool = False
    learning_share: float = 1.0

    @property
    def flops(self) -> float:
        """Multiplications and additions.

        Reading takes 2 per weight and token. Learning takes as many for the gradient of the activations, down to the
        lowest layer that learns, and for that of the weights where they are learnt.
        """
        passes = 1.0 + self.learning_share * (1 + self.is_checkpointed) + self.trained / self.shape.parameters
        return self._forward_flops * (self.rows_read + self.rows_trained * passes)

    @property
    def _forward_flops(self) -> float:
        shape = self.shape
        attention = 4.0 * self.tokens * shape.width * shape.layers
        logits = 2.0 * shape.width * shape.vocabulary * self.logits_per_row
        return self.tokens * (2.0 * shape.weights_per_token + attention) + logits

    @property
    def bytes(self) -> float:
        """Peak memory beside the program itself: weights, gradients and AdamW's two moments, activations, logits."""
        shape, tokens = self.shape, self.batch * self.tokens
        block = tokens * (8.0 * shape.width + 4.0 * shape.inner_width) * self.value_bytes
        learning = shape.layers * self.learning_share
        if not self.rows_trained:
            activations = block
        elif self.is_checkpointed:
            activations = block + tokens * shape.width * learning * self.value_bytes
        else:
            activations = block * max(1.0, learning)
        logits = 3.0 * self.batch * self.logits_per_row * shape.vocabulary * 4
        return shape.parameters * self.value_bytes + self.trained * 12.0 + activations + logits

    def seconds(self, device: torch.device) -> float:
        """Return the time it takes on a device whose speed is tried out now, at the model's own shape."""
        n_tokens = max(1, min(int(self.batch * self.tokens), _MOST_TRIAL_TOKENS.get(device.type, 256)))
        dtype = torch.bfloat16 if self.value_bytes == 2 else torch.float32
        rate = block_rate(n_tokens, (self.shape.width, self.shape.inner_width), dtype, device)
        return self.flops / (_EFFICIENCY * rate)


def block_rate(n_tokens: int, widths: tuple[int, int], dtype: torch.dtype, device: torch.device) -> float:
    """Return the operations per second of a transformer block, tried out now.

    Where a processor multiplies fast, norms, attention and activations take most of a block's time: its matrix products
    alone promise several times as much.

    Args:
        n_tokens: of the one sequence that is read.
        widths: of a token's values, and of those inside the feed-forward layers.
        dtype: of the values.
        device: that computes.
    """
    width, inner_width = widths
    heads = max(1, width // _HEAD) if width % _HEAD == 0 else 1
    with torch.device("meta"):
        block = nn.TransformerEncoderLayer(width, heads, inner_width, 0.0, silu, batch_first=True, norm_first=True)
    block = block.to(dtype).to_empty(device=device)  # in training mode: no shortcut that decoders do not have
    with torch.no_grad():
        for weight in block.parameters():
            weight.fill_(1 / width)
        tokens = torch.ones(1, n_tokens, width, dtype=dtype, device=device)
        seconds = _fastest(lambda: block(tokens))
    products = 2.0 * n_tokens * (4 * width**2 + 2 * width * inner_width)
    return (products + 4.0 * n_tokens**2 * width) / seconds


def matrix_rate(n_tokens: int, widths: tuple[int, int], dtype: torch.dtype, device: torch.device) -> float:
    """Return the operations per second of one matrix product as feed-forward layers compute it, tried out now.

    Args:
        n_tokens: rows of the left matrix.
        widths: of a token's values before and after.
        dtype: of the values.
        device: that computes.
    """
    width, inner_width = widths
    with torch.inference_mode():
        rows = torch.ones(n_tokens, width, dtype=dtype, device=device)
        weights = torch.ones(width, inner_width, dtype=dtype, device=device)
        return 2.0 * n_tokens * width * inner_width / _fastest(lambda: rows @ weights)


def _fastest(act: Callable[[], Tensor]) -> float:
    """Return the fewest seconds that something takes; the first time, which is slow, does not count."""
    float(act().flatten()[0])  # waits for the device
    fastest, begin, count = math.inf, time.perf_counter(), 0
    while (start := time.perf_counter()) - begin < _TRIAL_SECONDS or count < _TRIALS:
        float(act().flatten()[0])
        fastest, count = min(fastest, time.perf_counter() - start), count + 1
    return fastest
