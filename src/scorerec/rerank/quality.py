"""How good a reranker is on rankings that it was not trained on, and whether it collapsed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Scores = npt.NDArray[np.floating]

COLLAPSED = 0.1  # spread over temperature: below it the softmax over candidates is nearly flat
BLIND = 0.01  # share of contexts that change with the target: below it the target does not matter


class Quality(NamedTuple):
    """Means over held-out targets.

    Attributes:
        pairwise_accuracy: share of (first, tail) pairs of the order O that the scores have the right way
            round; a tie is half right. 0.5 is chance.
        ndcg: of the whole list, where the user at rank r of K has gain K - r.
        spearman: rank correlation with O.
        spread: standard deviation of the scores within a target.
        target_effect: mean change of a score when another target item takes the place of the target.
        contexts_changed: share of targets whose K_s users change with it.
    """

    pairwise_accuracy: float
    ndcg: float
    spearman: float
    spread: float
    target_effect: float
    contexts_changed: float


def measure(scores: Sequence[Scores], swapped: Sequence[Scores], shift: int, n_context_users: int) -> Quality:
    """Measure a reranker on held-out targets.

    Args:
        scores: of each target's candidates in the order O, the most relevant first; (K,) each.
        swapped: the same with another target item in the prompt.
        shift: the ranks at the top that give no negatives.
        n_context_users: K_s.
    """
    changed = [
        set(_best(own, n_context_users)) != set(_best(other, n_context_users))
        for own, other in zip(scores, swapped, strict=True)
    ]
    effect = [np.abs(own - other).mean() for own, other in zip(scores, swapped, strict=True)]
    return Quality(
        pairwise_accuracy=_mean([pairwise_accuracy(own, shift) for own in scores if len(own) > shift]),
        ndcg=_mean([ndcg(own) for own in scores]),
        spearman=_mean([spearman(own) for own in scores if len(own) > 1]),
        spread=_mean([float(np.std(own)) for own in scores]),
        target_effect=_mean([float(value) for value in effect]),
        contexts_changed=_mean([float(value) for value in changed]),
    )


def pairwise_accuracy(scores: Scores, shift: int) -> float:
    """Return how often the first user's score exceeds that of a user behind rank ``shift``.

    >>> pairwise_accuracy(np.array([0.5, 0.9, 0.1, 0.5, 0.7]), shift=2)
    0.5
    """
    tail = scores[shift:]
    return float(np.mean((scores[0] > tail) + 0.5 * (scores[0] == tail)))


def ndcg(scores: Scores) -> float:
    """Return the NDCG of the order that ``scores`` give to users whose true order is 0, 1, ..., K - 1.

    >>> ndcg(np.array([3.0, 2.0, 1.0]))
    1.0
    """
    gains = np.arange(len(scores) - 1, -1, -1, dtype=np.float64)
    if not gains.any():
        return 1.0
    discounts = 1.0 / np.log2(np.arange(2, len(scores) + 2))
    return float((gains[_best(scores, len(scores))] * discounts).sum() / (gains * discounts).sum())


def spearman(scores: Scores) -> float:
    """Return Spearman's correlation of ``scores`` with the order 0, 1, ..., K - 1; 0 where all are equal.

    >>> spearman(np.array([0.9, 0.5, 0.1])), spearman(np.array([0.1, 0.5, 0.9]))
    (1.0, -1.0)
    """
    given = _average_ranks(-scores)
    true = np.arange(len(scores), dtype=np.float64)
    given, true = given - given.mean(), true - true.mean()
    norm = float(np.sqrt((given**2).sum() * (true**2).sum()))
    return float((given * true).sum()) / norm if norm > 0 else 0.0


def warnings_about(tuned: Quality, untuned: Quality, temperature: float) -> list[str]:
    """Return what a reader must know before trusting the reranker.

    Args:
        tuned: of the reranker, on held-out prompts.
        untuned: of the model that it started from, on the same.
        temperature: of its loss: the unit of differences between its scores.
    """
    warnings = []
    if tuned.pairwise_accuracy < untuned.pairwise_accuracy:
        warnings.append(
            f"SARE is worse than the model it started from: held-out pairwise accuracy "
            f"{tuned.pairwise_accuracy:.3f}, untuned {untuned.pairwise_accuracy:.3f}; "
            "change sare.learning_rate or sare.epochs"
        )
    if tuned.spread < COLLAPSED * temperature:
        warnings.append(
            f"SARE collapsed: its scores of one target's candidates differ by {tuned.spread:.2g} only "
            f"(temperature {temperature}); its order is noise"
        )
    if tuned.contexts_changed < BLIND:
        warnings.append(
            f"SARE hardly looks at the target: another target item changes the chosen users of "
            f"{tuned.contexts_changed:.1%} of the prompts; show it fewer history titles (sare.history_titles)"
        )
    return warnings


def _best(scores: Scores, k: int) -> npt.NDArray[np.intp]:
    """Places of the k highest scores; a tie goes to the earlier place."""
    return np.argsort(-scores, kind="stable")[:k]


def _average_ranks(values: Scores) -> npt.NDArray[np.float64]:
    distinct, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)  # (distinct,), rank of the last of its equals, from 1
    return (last - (counts - 1) / 2)[place] if len(distinct) else np.zeros(0)


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else float("nan")
