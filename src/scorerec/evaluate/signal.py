"""Is there anything to pass on? How much found users tell about a row, before any language model reads it.

A count of the users who liked the target is all that evidence can say about the target itself. Its AUC alone also
measures how popular the item is, and how much the found users like in general: so it stands beside what random users
and the most active ones reach, and beside what a regression gains from it over the mean of the item.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from scorerec.core.metrics import Floats, auc, uauc
from scorerec.core.randomness import generator
from scorerec.evaluate.results import Interval, NeighbourShare, Ranking, SourceDifference, UserCount
from scorerec.evaluate.significance import resample_users
from scorerec.evaluate.tables import NONE, TableRow, number

N_USERS = (2, 5, 10, 20)
COMPARED = 10  # users, in one-line summaries and in warnings
_FOLDS = 5
_COUNTED = "{} users: named, AUC, item mean + count"
_CLOSENESS = "closeness of titles to target"
_DRAWS = 300


@dataclass(frozen=True)
class SignalRows:
    """Labelled rows of one split.

    Attributes:
        split: its name.
        users: who each row belongs to, (N,) int64.
        labels: (N,), 0 or 1.
        item_log_odds: of the item mean, the row itself left out of it, (N,).
    """

    split: str
    users: NDArray[np.int64]
    labels: NDArray[np.int8]
    item_log_odds: Floats

    @cached_property
    def mean_alone(self) -> Floats | None:
        """The log odds of a regression on the item mean alone, (N,); None where the rows have one label."""
        both = 0 < self.labels.sum() < len(self.labels)
        return cross_fitted(self.item_log_odds[:, None], self.labels, self.users) if both else None


def user_counts(
    source: str, rows: SignalRows, liked: NDArray[np.bool_], numbers: Sequence[int] = N_USERS
) -> list[UserCount]:
    """Return what the first users found tell about the rows.

    Args:
        source: who found them.
        rows: the rows.
        liked: whether the user of each rank liked the row's target, the most similar first, (N, K).
        numbers: how many users are counted; those beyond K are left out.
    """
    mean_alone = rows.mean_alone
    found = []
    for n_users in (n for n in numbers if n <= liked.shape[1]):
        count = liked[:, :n_users].sum(1).astype(np.float64)
        named = float((count > 0).mean()) if len(count) else 0.0
        own = {"source": source, "split": rows.split, "n_users": n_users, "n_rows": len(count), "named": named}
        if mean_alone is None:
            unknown = dict.fromkeys(("auc", "uauc", "added_auc", "added_uauc", "mean_auc", "gain"))
            found.append(UserCount.model_validate(own | unknown))
            continue
        scores = cross_fitted(np.column_stack([rows.item_log_odds, np.log1p(count)]), rows.labels, rows.users)
        found.append(
            UserCount(
                **own,
                auc=auc(rows.labels, count),
                uauc=uauc(rows.users, rows.labels, count).value,
                added_auc=auc(rows.labels, scores),
                added_uauc=uauc(rows.users, rows.labels, scores).value,
                mean_auc=auc(rows.labels, mean_alone),
                gain=gain(rows, scores, mean_alone) if n_users in (min(numbers), COMPARED) else None,
            )
        )
    return found


def source_difference(
    sources: tuple[str, str], rows: SignalRows, liked: tuple[NDArray[np.bool_], NDArray[np.bool_]], n_users: int
) -> SourceDifference | None:
    """Return what one source adds to the item mean minus what another does; None where rows have one label.

    Args:
        sources: the name of the one and of the other.
        rows: the rows.
        liked: of both, as in ``user_counts``.
        n_users: how many users are counted.
    """
    if not 0 < rows.labels.sum() < len(rows.labels):
        return None
    first, second = (
        cross_fitted(np.column_stack([rows.item_log_odds, np.log1p(one[:, :n_users].sum(1))]), rows.labels, rows.users)
        for one in liked
    )
    return SourceDifference(
        source=sources[0],
        against=sources[1],
        split=rows.split,
        n_users=n_users,
        value=auc(rows.labels, first) - auc(rows.labels, second),
        interval=gain(rows, first, second),
    )


def gain(rows: SignalRows, scores: Floats, against: Floats) -> Interval | None:
    """Return the interval of AUC(scores) - AUC(against) under draws of users.

    Args:
        rows: N labelled rows.
        scores: (N,).
        against: (N,).
    """
    draws = resample_users(rows.users, rows.labels, {"own": scores, "other": against}, _DRAWS)
    return draws.difference("auc", "own", "other", 0.0).interval


def cross_fitted(features: Floats, labels: NDArray[np.int8], users: NDArray[np.int64]) -> Floats:
    """Return the log odds that a logistic regression gives to rows of users that it was not fitted on, (N,).

    Args:
        features: (N, F).
        labels: (N,), of both classes.
        users: (N,); a fold holds whole users.
    """
    from sklearn.linear_model import LogisticRegression  # takes two seconds; tables and warnings do without

    distinct, codes = np.unique(users, return_inverse=True)
    n_folds = min(_FOLDS, len(distinct))
    fold = generator(0, "signal folds").permutation(len(distinct))[codes] % max(n_folds, 1)
    scores = np.zeros(len(labels))
    for number_ in range(n_folds):
        judged = fold == number_
        if len(np.unique(labels[~judged])) < 2:
            continue  # nothing to learn from: these rows stay undecided
        # For two features it takes a few steps; the default takes many, and hundreds of these are fitted.
        model = LogisticRegression(C=10.0, solver="newton-cholesky").fit(features[~judged], labels[~judged])
        scores[judged] = model.decision_function(features[judged])
    return scores


def count_rows(counts: Sequence[UserCount], split: str) -> list[TableRow]:
    """Return one row of text per source: what its users tell about the rows of one split."""
    own = [entry for entry in counts if entry.split == split]
    columns = [_COUNTED.format(n) for n in sorted({entry.n_users for entry in own})]
    columns += [_CLOSENESS] if any(entry.closeness is not None for entry in own) else []
    rows: dict[str, TableRow] = {}
    for entry in own:
        row = rows.setdefault(entry.source, {"users from": entry.source} | dict.fromkeys(columns, NONE))
        told = f"{entry.named:.1%}, {number(entry.auc, 3)}, {number(entry.added_auc)}{_bounds(entry)}"
        row[_COUNTED.format(entry.n_users)] = told
        if entry.closeness is not None:
            row[_CLOSENESS] = number(entry.closeness, 3)
    return list(rows.values())


def count_lines(counts: Sequence[UserCount], split: str) -> list[str]:
    """Return one line per source for a terminal."""
    lines = []
    for entry in counts:
        known = None not in (entry.auc, entry.added_auc, entry.mean_auc)
        if entry.split == split and known and entry.n_users == _shown(counts, entry.source):
            lines.append(
                f"{entry.source}: of {entry.n_users} users one liked the target in {entry.named:.0%} of {split} rows; "
                f"AUC of their number {number(entry.auc, 3)}; item mean {number(entry.mean_auc, 3)}, with the number "
                f"{number(entry.added_auc, 3)}{_bounds(entry)}"
            )
    return lines


def count_warnings(counts: Sequence[UserCount], blind: Sequence[str], split: str) -> list[str]:
    """Return which sources tell no more than users who know nothing.

    Args:
        counts: of all sources.
        blind: sources that know nothing of the user.
        split: whose rows decide.
    """
    found: Mapping[str, UserCount] = {
        entry.source: entry
        for entry in counts
        if entry.split == split and entry.n_users == _shown(counts, entry.source) and entry.added_auc is not None
    }
    best = max((found[name].added_auc or 0.0 for name in blind if name in found), default=None)
    if best is None:
        return []
    return [
        f"THE USERS FROM {name} TELL NOTHING that random or busy users do not: item mean + count has AUC "
        f"{entry.added_auc:.4f} on {split} rows with them, {best:.4f} with the best of those"
        for name, entry in found.items()
        if name not in blind and (entry.added_auc or 0.0) <= best
    ]


def _shown(counts: Sequence[UserCount], source: str) -> int:
    """Return the number of users that a source is summarised by: 10, or as many as it has."""
    numbers = [entry.n_users for entry in counts if entry.source == source]
    return max((n for n in numbers if n <= COMPARED), default=max(numbers))


def _bounds(entry: UserCount) -> str:
    return "" if entry.gain is None else f" (gain {entry.gain.low:+.4f} to {entry.gain.high:+.4f})"


def ranking_rows(rankings: Sequence[Ranking]) -> list[TableRow]:
    """Return one row of text per predictor and split."""
    return [
        {"ranked by": one.predictor, "rows": f"{one.n_rows:,} {one.split} likes"}
        | {name.replace("recall", "Recall").replace("ndcg", "NDCG"): number(v) for name, v in one.measures.items()}
        for one in rankings
    ]


def difference_rows(differences: Sequence[SourceDifference]) -> list[TableRow]:
    """Return one row of text per comparison of two sources."""
    return [
        {
            "users from": one.source,
            "instead of": one.against,
            "rows": one.split,
            "users": str(one.n_users),
            "AUC of item mean + count": f"{one.value:+.4f}"
            + ("" if one.interval is None else f" [{one.interval.low:+.4f}, {one.interval.high:+.4f}]"),
        }
        for one in differences
    ]


def alike_rows(alike: Sequence[NeighbourShare]) -> list[TableRow]:
    """Return one row of text per source: what neighbours have in common, and how few are everybody's."""
    return [
        {
            "users from": one.source,
            "Jaccard": number(one.jaccard),
            "of random users": number(one.random_jaccard),
            "times": number(one.jaccard / one.random_jaccard, 1) if one.random_jaccard else NONE,
            "users that anybody finds": f"{one.found_share:.0%}",
            "largest in-degree": str(one.largest_in_degree),
        }
        for one in alike
    ]
