"""BinLLM: users and items as short binary codes, learnt from the labels and written into the prompt as text."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch
from torch import Tensor, nn
from torch.nn import functional

from scorerec.baselines.config import BinLLMConfig
from scorerec.core.errors import ConfigError
from scorerec.core.metrics import auc
from scorerec.core.progress import progress
from scorerec.core.randomness import derived_seed, generator
from scorerec.crm.histories import Catalogue, Prefixes, Rows, split_rows, training_catalogue, whole_histories
from scorerec.nn.selection import Best

Bits = npt.NDArray[np.bool_]


class BinaryCodes(nn.Module):
    """A vector per item; the mean of a history's vectors is the user's; each becomes bits by its own layer.

    z = tanh(W x + b), bits = sign(z) with the gradient of z; the score is the inner product of bits. Users are folded
    in from their history, so any query has a code.
    """

    def __init__(self, catalogue: Catalogue, config: BinLLMConfig):
        super().__init__()
        self.catalogue = catalogue
        self.item_embedding = nn.Embedding(len(catalogue) + 1, config.dimension, padding_idx=0)
        self.user_layer = nn.Linear(config.dimension, config.n_bits)
        self.item_layer = nn.Linear(config.dimension, config.n_bits)
        self.scale = nn.Parameter(torch.tensor(1.0 / config.n_bits**0.5))
        self.offset = nn.Parameter(torch.zeros(()))

    def users(self, prefixes: Prefixes) -> Tensor:
        """Return z of each prefix, (N, bits)."""
        compact = prefixes.compact()
        sums = self.item_embedding(torch.from_numpy(compact.items)).double().cumsum(0)
        sums = torch.cat([sums.new_zeros(1, sums.shape[1]), sums])
        first = compact.starts[compact.history]
        total = sums[torch.from_numpy(first + compact.length)] - sums[torch.from_numpy(first)]
        mean = total.float() / torch.from_numpy(np.maximum(compact.length, 1))[:, None]
        return torch.tanh(self.user_layer(mean.float()))

    def items(self, numbers: npt.NDArray[np.int64]) -> Tensor:
        """Return z of each item, (N, bits)."""
        return torch.tanh(self.item_layer(self.item_embedding(torch.from_numpy(numbers))))

    def logits(self, rows: Rows, hard_share: float = 1.0, rng: np.random.Generator | None = None) -> Tensor:
        """Return the scores of rows, (N,).

        Args:
            rows: N of them; their labels are not looked at.
            hard_share: share of the values of z that is read as bits, in [0, 1]; the others stay as they are.
            rng: draws which; None: all are read as bits.
        """
        user, item = self.users(rows.prefixes), self.items(rows.item)
        user, item = (_hardened(values, hard_share, rng) for values in (user, item))
        return self.scale * (user * item).sum(-1) + self.offset

    @torch.inference_mode()
    def user_codes(self, histories: list[list[str]]) -> Bits:
        """Return the code of each history of item ids, (N, bits)."""
        return (self.users(whole_histories(histories, self.catalogue)) > 0).numpy()

    @torch.inference_mode()
    def item_codes(self, item_ids: list[str]) -> Bits:
        """Return the code of each item, (N, bits); an unknown item has that of no item at all."""
        return (self.items(self.catalogue.numbers(item_ids)) > 0).numpy()


def learn_codes(interactions: pa.Table, config: BinLLMConfig, seed: int) -> tuple[BinaryCodes, dict[str, Any]]:
    """Learn codes on the training rows; the epoch with the best validation AUC, in bits, is kept.

    Args:
        interactions: INTERACTIONS.
        config: size and training.
        seed: decides first weights, order, and which values are read as bits.
    """
    catalogue = training_catalogue(interactions)
    train, valid = (split_rows(interactions, catalogue, split) for split in ("train", "valid"))
    rng = generator(seed, "binary codes")
    with torch.random.fork_rng():
        torch.manual_seed(derived_seed(seed, "binary codes"))
        model = BinaryCodes(catalogue, config)
    optimiser = torch.optim.AdamW(model.parameters(), config.learning_rate, weight_decay=config.weight_decay)
    best, curve = Best(model.state_dict(), config.patience), list[dict[str, float]]()
    for epoch in progress(range(1, config.epochs + 1), "learning binary codes", config.epochs, "epoch"):
        order, total = rng.permutation(len(train)), 0.0
        for start in range(0, len(train), config.batch_size):
            rows = train.take(order[start : start + config.batch_size])
            logits = model.logits(rows, min(1.0, config.hardening * (epoch - 1)), rng)
            optimiser.zero_grad()
            loss = functional.binary_cross_entropy_with_logits(logits, torch.from_numpy(rows.label))
            loss.backward()
            optimiser.step()
            total += float(loss.detach()) * len(rows)
        with torch.inference_mode():
            quality = auc(valid.label, model.logits(valid).numpy())
        curve.append({"epoch": epoch, "loss": total / len(train), "valid_auc": quality})
        best.offer(quality)
        if best.is_over:
            break
    best.restore()
    return model.eval(), {"valid_auc_of_codes": best.quality, "best_epoch": best.number, "curve": curve}


def write_code(bits: Bits, form: str) -> str:
    """Return one code as text.

    >>> write_code(np.array([1, 0, 1, 0, 1, 1, 0, 0] + [0] * 7 + [1], bool), "dot-decimal")
    '172.1'
    >>> write_code(np.array([1, 0, 1, 1, 0, 0, 0, 0], bool), "bits")
    '10110000'

    Raises:
        ConfigError: the form is not known.
    """
    if form == "bits":
        return "".join("1" if bit else "0" for bit in bits)
    if form != "dot-decimal":
        raise ConfigError(f"binllm.form: wanted bits or dot-decimal, got {form!r}")
    return ".".join(str(int(part)) for part in np.packbits(bits))


def _hardened(values: Tensor, share: float, rng: np.random.Generator | None) -> Tensor:
    """Return signs in place of a share of the values, with the gradient of the values."""
    signs = values + (torch.where(values > 0, 1.0, -1.0) - values).detach()
    if share >= 1 or rng is None:
        return signs
    is_hard = torch.from_numpy(rng.random(tuple(values.shape)) < share)
    return torch.where(is_hard, signs, values)
