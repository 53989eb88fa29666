"""Predictors that a reader should ask for before any network: neighbours, EASE, boosted trees, a regression on titles.

Each learns from the training rows, has its one setting chosen by AUC on the validation rows, and scores rows from
their user's own prefix. None is given a user's later rows, and none keeps a user as its own neighbour.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import scipy.sparse as sp
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from scorerec.core.columns import ITEM_ID
from scorerec.core.errors import DataError
from scorerec.core.metrics import auc
from scorerec.core.randomness import derived_seed
from scorerec.crm.calibration import platt_scaling
from scorerec.crm.ease import ease_weights
from scorerec.crm.histories import Catalogue, Rows, as_matrix, split_rows, whole_likes

Floats = npt.NDArray[np.float64]
Scorer = Callable[[Rows], Floats]

_ROWS_AT_ONCE = 1024
_MOST_ITEMS_OF_EASE = 30_000  # its matrix is items x items: 7 GB here
_NEIGHBOURS = (20, 50, 100, 200, 400)
_RIDGES = (30.0, 100.0, 300.0, 1000.0, 3000.0)
_TREES = (10, 25, 50, 100, 200)
_INVERSE_PENALTIES = (1e-4, 1e-3, 1e-2)
_PRIOR = 5.0  # rows of the average on top of a user's or an item's own


class Simple(NamedTuple):
    """What a predictor says of some rows, and which setting it was given.

    Attributes:
        p_yes: probabilities, calibrated on validation rows, (N,).
        facts: the setting chosen, and its validation AUC.
    """

    p_yes: Floats
    facts: dict[str, Any]


def fit_simple(
    interactions: pa.Table, item_vectors: Mapping[str, npt.NDArray[np.float32]], seed: int
) -> dict[str, dict[str, Simple]]:
    """Fit all four and score the validation and test rows.

    Args:
        interactions: INTERACTIONS.
        item_vectors: item_id -> vector of its title, of every item that has interactions.
        seed: of the trees.

    Returns:
        key -> split -> probabilities in order of row_id.

    Raises:
        DataError: there are too many items for EASE.
    """
    everything = Catalogue(sorted(set(interactions[ITEM_ID].to_pylist())))
    train, valid, test = (split_rows(interactions, everything, split) for split in ("train", "valid", "test"))
    behaviours = as_matrix(whole_likes(train), len(everything))
    titles = np.stack([item_vectors[item_id] for item_id in everything.item_ids]).astype(np.float64)
    vectors = np.concatenate([np.zeros((1, titles.shape[1])), titles])  # row 0: padding
    candidates: dict[str, Iterator[tuple[Any, Scorer]]] = {
        "user-knn": _user_knn(behaviours),
        "ease": _ease(behaviours),
        "boosted-trees": _boosted_trees(train, derived_seed(seed, "boosted trees") % 2**32),
        "title-regression": _title_regression(train, vectors),
    }
    return {name: _choose(scorers, {"valid": valid, "test": test}) for name, scorers in candidates.items()}


def _choose(scorers: Iterator[tuple[Any, Scorer]], rows: Mapping[str, Rows]) -> dict[str, Simple]:
    """Keep the setting with the best validation AUC, and calibrate it."""
    labels = rows["valid"].label
    tried = [(setting, scorer, scorer(rows["valid"])) for setting, scorer in scorers]
    quality = [auc(labels, scores) for _, _, scores in tried]
    setting, scorer, scores = tried[int(np.argmax(quality))]
    slope, offset = platt_scaling(scores, labels)
    facts = {"setting": setting, "valid_auc": max(quality)}
    found = {"valid": scores, **{split: scorer(part) for split, part in rows.items() if split != "valid"}}
    return {
        split: Simple(0.5 * (1 + np.tanh(0.5 * (slope * values + offset))), facts) for split, values in found.items()
    }


def _user_knn(behaviours: sp.csr_matrix) -> Iterator[tuple[int, Scorer]]:
    """Share of the most similar users (cosine) who like the item, weighted by similarity."""
    lengths = np.sqrt(np.maximum(np.asarray(behaviours.sum(1)).ravel(), 1))
    directions = sp.diags(1 / lengths) @ behaviours

    def score(rows: Rows, count: int) -> Floats:
        parts = []
        for part in _parts(rows):
            similar = (as_matrix(part.prefixes, behaviours.shape[1] - 1) @ directions.T).toarray()  # (n, users)
            similar[np.arange(len(part)), part.prefixes.history] = 0.0  # never oneself
            limit = np.partition(similar, -min(count, similar.shape[1]), axis=1)[:, -min(count, similar.shape[1])]
            weights = np.where(similar >= limit[:, None], similar, 0.0)
            likes = behaviours[:, part.item].toarray().T  # (n, users)
            parts.append((weights * likes).sum(1) / np.maximum(weights.sum(1), 1e-12))
        return np.concatenate([np.zeros(0), *parts])

    for count in _NEIGHBOURS:
        yield count, partial(score, count=count)


def _ease(behaviours: sp.csr_matrix) -> Iterator[tuple[float, Scorer]]:
    """What the items of the history add to each item, by EASE."""
    n_items = behaviours.shape[1]
    if n_items > _MOST_ITEMS_OF_EASE:
        raise DataError(f"EASE: wanted at most {_MOST_ITEMS_OF_EASE} items, got {n_items}; leave this row out")
    for ridge in _RIDGES:
        weights = ease_weights(behaviours, ridge)

        def score(rows: Rows, weights: Floats = weights) -> Floats:
            parts = []
            for part in _parts(rows):
                reached = as_matrix(part.prefixes, n_items - 1) @ weights  # (n, items)
                parts.append(reached[np.arange(len(part)), part.item])
            return np.concatenate([np.zeros(0), *parts])

        yield ridge, score


def _boosted_trees(train: Rows, seed: int) -> Iterator[tuple[int, Scorer]]:
    """How often item and user were rated and liked in training, the row itself left out, and the prefix length."""
    counts = _Counts(train)
    features = counts.features(train, own=1.0)
    for n_trees in _TREES:
        model = HistGradientBoostingClassifier(
            max_iter=n_trees, learning_rate=0.1, max_depth=4, early_stopping=False, random_state=seed
        ).fit(features, train.label)
        yield n_trees, partial(_log_odds, model, partial(counts.features, own=0.0))


class _Counts:
    """Positives and rows of each item and each user among the training rows."""

    def __init__(self, train: Rows):
        users, items = train.prefixes.history, train.item
        self.average = float(train.label.mean())
        self.by_item = np.stack([np.bincount(items, weights) for weights in (train.label, np.ones(len(train)))])
        self.by_user = np.stack([np.bincount(users, weights) for weights in (train.label, np.ones(len(train)))])

    def features(self, rows: Rows, own: float) -> Floats:
        """Return (N, 7); ``own`` = 1 takes each row out of its own counts."""
        columns = []
        for table, keys in ((self.by_item, rows.item), (self.by_user, rows.prefixes.history)):
            known = keys < table.shape[1]
            positives, total = (np.where(known, column[np.where(known, keys, 0)], 0.0) for column in table)
            positives, total = positives - own * rows.label, total - own
            columns += [positives, total, (positives + _PRIOR * self.average) / (total + _PRIOR)]
        return np.stack([*columns, rows.prefixes.length.astype(np.float64)], axis=1)


def _title_regression(train: Rows, vectors: Floats) -> Iterator[tuple[float, Scorer]]:
    """Logistic regression on the item's title vector, and on its product with the mean of the history's."""

    def features(rows: Rows) -> Floats:
        history = as_matrix(rows.prefixes, len(vectors) - 1) @ vectors
        mean = history / np.maximum(rows.prefixes.length, 1)[:, None]
        return np.concatenate([vectors[rows.item], vectors[rows.item] * mean], axis=1)

    known = features(train)
    for penalty in _INVERSE_PENALTIES:
        model = make_pipeline(StandardScaler(), LogisticRegression(C=penalty, max_iter=500)).fit(known, train.label)
        yield penalty, partial(_log_odds, model, features)


def _log_odds(model: Any, features: Scorer, rows: Rows) -> Floats:
    if not len(rows):
        return np.zeros(0)
    return np.asarray(model.decision_function(features(rows)), np.float64)


def _parts(rows: Rows) -> Iterator[Rows]:
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        yield rows.take(np.arange(start, min(start + _ROWS_AT_ONCE, len(rows))))
