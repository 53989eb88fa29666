"""One training loop for every conventional recommender: early stop on validation AUC, best weights kept."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch
from pydantic import Field, SerializeAsAny, model_validator
from sklearn.metrics import roc_auc_score

from scorerec.core.config import Config, validate
from scorerec.core.errors import ConfigError, DataError, ModelError
from scorerec.core.progress import progress
from scorerec.core.randomness import derived_seed, generator
from scorerec.crm.base import ConventionalRecommender, ModelSettings
from scorerec.crm.calibration import platt_scaling
from scorerec.crm.histories import Rows, split_rows, training_catalogue
from scorerec.crm.registry import model_class


class CRMConfig(Config):
    """Which conventional recommender, and how it is trained.

    A recipe is a set of defaults that the model brings: what is not given here is filled in from it.

    >>> CRMConfig(recipe="library").settings.objective
    'cross-entropy'
    >>> CRMConfig.model_validate({"settings": {"dropout": 0.3}}).settings.dropout
    0.3
    """

    model: str = Field("sasrec", description="a name in crm.registry.MODELS")
    recipe: str = Field("bce", description="bce: the labels of all rows; library: as the paper's library has it")
    epochs: int = Field(100, ge=1, description="most passes over the training rows")
    patience: int = Field(10, ge=1, description="epochs without a better validation AUC before it stops")
    batch_size: int = Field(1024, ge=1, description="rows per step; tokens for models that read sequences")
    learning_rate: float = Field(1e-3, gt=0, description="of AdamW, constant")
    weight_decay: float = Field(0.0, ge=0, description="of AdamW")
    settings: SerializeAsAny[ModelSettings] = Field(
        ModelSettings(), description="what this model alone has; see its file"
    )

    @property
    def label(self) -> str:
        """What reports call the model."""
        return model_class(self.model).label

    @model_validator(mode="before")
    @classmethod
    def _follow_recipe(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        model = model_class(str(given.get("model", cls.model_fields["model"].default)))
        recipe = str(given.get("recipe", cls.model_fields["recipe"].default))
        if recipe not in model.recipes:
            raise ConfigError(
                f"crm.recipe: {model.name} has {', '.join(sorted(model.recipes))}, and no recipe {recipe!r}"
            )
        defaults = model.recipes[recipe]
        settings = given.get("settings", {})
        if isinstance(settings, ModelSettings):
            settings = settings.model_dump()
        if not isinstance(settings, Mapping):
            raise ConfigError(f"crm.settings: wanted a table of settings, got {settings!r}")
        merged = {**defaults.get("settings", {}), **settings}
        return {**defaults, **given, "settings": validate(model.settings_type, merged, "crm.settings")}


def fit_crm(
    interactions: pa.Table, config: CRMConfig, seed: int, device: str | torch.device = "cpu"
) -> tuple[ConventionalRecommender, dict[str, Any]]:
    """Train a model on the rows of split "train" and keep its best epoch by AUC on the rows of split "valid".

    Args:
        interactions: INTERACTIONS. The rows of split "test" are not looked at.
        config: which model, and how.
        seed: decides initial weights, dropout and order.
        device: where it computes.

    Returns:
        The model, in evaluation mode, and facts: counts, epochs, best_epoch, valid_auc, valid_uauc (mean over
        users with both labels; None where there is none), and curve: loss and validation AUC of each epoch.

    Raises:
        DataError: there are no training rows, or the validation rows are not of both labels.
        ModelError: a loss or a score is not a number.
    """
    catalogue = training_catalogue(interactions)
    train, valid = (split_rows(interactions, catalogue, split) for split in ("train", "valid"))
    if not len(train) or len(np.unique(valid.label)) < 2:
        raise DataError(
            f"CRM: wanted training rows, and validation rows of both labels, got {len(train)} rows, and "
            f"{len(valid)} validation rows with labels {np.unique(valid.label).tolist()}; change the split"
        )
    with _own_randomness(derived_seed(seed, "crm", config.model), torch.device(device)):
        model = model_class(config.model)(catalogue, config.settings).to(device)
        model.prepare(train)
        curve, logits = _train(model, train, valid, config, generator(seed, "crm", config.model, "order"))
    n_parameters = sum(weights.numel() for weights in model.parameters())
    model.finish()
    model.calibration.copy_(torch.tensor(platt_scaling(logits, valid.label)))
    best = max(curve, key=lambda epoch: epoch["valid_auc"])
    facts = {
        "model": config.model,
        "recipe": config.recipe,
        "n_items": len(catalogue),
        "n_train_rows": len(train),
        "n_parameters": n_parameters,
        "epochs": len(curve),
        "best_epoch": best["epoch"],
        "valid_auc": best["valid_auc"],
        "valid_uauc": _user_auc(valid.prefixes.history, valid.label, logits),
        "curve": curve,
    }
    return model.eval(), facts


def _train(
    model: ConventionalRecommender, train: Rows, valid: Rows, config: CRMConfig, rng: np.random.Generator
) -> tuple[list[dict[str, float]], npt.NDArray[np.float64]]:
    """Train until validation AUC has stopped rising, and leave the best weights in ``model``.

    Returns:
        The curve, and the validation logits of the best epoch.
    """
    optimiser = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    curve: list[dict[str, float]] = []
    best_auc, best_epoch = -math.inf, 0
    best_weights, best_logits = {}, np.zeros(0)
    for epoch in progress(range(1, config.epochs + 1), f"training {model.label}", config.epochs, "epoch"):
        loss = _one_epoch(model, train, config.batch_size, optimiser, rng)
        logits = _valid_logits(model, valid)
        auc = float(roc_auc_score(valid.label, logits))
        curve.append({"epoch": epoch, "loss": loss, "valid_auc": auc})
        if auc > best_auc:
            best_auc, best_epoch, best_logits = auc, epoch, logits
            best_weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        elif epoch - best_epoch >= config.patience:
            break
    model.load_state_dict(best_weights)
    return curve, best_logits


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
        raise ModelError(f"{model.label}: the training loss became {mean}; lower crm.learning_rate ({rate})")
    return mean


@torch.inference_mode()
def _valid_logits(model: ConventionalRecommender, valid: Rows) -> npt.NDArray[np.float64]:
    model.eval()
    logits = model.logits(valid).double().cpu().numpy()
    if not np.isfinite(logits).all():
        raise ModelError(f"{model.label}: a validation score is not a number; lower crm.learning_rate")
    return np.asarray(logits, np.float64)


def _user_auc(
    users: npt.NDArray[np.int64], labels: npt.NDArray[np.float32], scores: npt.NDArray[np.float64]
) -> float | None:
    """Return the unweighted mean of AUC over users with rows of both labels."""
    rows = [np.flatnonzero(users == user) for user in np.unique(users)]
    each = [roc_auc_score(labels[row], scores[row]) for row in rows if len(np.unique(labels[row])) == 2]
    return float(np.mean(each)) if each else None


@contextmanager
def _own_randomness(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch's global generators, which dropout draws from, and put them back afterwards."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield
