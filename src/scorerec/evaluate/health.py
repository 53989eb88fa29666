"""Does a language model read? How far its scores hang on user and item together, and on what it is shown.

A model that answers the same whoever asks can have the AUC of the item mean, and whoever sees the AUC alone may take it
for a recommender.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import lsqr
from scipy.stats import spearmanr

from scorerec.core.metrics import Floats
from scorerec.core.odds import log_odds
from scorerec.evaluate.results import Faithful, Health, Interval, Moved, Moves
from scorerec.evaluate.rows import JudgedRows
from scorerec.evaluate.tables import NONE, TableRow, number

LEAST_SHARE = 0.01  # of variance that is user x item: below it scores are sums of what is known of user and of item
LEAST_CHANGE = 0.001  # of p(Yes): below it a prompt is not read
LEAST_PASSED_ON = 0.8  # correlation within users with what is told: at .79 (one run) an eighth of its signal was lost
HEALTH_COLUMNS = ("user x item", "rank correlation with item mean", "other history", "other evidence", "passed on")
_CLOSEST = 1e-6  # to 0 and 1 that a probability may come, so that its logit is a number in float32 too
_RESAMPLES = 2000
_NO_VARIANCE = 1e-18  # of logits


def interaction_share(users: ArrayLike, items: ArrayLike, p_yes: ArrayLike) -> float | None:
    """Return the share of the variance of logits that is neither the user's nor the item's.

    The logits are fitted, by least squares, by an effect of each user plus an effect of each item, which are p free
    numbers together (users + items - parts of the graph that rows make of them). With R the sum of squares left over,
    and T that around the mean, N rows:

        share = (R / (N - p)) / (T / (N - 1)),

    1 minus the adjusted R^2: 0 for scores that are such sums, and 1 on the mean for independent noise, however few rows
    a user or an item has.

    Args:
        users: who each row belongs to, (N,).
        items: what it is about, (N,).
        p_yes: probability of Yes, (N,).

    Returns:
        None where all scores are one, or rows are too few to tell (N = p). Of few rows it may be above 1, by chance.

    >>> interaction_share([0, 0, 1, 1], [0, 1, 0, 1], [0.5, 0.8, 0.2, 0.5])
    0.0
    >>> interaction_share([0, 0, 1, 1], [0, 1, 0, 1], [0.8, 0.2, 0.2, 0.8])
    3.0
    """
    logits = log_odds(p_yes, _CLOSEST)
    logits -= logits.mean()
    (of_user, n_users), (of_item, n_items) = (_coded(names) for names in (users, items))
    count = len(logits)
    places = np.concatenate([of_user, n_users + of_item])
    design = coo_array((np.ones(2 * count), (np.tile(np.arange(count), 2), places)), (count, n_users + n_items)).tocsr()
    graph = coo_array((np.ones(count), (of_user, n_users + of_item)), 2 * (n_users + n_items,))
    freedom = count - (n_users + n_items - connected_components(graph, directed=False)[0])
    total = float(logits @ logits)
    if total <= _NO_VARIANCE * count or freedom < 1:
        return None
    scale = 1 / np.sqrt(np.bincount(places))  # columns of length 1: it converges sooner
    fitted = lsqr(design * scale[None, :], logits, atol=1e-12, btol=1e-12)[0]
    left = logits - design @ (scale * fitted)
    share = float(left @ left / freedom) / (total / (count - 1))
    return share if share > 1e-12 else 0.0


def rank_correlation(scores: ArrayLike, others: ArrayLike) -> float | None:
    """Return Spearman's correlation of two scores of the same rows, (N,) each; None where one of them is constant.

    >>> round(rank_correlation([1, 2, 3, 4], [0.1, 0.3, 0.2, 0.9]), 2)
    0.8
    """
    if any(np.ptp(np.asarray(one, np.float64)) == 0 for one in (scores, others)):
        return None
    return float(spearmanr(scores, others).statistic)


def within_correlation(users: ArrayLike, scores: ArrayLike, others: ArrayLike) -> float | None:
    """Return the mean over users, weighted by their rows, of Spearman's correlation of two scores.

    Users of one row, or to whom either gives one score, do not count; None where nobody does.

    Args:
        users: whose each row is, (N,).
        scores: of the rows, (N,).
        others: of the same rows, (N,).

    >>> round(within_correlation(["a", "a", "b", "b", "b", "c"], [1, 2, 1, 2, 3, 9], [5, 7, 3, 2, 1, 0]), 2)
    -0.2
    """
    of_user, n_users = _coded(users)
    first, second = np.asarray(scores, np.float64), np.asarray(others, np.float64)
    known = [(rank_correlation(first[mine], second[mine]), len(mine)) for mine in _places(of_user, n_users)]
    counted = np.array([(value, rows) for value, rows in known if value is not None])
    return float(np.average(counted[:, 0], weights=counted[:, 1])) if len(counted) else None


def moved(before: Floats, after: Floats) -> Moved | None:
    """Return the mean absolute change of probabilities, (N,) each; None where there are no rows."""
    return Moved(mean_change=float(np.abs(after - before).mean()), n_rows=len(before)) if len(before) else None


def health_of(
    rows: JudgedRows, method: str, item_mean: str, moves: Moves | None = None, told: Floats | None = None
) -> Health:
    """Measure the scores of one method.

    Args:
        rows: with its scores and those of the item mean.
        method: its name among the scores.
        item_mean: that of the item mean.
        moves: how its scores move, where that was measured.
        told: probabilities that its evidence tells, (N,); None: it tells none.
    """
    return Health(
        method=method,
        interaction_share=interaction_share(rows.users, rows.item_ids, rows.scores[method]),
        item_correlation=rank_correlation(rows.scores[method], rows.scores[item_mean]),
        told_correlation=None if told is None else within_correlation(rows.users, rows.scores[method], told),
        moves=moves or Moves(),
    )


def mean_health(seeds: Sequence[Health]) -> Health | None:
    """Return the mean over seeds of each measure, over those that have it; None of none."""
    if not seeds:
        return None
    return Health(
        method=seeds[0].method,
        interaction_share=_mean(one.interaction_share for one in seeds),
        item_correlation=_mean(one.item_correlation for one in seeds),
        told_correlation=_mean(one.told_correlation for one in seeds),
        moves=Moves(
            history=_mean_moved(one.moves.history for one in seeds),
            evidence=_mean_moved(one.moves.evidence for one in seeds),
        ),
    )


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _mean_moved(found: Iterable[Moved | None]) -> Moved | None:
    known = [one for one in found if one is not None]
    mean = _mean(one.mean_change for one in known)
    return None if mean is None else Moved(mean_change=mean, n_rows=sum(one.n_rows for one in known))


def health_row(found: Health) -> TableRow:
    """Return it as text, by column."""
    values = (
        NONE if found.interaction_share is None else f"{found.interaction_share:.1%}",
        number(found.item_correlation, 3),
        _change(found.moves.history),
        _change(found.moves.evidence),
        number(found.told_correlation, 3),
    )
    return dict(zip(HEALTH_COLUMNS, values, strict=True))


def health_warnings(found: Iterable[Health]) -> list[str]:
    """Return what a reader must know of language models whose scores hang on nothing, or on no more than sums."""
    return [line for one in found for line in _warnings(one)]


def _warnings(found: Health) -> list[str]:
    lines = []
    if found.item_correlation is None:
        lines.append(f"{found.method} GIVES ONE SCORE TO ALL ROWS, whoever asks and whatever is asked about")
    elif found.interaction_share is not None and found.interaction_share < LEAST_SHARE:
        lines.append(
            f"{found.method} DOES NOT TELL USERS' TASTES APART: {found.interaction_share:.2g} of the variance of its "
            "scores is user x item; the rest is a sum of what it makes of the user and of the item"
        )
    for name, one in (("history", found.moves.history), ("evidence", found.moves.evidence)):
        if one is not None and one.mean_change < LEAST_CHANGE:
            lines.append(
                f"{found.method} DOES NOT READ THE {name.upper()}: another row's moves p(Yes) by "
                f"{one.mean_change:.2g} on the mean of {one.n_rows:,} rows"
            )
    if found.told_correlation is not None and found.told_correlation < LEAST_PASSED_ON:
        lines.append(
            f"{found.method} LOSES WHAT IT IS TOLD: within users the order of its scores agrees with that of the "
            f"opinions in its prompts by {found.told_correlation:.2f} (rank correlation)"
        )
    reasons = found.moves.reasons
    if reasons is not None and reasons.interval.low <= 0:
        lines.append(
            f"REASONS OF {found.method} ARE NO BETTER THAN OTHERS: without the {reasons.n_left_out} strongest p(Yes) "
            f"falls by {reasons.strongest:.3f}, without as many drawn ones by {reasons.random:.3f} "
            f"({reasons.n_rows:,} rows)"
        )
    return lines


def reason_rows(found: Iterable[Health]) -> list[TableRow]:
    """Return one row per language model whose reasons were checked, as text."""
    rows = []
    for one in found:
        if (reasons := one.moves.reasons) is not None:
            low, high = reasons.interval.low, reasons.interval.high
            rows.append(
                {
                    "method": one.method,
                    "rows": f"{reasons.n_rows:,}",
                    "left out": str(reasons.n_left_out),
                    "fall without the strongest": f"{reasons.strongest:+.3f}",
                    "fall without drawn ones": f"{reasons.random:+.3f}",
                    "difference": f"{reasons.strongest - reasons.random:+.3f} [{low:+.3f}, {high:+.3f}]",
                }
            )
    return rows


def _change(found: Moved | None) -> str:
    return NONE if found is None else f"{found.mean_change:.4f}"


def _places(of_user: np.ndarray, n_users: int) -> list[np.ndarray]:
    return np.split(np.argsort(of_user, kind="stable"), np.cumsum(np.bincount(of_user, minlength=n_users))[:-1])


def _coded(names: ArrayLike) -> tuple[np.ndarray, int]:
    distinct, code = np.unique(np.asarray(names), return_inverse=True)
    return code, len(distinct)


def faithful(users: Sequence[str], falls: Floats, n_left_out: int, rng: np.random.Generator) -> Faithful:
    """Return whether p(Yes) falls further without the strongest reasons than without parts drawn at random.

    Args:
        users: whose each row is, (N,).
        falls: without the strongest, and without the drawn ones, (N, 2).
        n_left_out: parts that were left out.
        rng: resamples users.

    >>> found = faithful(["a", "b"], np.array([[0.3, 0.1], [0.1, 0.0]]), 2, np.random.default_rng(0))
    >>> round(found.strongest, 3), round(found.random, 3), round(found.interval.low, 3), round(found.interval.high, 3)
    (0.2, 0.05, 0.1, 0.2)
    """
    of_user, names = _coded(users)
    apart = falls[:, 0] - falls[:, 1]
    sums, counts = (np.bincount(of_user, weights, minlength=names) for weights in (apart, np.ones(len(apart))))
    drawn = rng.integers(names, size=(_RESAMPLES, names))
    means = sums[drawn].sum(1) / counts[drawn].sum(1)
    low, high = np.quantile(means, [0.025, 0.975]).tolist()
    strongest, random = falls.mean(0).tolist()
    interval = Interval(low=low, high=high, n_resamples=_RESAMPLES)
    return Faithful(n_rows=len(falls), n_left_out=n_left_out, strongest=strongest, random=random, interval=interval)
