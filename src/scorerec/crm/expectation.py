"""What to expect of a target by all that numbers tell (KNOWLEDGE): a logistic regression, boosted trees, and both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from scorerec.core import columns as names
from scorerec.core.errors import DataError
from scorerec.core.odds import log_odds
from scorerec.core.randomness import derived_seed
from scorerec.crm.calibration import platt_scaling
from scorerec.crm.config import BOTH, REGRESSION, TREES
from scorerec.crm.histories import fold_of

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int8]

_FOLDS = 5
_PRIOR, _SIMILAR_PRIOR = (
    5.0,
    2.0,
)  # raters of the average on top of an item's own; of all its raters on the similar ones
_INVERSE_PENALTY = 0.1
_SHAPE = {
    "max_iter": 200,
    "learning_rate": 0.04,
    "max_leaf_nodes": 10,
    "min_samples_leaf": 80,
    "l2_regularization": 10.0,
}


@dataclass(frozen=True)
class Average:
    """What is usual in the training rows: the share of likes, and the rating that others gave, where one is known."""

    liked: float
    rating: float


def average(knowledge: pa.Table, labels: Labels) -> Average:
    """Return what is usual, from KNOWLEDGE of the training rows and their labels, (N,)."""
    ratings, rated = (float(np.sum(knowledge[name].to_numpy())) for name in (names.RATING_SUM, names.N_RATED))
    return Average(float(labels.mean()), ratings / max(rated, 1.0))


def liked_share(knowledge: pa.Table, usual: Average) -> Floats:
    """Return the share of each target's raters who liked it, some of the average on top: its mean as known, (N,)."""
    liked, raters = (knowledge[name].to_numpy() for name in (names.N_LIKED, names.N_RATERS))
    return np.asarray((liked + _PRIOR * usual.liked) / (raters + _PRIOR), np.float64)


def features(knowledge: pa.Table, content: Floats, usual: Average, own_dislikes: bool) -> Floats:
    """Return what models read, (N, F): shares as log odds and how they differ, with the numbers behind them.

    Args:
        knowledge: KNOWLEDGE, N rows.
        content: values and numbers of the targets, (N, V + M).
        usual: of the training rows.
        own_dislikes: whether what the user did not like is known.
    """
    # Null: how alike nothing is.
    known = {
        name: pc.fill_null(knowledge[name], 0).to_numpy().astype(np.float64) for name in knowledge.column_names[1:]
    }
    raters, share = known[names.N_RATERS], liked_share(knowledge, usual)
    of_all, many = log_odds(share), np.log1p(raters)
    rating = (known[names.RATING_SUM] + _PRIOR * usual.rating) / (known[names.N_RATED] + _PRIOR)
    columns = [of_all, many, of_all * many, rating]
    groups = [(names.SIMILAR_FOR, names.SIMILAR_AGAINST), (names.OPPOSED_FOR, names.OPPOSED_AGAINST)]
    for group in groups + [(names.AGREEING_FOR, names.AGREEING_AGAINST)] * own_dislikes:
        pro, contra = (known[name] for name in group)
        of_group = (pro + _SIMILAR_PRIOR * share) / (pro + contra + _SIMILAR_PRIOR)
        differing, several = log_odds(of_group) - of_all, np.log1p(pro + contra)
        columns += [differing, several, differing * several]
    by_items, length = known[names.BY_ITEMS], np.log1p(known[names.N_LIKES])
    columns += [by_items, np.log1p(20 * np.maximum(by_items, 0)), length]
    columns += [known[name] for name in (names.ALIKE, names.ALIKE_LATELY, names.GAP)]
    if own_dislikes:
        columns += _of_dislikes(known, usual)
    return np.concatenate([np.stack(columns, axis=1), content], axis=1)


def _of_dislikes(known: dict[str, Floats], usual: Average) -> list[Floats]:
    likes, dislikes = known[names.N_LIKES], known[names.N_DISLIKES]
    share = (likes + _SIMILAR_PRIOR * usual.liked) / (likes + dislikes + _SIMILAR_PRIOR)
    alike, unlike = known[names.ALIKE_LIKES], known[names.ALIKE_DISLIKES]
    of_alike = (alike + _SIMILAR_PRIOR * share) / (alike + unlike + _SIMILAR_PRIOR)
    differing, several = log_odds(of_alike) - log_odds(share), np.log1p(alike + unlike)
    return [
        log_odds(share),
        known[names.LIKED_LATELY],
        known[names.LENIENCY],
        np.log1p(dislikes),
        log_odds(share) * np.log1p(likes + dislikes),
        differing,
        differing * several,
    ]


class Expectation:
    """Both models, fitted and calibrated.

    Args:
        known: features of the training rows, (N, F).
        labels: of these, both occur, (N,).
        held_out: features and labels of the validation rows, which calibrate.
        seed: of the trees.
    """

    def __init__(self, known: Floats, labels: Labels, held_out: tuple[Floats, Labels], seed: int):
        self._models = _fitted(known, labels, seed)
        logits = _logits(self._models, held_out[0])
        self._scaling = {name: platt_scaling(part, held_out[1].astype(np.float32)) for name, part in logits.items()}

    def p_yes(self, known: Floats) -> dict[str, Floats]:
        """Return the probability of each row by each model, and by both: the mean of their log odds, (N,)."""
        return self._calibrated(_logits(self._models, known))

    def of_others(self, known: Floats, labels: Labels, users: npt.NDArray[Any], seed: int) -> dict[str, Floats]:
        """Return the same of training rows, each by models that saw none of its user's rows, (N,).

        Args:
            known: features of the training rows, (N, F).
            labels: of these, (N,).
            users: whose they are, (N,).
            seed: of the trees.

        Raises:
            DataError: there are too few users for that.
        """
        numbers = np.array([fold_of(user, _FOLDS, "fold") for user in users.tolist()], np.int64)
        found = {name: np.zeros(len(known)) for name in self._scaling}
        if any(len(np.unique(labels[numbers != fold])) < 2 for fold in np.unique(numbers)):
            raise DataError(
                f"what to expect: wanted training rows of both labels from other users than each row's, got "
                f"{len(known)} rows of {len(set(users.tolist()))} users; show other forms of evidence"
            )
        for fold in np.unique(numbers):
            mine = numbers == fold
            models = _fitted(known[~mine], labels[~mine], seed)
            for name, part in _logits(models, known[mine]).items():
                found[name][mine] = part
        return self._calibrated(found)

    def _calibrated(self, logits: dict[str, Floats]) -> dict[str, Floats]:
        found = {}
        for name, part in logits.items():
            slope, offset = self._scaling[name]
            found[name] = 0.5 * (1 + np.tanh(0.5 * (slope * part + offset)))
        return found


def require_both_labels(labels: dict[str, Labels]) -> None:
    """Refuse splits of one label.

    Raises:
        DataError: the training rows, or the validation rows, are not of both labels.
    """
    for split, part in labels.items():
        if len(np.unique(part)) < 2:
            raise DataError(
                f"what to expect: wanted {split} rows of both labels, got {len(part)} rows with labels "
                f"{np.unique(part).tolist()}; change the split"
            )


def _fitted(known: Floats, labels: Labels, seed: int) -> tuple[Any, Any]:
    trees = HistGradientBoostingClassifier(
        **_SHAPE, max_features=0.3, early_stopping=False, random_state=derived_seed(seed, "expectation") % 2**32
    )
    line = make_pipeline(StandardScaler(), LogisticRegression(C=_INVERSE_PENALTY, max_iter=1000))
    return line.fit(known, labels), trees.fit(known, labels)


def _logits(models: tuple[Any, Any], known: Floats) -> dict[str, Floats]:
    line, trees = (
        np.asarray(model.decision_function(known), np.float64) if len(known) else np.zeros(0) for model in models
    )
    return {REGRESSION: line, TREES: trees, BOTH: (line + trees) / 2}
