"""Does a recommender tell users apart? How far its states spread, and how much of its scores is user x item."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from scorerec.crm.base import ConventionalRecommender
from scorerec.crm.histories import Prefixes

COLLAPSED = 0.01  # share of score variance that is user x item: below it the scores are an item mean
_MOST_USERS, _MOST_ITEMS = 500, 2000  # of the grid that variance is measured on


class Spread(NamedTuple):
    """How different users are to a recommender.

    Attributes:
        mean_cosine: of the states of two users; 1: all users are one.
        effective_rank: exp of the entropy of the squared singular values of the states, each of length 1; 1: all users
            lie on one line.
        interaction_share: of the variance of the scores over a grid of users and items, what neither the mean of the
            item nor the mean of the user explains.
    """

    mean_cosine: float
    effective_rank: float
    interaction_share: float


def spread_of(model: ConventionalRecommender, users: Prefixes) -> Spread:
    """Measure a model on some users.

    Args:
        model: trained.
        users: what each of them liked; those who liked nothing are left out.
    """
    known = users.take(users.length > 0)
    known = known.take(np.linspace(0, len(known) - 1, min(len(known), _MOST_USERS)).astype(np.int64))
    scores = model.rank(known)
    items = np.linspace(0, scores.shape[1] - 1, min(scores.shape[1], _MOST_ITEMS)).astype(np.int64)
    return Spread(*state_spread(model.states(known)), interaction_share(scores[:, items].astype(np.float64)))


def state_spread(states: npt.NDArray[np.floating]) -> tuple[float, float]:
    """Return mean cosine and effective rank of states, (N, d).

    >>> [round(value, 3) for value in state_spread(np.eye(4))]
    [0.0, 4.0]
    """
    lengths = np.linalg.norm(states, axis=1, keepdims=True)
    unit = np.divide(states, lengths, out=np.zeros_like(states), where=lengths > 0).astype(np.float64)
    count = len(unit)
    total = unit.sum(0)
    cosine = (total @ total - (unit * unit).sum()) / (count * (count - 1)) if count > 1 else 1.0
    energy = np.linalg.svd(unit, compute_uv=False) ** 2
    shares = energy[energy > 0] / max(energy.sum(), 1e-300)
    return float(cosine), float(np.exp(-(shares * np.log(shares)).sum()))


def interaction_share(scores: npt.NDArray[np.float64]) -> float:
    """Return the share of the variance of scores (users, items) that is neither the user's nor the item's mean.

    >>> interaction_share(np.array([[1.0, 2.0], [3.0, 4.0]])), interaction_share(np.array([[1.0, -1.0], [-1.0, 1.0]]))
    (0.0, 1.0)
    """
    total = scores.var()
    rest = scores - scores.mean(0) - scores.mean(1, keepdims=True) + scores.mean()
    return float(rest.var() / total) if total > 0 else 0.0


def warnings_about(label: str, spread: Spread) -> list[str]:
    """Return what a reader must know before a model is asked who is like whom."""
    if spread.interaction_share >= COLLAPSED:
        return []
    return [
        f"{label} IS AN ITEM MEAN: {spread.interaction_share:.2g} of the variance of its scores is user x item, the "
        f"states of two users have a mean cosine of {spread.mean_cosine:.4f}. The users that it finds alike are random "
        "ones; choose another recipe or model (crm.recipe, crm.model)"
    ]
