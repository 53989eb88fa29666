"""The rows that methods are compared on: users, items, labels, and every method's score for each of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import compress

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from scorerec.core.columns import ITEM_ID, LABEL, METHOD, P_YES, ROW_ID, SPLIT, TARGET_ID, USER_ID
from scorerec.core.errors import DataError
from scorerec.core.metrics import Floats, Integers
from scorerec.core.tables import INTERACTIONS, SCORES, TARGETS


@dataclass(frozen=True)
class JudgedRows:
    """Labelled rows of one split, in order of row_id, with scores.

    Attributes:
        split: train, valid or test.
        target_ids: (N,).
        user_ids: (N,) text.
        item_ids: (N,) text.
        users: (N,) int64, equal numbers = equal users.
        labels: (N,) int8, 0 or 1.
        scores: method -> (N,) float64, in the order in which the methods were given.
    """

    split: str
    target_ids: tuple[str, ...]
    user_ids: tuple[str, ...]
    item_ids: tuple[str, ...]
    users: Integers
    labels: NDArray[np.int8]
    scores: Mapping[str, Floats]

    @property
    def fingerprint(self) -> str:
        """16 hex digits, equal where rows, users and labels are the same."""
        digest = hashlib.sha256()
        for column in (self.target_ids, self.user_ids, self.item_ids):
            digest.update("\x1f".join(column).encode())
        digest.update(self.labels.astype(np.int8).tobytes())
        return digest.hexdigest()[:16]

    def where(self, chosen: NDArray[np.bool_]) -> JudgedRows:
        """Return some of the rows, (N,) bool."""
        return replace(
            self,
            target_ids=tuple(compress(self.target_ids, chosen)),
            user_ids=tuple(compress(self.user_ids, chosen)),
            item_ids=tuple(compress(self.item_ids, chosen)),
            users=self.users[chosen],
            labels=self.labels[chosen],
            scores={method: values[chosen] for method, values in self.scores.items()},
        )

    def labelled(self, labels: Mapping[str, str]) -> JudgedRows:
        """Return them with the labels of methods in the place of their keys, for people."""
        return replace(self, scores={labels[key]: scores for key, scores in self.scores.items()})


def judged_rows(
    interactions: pa.Table, targets: pa.Table, scores: Iterable[pa.Table], split: str = "test"
) -> JudgedRows:
    """Join targets of one split with their users and with every method's scores.

    Args:
        interactions: INTERACTIONS.
        targets: TARGETS; those without a label are left out.
        scores: SCORES tables, one or more methods each; scores of other targets are ignored.
        split: whose rows.

    Raises:
        DataError: no labelled rows, a row that is not in ``interactions``, or a method without exactly one
            score for every row.
    """
    frame = _labelled(TARGETS.check(targets), split).join(
        as_frame(INTERACTIONS.check(interactions)).select(ROW_ID, USER_ID),
        on=ROW_ID,
        how="left",
        maintain_order="left",
    )
    unknown = frame.filter(pl.col(USER_ID).is_null())
    if unknown.height:
        raise DataError(
            f"target {unknown[TARGET_ID][0]!r}: its row_id {unknown[ROW_ID][0]} is not in interactions; "
            "give the two tables of the same run"
        )
    return JudgedRows(
        split=split,
        target_ids=tuple(frame[TARGET_ID]),
        user_ids=tuple(frame[USER_ID]),
        item_ids=tuple(frame[ITEM_ID]),
        users=codes(frame[USER_ID]),
        labels=frame[LABEL].to_numpy(),
        scores=_scores(frame.select(TARGET_ID), scores, split),
    )


def _labelled(targets: pa.Table, split: str) -> pl.DataFrame:
    frame = as_frame(targets).filter(pl.col(SPLIT) == split, pl.col(LABEL).is_not_null())
    if not frame.height:
        raise DataError(f"targets: no labelled rows of split {split!r}; nothing to evaluate")
    return frame.sort(ROW_ID, TARGET_ID)


def _scores(wanted: pl.DataFrame, tables: Iterable[pa.Table], split: str) -> dict[str, Floats]:
    parts = [as_frame(SCORES.check(table)).select(TARGET_ID, METHOD, P_YES) for table in tables]
    if not parts:
        raise DataError("no scores: give at least one SCORES table")
    together = pl.concat(parts)
    result = {}
    for method in together[METHOD].unique(maintain_order=True):
        own = together.filter(pl.col(METHOD) == method).select(TARGET_ID, P_YES)
        twice = own.filter(pl.col(TARGET_ID).is_duplicated())
        if twice.height:
            raise DataError(f"method {method!r}: target {twice[TARGET_ID][0]!r} has more than one score")
        joined = wanted.join(own, on=TARGET_ID, how="left", maintain_order="left")
        missing = joined.filter(pl.col(P_YES).is_null())
        if missing.height:
            raise DataError(
                f"method {method!r}: {missing.height} of {wanted.height} {split} rows have no score "
                f"(the first: target {missing[TARGET_ID][0]!r}); methods are compared on the same rows, "
                "so score them all"
            )
        result[str(method)] = joined[P_YES].to_numpy()
    return result


def codes(names: pl.Series) -> Integers:
    """Return a number for each name, from 0 in alphabetical order, (N,) int64: equal names, equal numbers."""
    return names.rank("dense").to_numpy().astype(np.int64) - 1


def as_frame(table: pa.Table) -> pl.DataFrame:
    """Return the table as a polars frame, without a copy where types allow."""
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame
