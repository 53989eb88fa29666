"""What any model must be compared with: how liked the item is, and how much its user likes."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field

from scorerec.core.columns import ITEM_ID, LABEL, SPLIT, USER_ID
from scorerec.core.config import Config
from scorerec.core.errors import DataError
from scorerec.core.metrics import auc
from scorerec.core.odds import log_odds
from scorerec.core.tables import INTERACTIONS

Floats = npt.NDArray[np.float64]


class ReferenceConfig(Config):
    """Among which prior weights the best on validation is looked for."""

    prior_weights: tuple[float, ...] = Field(
        (1.0, 2.0, 5.0, 10.0, 20.0, 50.0),
        min_length=1,
        description="rows of the average probability that every item (user) is given on top of its own",
    )


@dataclass(frozen=True)
class Means:
    """Smoothed shares of positives: (positives + weight * average) / (rows + weight).

    Attributes:
        positives: per key.
        rows: per key.
        average: share of positives among all rows, what an unknown key has.
        weight: rows of the average that each key is given.

    >>> Means({"a": 3}, {"a": 3}, 0.5, 3.0).of(["a", "unknown"]).tolist()
    [0.75, 0.5]
    """

    positives: Mapping[str, int]
    rows: Mapping[str, int]
    average: float
    weight: float

    def of(self, keys: Sequence[str]) -> Floats:
        """Return the mean of each key, (N,)."""
        positives = np.array([self.positives.get(key, 0) for key in keys], np.float64)
        rows = np.array([self.rows.get(key, 0) for key in keys], np.float64)
        return np.asarray((positives + self.weight * self.average) / (rows + self.weight))


@dataclass(frozen=True)
class ItemMean:
    """How liked the item is, whoever asks."""

    items: Means

    @property
    def prior_weights(self) -> dict[str, float]:
        """The weight of the average in each mean."""
        return {"item": self.items.weight}

    def predict(self, user_ids: Sequence[str], item_ids: Sequence[str]) -> Floats:  # noqa: ARG002
        """Return the probability of each row, (N,) float64."""
        return self.items.of(item_ids)


@dataclass(frozen=True)
class ItemUserMean:
    """How liked the item is and how much the user likes: logit(item) + logit(user) - logit(average)."""

    items: Means
    users: Means

    @property
    def prior_weights(self) -> dict[str, float]:
        """The weight of the average in each mean."""
        return {"item": self.items.weight, "user": self.users.weight}

    def predict(self, user_ids: Sequence[str], item_ids: Sequence[str]) -> Floats:
        """Return the probability of each row, (N,) float64."""
        both = log_odds(self.items.of(item_ids)) + log_odds(self.users.of(user_ids))
        return np.asarray(0.5 * (1 + np.tanh(0.5 * (both - log_odds(self.items.average)))))


def fit_references(
    interactions: pa.Table, config: ReferenceConfig | None = None
) -> tuple[dict[str, ItemMean | ItemUserMean], dict[str, Any]]:
    """Count the training rows; choose prior weights by AUC on the validation rows.

    Args:
        interactions: INTERACTIONS. The rows of split "test" are not looked at.
        config: None: the default grid.

    Returns:
        "item-mean" and "item+user-mean" -> predictor, and facts: the weights chosen and their validation AUC.

    Raises:
        DataError: the training rows, or the validation rows, are not of both labels.
    """
    grid = (config or ReferenceConfig()).prior_weights
    table = INTERACTIONS.check(interactions)
    train, valid = (_columns(table, split) for split in ("train", "valid"))
    average = float(train.label.mean())
    item_means = [_means(train.item, train.label, average, weight) for weight in grid]
    user_means = [_means(train.user, train.label, average, weight) for weight in grid]
    candidates: dict[str, list[ItemMean | ItemUserMean]] = {
        "item-mean": [ItemMean(means) for means in item_means],
        "item+user-mean": list(itertools.starmap(ItemUserMean, itertools.product(item_means, user_means))),
    }
    predictors: dict[str, ItemMean | ItemUserMean] = {}
    facts: dict[str, Any] = {}
    for name, group in candidates.items():
        quality = [auc(valid.label, one.predict(valid.user, valid.item)) for one in group]
        best = int(np.argmax(quality))
        predictors[name] = group[best]
        facts[name] = {"prior_weights": group[best].prior_weights, "valid_auc": quality[best]}
    return predictors, facts


@dataclass(frozen=True)
class _Columns:
    user: list[str]
    item: list[str]
    label: npt.NDArray[np.int8]


def _columns(table: pa.Table, split: str) -> _Columns:
    rows = table.filter(np.array(table[SPLIT].to_pylist(), dtype=object) == split)
    label = rows[LABEL].to_numpy()
    if len(np.unique(label)) < 2:
        raise DataError(
            f"references: wanted {split} rows of both labels, got {rows.num_rows} rows with labels "
            f"{np.unique(label).tolist()}; change the split"
        )
    return _Columns(rows[USER_ID].to_pylist(), rows[ITEM_ID].to_pylist(), label)


def _means(keys: Sequence[str], labels: npt.NDArray[np.int8], average: float, weight: float) -> Means:
    names, place = np.unique(np.array(keys, dtype=object), return_inverse=True)
    positives = np.bincount(place, weights=labels, minlength=len(names)).astype(np.int64)
    rows = np.bincount(place, minlength=len(names))
    return Means(
        dict(zip(names, positives.tolist(), strict=True)),
        dict(zip(names, rows.tolist(), strict=True)),
        average,
        weight,
    )
