"""One training loop for every conventional recommender: the best epoch is the best at what the model is for.

What finds similar users (Eq. 4), and what baselines read vectors of, is selected by the rank of held-out likes among
the whole catalogue. Labelled AUC selects an item mean: on such rows hardly anything can be said beyond it, and a model
that was regularised until all users are one says it best.
"""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch

from scorerec.core.artifacts import SECONDS_BEFORE
from scorerec.core.errors import DataError, ModelError
from scorerec.core.metrics import auc, uauc
from scorerec.core.progress import progress
from scorerec.core.randomness import derived_seed, generator
from scorerec.core.ranking import ranking_metrics
from scorerec.crm.base import ConventionalRecommender
from scorerec.crm.calibration import platt_scaling
from scorerec.crm.collapse import spread_of, warnings_about
from scorerec.crm.config import CRMConfig
from scorerec.crm.histories import Rows, split_rows, training_catalogue, whole_likes
from scorerec.crm.ranking import held_out_ranks, rankable
from scorerec.crm.registry import model_class
from scorerec.nn.checkpoints import Checkpoint, TrainingTensors
from scorerec.nn.selection import Best

_log = logging.getLogger(__name__)
_MEASURES = {"ranking": "valid_ndcg@20", "auc": "valid_auc"}


def fit_crm(
    interactions: pa.Table,
    config: CRMConfig,
    seed: int,
    device: str | torch.device = "cpu",
    checkpoint: Path | None = None,
) -> tuple[ConventionalRecommender, dict[str, Any]]:
    """Train a model on the rows of split "train" and keep its best epoch by what ``config.selection`` says.

    Args:
        interactions: INTERACTIONS. The rows of split "test" are not looked at.
        config: which model, and how.
        seed: decides initial weights, dropout and order.
        device: where it computes.
        checkpoint: a folder in which the state is kept after some epochs; what the same training left there is
            gone on from. It is removed at the end.

    Returns:
        The model, in evaluation mode, and facts: counts, epochs, best_epoch, valid_auc, valid_uauc (mean over
        users with both labels; None where there is none), valid_ranking: Recall and NDCG of held-out likes among the
        whole catalogue, spread: whether it tells users apart, warnings where it does not, and curve: loss, validation
        AUC and NDCG@20 of each epoch (the latter only where it selects).

    Raises:
        DataError: there are no training rows, the validation rows are not of both labels, or none of them can be
            ranked where that selects.
        ModelError: a loss or a score is not a number.
    """
    catalogue = training_catalogue(interactions)
    train, valid = (split_rows(interactions, catalogue, split) for split in ("train", "valid"))
    if not len(train) or len(np.unique(valid.label)) < 2:
        raise DataError(
            f"CRM: wanted training rows, and validation rows of both labels, got {len(train)} rows, and "
            f"{len(valid)} validation rows with labels {np.unique(valid.label).tolist()}; change the split"
        )
    ranked = _ranked_rows(valid, len(catalogue), config, seed)
    with _own_randomness(derived_seed(seed, "crm", config.model), torch.device(device)):
        model = model_class(config.model)(catalogue, config.settings).to(device)
        model.prepare(train)
        training = _Training(model, config, generator(seed, "crm", config.model, "order"))
        kept = None if checkpoint is None else Checkpoint(checkpoint, _identity(interactions, config, seed))
        training.run(train, valid, ranked, kept)
    n_parameters = sum(weights.numel() for weights in model.parameters())
    model.finish()
    model.calibration.copy_(torch.tensor(platt_scaling(training.logits, valid.label)))
    if kept is not None:
        kept.remove()
    best = training.curve[training.best.number - 1]
    model.eval()
    spread = spread_of(model, whole_likes(train))
    warnings = warnings_about(model.kind.label, spread)
    for warning in warnings:
        _log.warning(warning)
    facts = {
        "model": config.model,
        "recipe": config.recipe,
        "n_items": len(catalogue),
        "n_train_rows": len(train),
        "n_parameters": n_parameters,
        "epochs": len(training.curve),
        "best_epoch": best["epoch"],
        "valid_auc": best["valid_auc"],
        "valid_uauc": uauc(valid.prefixes.history, valid.label, training.logits).value,
        "valid_ranking": None if ranked is None else _ranking(model, ranked),
        "spread": spread._asdict(),
        "warnings": warnings,
        "curve": training.curve,
        SECONDS_BEFORE: 0.0 if kept is None else round(kept.seconds_before, 1),
    }
    return model, facts


def _identity(interactions: pa.Table, config: CRMConfig, seed: int) -> dict[str, Any]:
    """Return what decides a training, for its checkpoint."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, interactions.schema) as stream:
        stream.write_table(interactions)
    rows = hashlib.sha256(sink.getvalue()).hexdigest()
    return {"rows": rows, "config": config.model_dump(mode="json"), "seed": seed}


class _Training:
    """The epochs of one model, and the best of them.

    Args:
        model: is trained in place.
        config: how.
        rng: decides the order of the rows.

    Attributes:
        curve: loss, validation AUC and, where it selects, NDCG@20 of each epoch.
        best: keeps the weights of the best epoch.
        logits: its validation logits.
    """

    def __init__(self, model: ConventionalRecommender, config: CRMConfig, rng: np.random.Generator):
        self.curve: list[dict[str, float]] = []
        self.best = Best(model.state_dict(), config.patience)
        self.logits = np.zeros(0)
        self._model, self._config, self._rng = model, config, rng
        self._adam = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
        self._tensors = TrainingTensors(model.state_dict(), self._adam, model.device)

    def run(self, train: Rows, valid: Rows, ranked: Rows | None, checkpoint: Checkpoint | None) -> None:
        """Train until the measure has stopped rising, and leave the best weights in the model.

        Args:
            train: training rows.
            valid: all validation rows.
            ranked: those that are ranked; looked at where that selects.
            checkpoint: see ``fit_crm``.
        """
        if checkpoint is not None:
            self._resume(checkpoint)
        left = range(len(self.curve) + 1, self._config.epochs + 1)
        for epoch in progress(left, f"training {self._model.kind.label}", len(left), "epoch"):
            loss = _one_epoch(self._model, train, self._config.batch_size, self._adam, self._rng)
            logits = _valid_logits(self._model, valid)
            entry = {"epoch": epoch, "loss": loss, "valid_auc": auc(valid.label, logits)}
            if self._config.selection == "ranking" and ranked is not None:
                entry[_MEASURES["ranking"]] = _ranking(self._model, ranked)["ndcg@20"]
            self.curve.append(entry)
            if self.best.offer(entry[_MEASURES[self._config.selection]]):
                self.logits = logits
            elif self.best.is_over:
                break
            if checkpoint is not None and checkpoint.is_due and epoch < self._config.epochs:
                self._keep(checkpoint)
        self.best.restore()

    def _keep(self, checkpoint: Checkpoint) -> None:
        kept, best = self.best.read()
        tensors = {**self._tensors.read(), **kept, "logits": torch.from_numpy(self.logits)}
        checkpoint.save(tensors, {"curve": self.curve, "best": best, "order": self._rng.bit_generator.state})

    def _resume(self, checkpoint: Checkpoint) -> None:
        state = checkpoint.load()
        if state is None:
            return
        tensors, facts = state
        self._tensors.restore(tensors)
        self._rng.bit_generator.state = facts["order"]
        self.curve, self.logits = facts["curve"], tensors["logits"].numpy()
        self.best.resume(tensors, facts["best"])


def _one_epoch(
    model: ConventionalRecommender,
    train: Rows,
    batch_size: int,
    optimiser: torch.optim.Optimizer,
    rng: np.random.Generator,
) -> float:
    """Take one step per batch; return the mean loss over steps."""
    model.train()
    losses = []
    for batch in model.batches(train, batch_size, rng):
        optimiser.zero_grad()
        loss = model.loss(batch)
        loss.backward()
        optimiser.step()
        losses.append(loss.detach())
    mean = float(torch.stack(losses).mean())
    if not math.isfinite(mean):
        rate = optimiser.param_groups[0]["lr"]
        raise ModelError(f"{model.kind.label}: the training loss became {mean}; lower crm.learning_rate ({rate})")
    return mean


def _ranked_rows(valid: Rows, n_items: int, config: CRMConfig, seed: int) -> Rows | None:
    """Return the validation likes that are ranked; None where none can be, and nothing is selected by them."""
    try:
        rows = rankable(valid, n_items)
    except DataError:
        if config.selection == "ranking":
            raise
        return None
    chosen = generator(seed, "crm", "ranked rows").permutation(len(rows))[: config.max_ranked_rows]
    return rows.take(np.sort(chosen))


def _ranking(model: ConventionalRecommender, rows: Rows) -> dict[str, float]:
    model.eval()
    return ranking_metrics(held_out_ranks(model.rank, rows, len(model.catalogue)))


@torch.inference_mode()
def _valid_logits(model: ConventionalRecommender, valid: Rows) -> npt.NDArray[np.float64]:
    model.eval()
    logits = model.logits(valid).double().cpu().numpy()
    if not np.isfinite(logits).all():
        raise ModelError(f"{model.kind.label}: a validation score is not a number; lower crm.learning_rate")
    return np.asarray(logits, np.float64)


@contextmanager
def _own_randomness(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch's global generators, which dropout draws from, and put them back afterwards."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield
