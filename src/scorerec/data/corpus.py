"""What can be retrieved (behaviours), what asks for it (queries), and what is to be scored (targets).

A query holds its user's positives before the row, whatever the corpus; or, where ``history`` is ``visit``, before the
first row of the row's visit, which rows of one visit have in common. A visit ends with a pause. Two corpora:

- ``train`` (the paper's): one behaviour per user, the positives of the training part. A training row may see
  other users' later behaviours.
- ``as-of``: the corpus is taken anew at the start of every day, week or month (UTC). The snapshot of time s
  holds each user's positives earlier than s. A row reads the newest snapshot strictly older than itself, so
  nothing that anybody did at or after the row's time can reach it.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
from pydantic import Field

from scorerec.core.columns import (
    BEHAVIOUR_ID,
    ITEM_ID,
    ITEM_IDS,
    LABEL,
    N_BEFORE,
    QUERY_ID,
    ROW_ID,
    SNAPSHOT,
    SPLIT,
    TIMESTAMP,
    USER_ID,
    VALID_FROM,
    VALID_TO,
)
from scorerec.core.config import Config
from scorerec.core.randomness import generator
from scorerec.core.tables import BEHAVIOURS, QUERIES, SPLITS, TARGETS

_EVER = (np.iinfo(np.int64).min, np.iinfo(np.int64).max)
_PERIODS = {"day": "1d", "week": "1w", "month": "1mo"}
_BLOCK = 1 << 22  # item ids gathered at a time


class CorpusConfig(Config):
    """Which behaviours a row may be given as evidence."""

    kind: Literal["train", "as-of"] = Field(default="train", description="as the paper, or nothing later than the row")
    refresh: Literal["day", "week", "month"] = Field(
        default="week",
        description="as-of only: how often a snapshot is taken, at 00:00 UTC (weeks start on Monday)",
    )
    history: Literal["row", "visit"] = Field(
        default="row",
        exclude_if=lambda value: value == "row",  # settings written before it was there mean the same
        description="as of when a user's own history is known: each row, or the beginning of its visit",
    )
    visit_pause: int = Field(
        default=1800,
        ge=1,
        exclude_if=lambda value: value == 1800,
        description="visit only: seconds without a rating after which the user's next one begins a visit",
    )
    max_train_targets: int | None = Field(
        default=None, ge=1, description="training rows that prompts are made for, drawn at random; None: all"
    )
    max_valid_targets: int | None = Field(default=None, ge=1, description="validation rows, likewise")
    draw_together: int = Field(
        default=1,
        ge=1,
        exclude_if=lambda value: value == 1,  # settings written before it was there mean the same
        description="training and validation rows of a user that follow each other are drawn in runs of up to so many: "
        "their prompts begin alike, and what they share is read once",
    )
    max_test_users: int | None = Field(
        default=None,
        ge=2,
        exclude_if=lambda value: value is None,  # settings written before it was there mean the same
        description="users, drawn at random, whose test rows are judged; None: all",
    )


def _of_drawn_users(rows: pl.DataFrame, most_users: int) -> pl.DataFrame:
    """Return the rows without the test rows of all but so many users; the same ones whatever the run's seed."""
    users = rows.filter(pl.col(SPLIT) == "test")[USER_ID].unique().sort()
    drawn = users[np.sort(generator(0, "targets", "test", "users").permutation(len(users))[:most_users])]
    return rows.filter((pl.col(SPLIT) != "test") | pl.col(USER_ID).is_in(drawn.implode()))


@dataclass(frozen=True)
class Corpus:
    """The tables BEHAVIOURS, QUERIES and TARGETS; a query sees ``valid_from <= snapshot < valid_to``."""

    behaviours: pa.Table
    queries: pa.Table
    targets: pa.Table

    @property
    def without_history(self) -> dict[str, float]:
        """Part -> the share of its rows that are asked without a history: nobody can be like their user."""
        rows = pl.DataFrame(self.targets).join(pl.DataFrame(self.queries), on=QUERY_ID)
        shares = rows.group_by(SPLIT).agg((pl.col(ITEM_IDS).list.len() == 0).mean()).rows()
        return {part: round(float(share), 4) for part, share in sorted(shares)}


def build_corpus(interactions: pa.Table, config: CorpusConfig) -> Corpus:
    """Build the three tables from INTERACTIONS; every interaction is a target, up to the limits of ``config``."""
    rows = pl.DataFrame(interactions).sort(ROW_ID)
    positives = _Positives(rows.filter(pl.col(LABEL) == 1))
    if config.history == "visit":
        rows = rows.with_columns(n_before=_before_the_visit(config.visit_pause))
    limits = {"train": config.max_train_targets, "valid": config.max_valid_targets}
    wanted = _drawn(rows, limits, config.draw_together)
    if config.max_test_users is not None:
        wanted = _of_drawn_users(wanted, config.max_test_users)
    if config.kind == "train":
        behaviours = training_behaviours(interactions)
        asked = wanted.with_columns(snapshot=pl.lit(0, dtype=pl.Int64))
        query_id = pl.format("{}:{}", "user_id", "n_before")
    else:
        behaviours = _behaviours_over_time(positives, config.refresh)
        asked = wanted.with_columns(snapshot=_newest_snapshot(config.refresh))
        query_id = pl.format("{}:{}:{}", "user_id", "n_before", "snapshot")
    asked = asked.with_columns(query_id=query_id, target_id=pl.format("row-{}", "row_id"))
    queries = asked.unique(QUERY_ID, keep="first", maintain_order=True)
    lists = positives.first(queries[USER_ID], queries[N_BEFORE].to_numpy())
    return Corpus(
        behaviours,
        QUERIES.check(queries.select(QUERY_ID, USER_ID, N_BEFORE, SNAPSHOT).to_arrow().append_column(ITEM_IDS, lists)),
        TARGETS.check(asked.select(TARGETS.columns.names).to_arrow()),
    )


def _before_the_visit(pause: int) -> pl.Expr:
    """Return the positives of the user before the first row of each row's visit."""
    begins = (pl.col(TIMESTAMP).diff() > pause).fill_null(True)
    # Row by row, the latest that began: positives only grow.
    return pl.when(begins.over(USER_ID)).then(pl.col(N_BEFORE)).forward_fill().over(USER_ID)


def _drawn(rows: pl.DataFrame, limits: Mapping[str, int | None], together: int) -> pl.DataFrame:
    """Return the rows, of a limited part only as many as its limit; the same ones whatever the run's seed.

    Runs of ``together`` rows are drawn, and of the last one so much as is needed.
    """
    kept = []
    for part in SPLITS:
        rows_of_part = rows.filter(pl.col(SPLIT) == part)
        limit = limits.get(part)
        if limit is not None and limit < rows_of_part.height:
            runs = _runs(rows_of_part, together)
            order = np.argsort(generator(0, "targets", part).permutation(runs.max() + 1), kind="stable")[runs]
            rows_of_part = rows_of_part[np.sort(np.argsort(order, kind="stable")[:limit])]
        kept.append(rows_of_part)
    return pl.concat(kept).sort(ROW_ID)


def _runs(rows: pl.DataFrame, together: int) -> npt.NDArray[np.int64]:
    """Return the number of each row's run, (N,): ``together`` rows of a user that follow each other, or the rest."""
    if together == 1:
        return np.arange(rows.height)
    place = pl.int_range(pl.len()).over(USER_ID) // together
    names = rows.select(run=pl.format("{}:{}", place, USER_ID))["run"]
    return np.unique(names.to_numpy(), return_inverse=True)[1].astype(np.int64)


def training_behaviours(interactions: pa.Table) -> pa.Table:
    """Return BEHAVIOURS with one row per user who has positives in the training part (H(u) of Eq. 3).

    Visible to every query: valid from the smallest to the largest i64.
    """
    rows = pl.DataFrame(interactions).sort(ROW_ID)
    positives = _Positives(rows.filter((pl.col(LABEL) == 1) & (pl.col(SPLIT) == "train")))
    users = positives.users
    frame = pl.DataFrame({BEHAVIOUR_ID: users, USER_ID: users}).with_columns(
        valid_from=pl.lit(_EVER[0]), valid_to=pl.lit(_EVER[1])
    )
    lists = positives.first(users, positives.counts)
    return BEHAVIOURS.check(frame.to_arrow().append_column(ITEM_IDS, lists))


class _Positives:
    """Each user's positives, oldest first, in one block per user; users in order of their id.

    Attributes:
        rows: user_id, item_id, timestamp, sorted by user and order.
        users: distinct user ids (U,).
        counts: positives of each user (U,) i64.
    """

    def __init__(self, rows: pl.DataFrame):
        self.rows = rows.select(USER_ID, ITEM_ID, TIMESTAMP, ROW_ID).sort(USER_ID, ROW_ID)
        blocks = self.rows.group_by(USER_ID, maintain_order=True).len()
        self.users = blocks[USER_ID]
        self.counts = blocks["len"].to_numpy().astype(np.int64)
        self._starts = blocks.select(USER_ID, start=pl.col("len").cum_sum() - pl.col("len"))
        self._items = pa.array(self.rows[ITEM_ID].to_arrow(), pa.string())

    def first(self, users: pl.Series, counts: np.ndarray) -> pa.ChunkedArray:
        """Return, for each of N users, the item ids of the first ``counts`` positives: (N,) list of text."""
        found = users.alias(USER_ID).to_frame().join(self._starts, on=USER_ID, how="left", maintain_order="left")
        starts = found["start"].fill_null(0).to_numpy().astype(np.int64)
        lengths = counts.astype(np.int64)
        ends = np.cumsum(lengths)
        total = int(ends[-1]) if len(ends) else 0
        edges = np.unique([0, *np.searchsorted(ends, np.arange(_BLOCK, total, _BLOCK)), len(lengths)])
        chunks = [self._gather(starts[begin:end], lengths[begin:end]) for begin, end in itertools.pairwise(edges)]
        return pa.chunked_array(chunks, pa.list_(pa.string()))

    def _gather(self, starts: np.ndarray, lengths: np.ndarray) -> pa.ListArray:
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        indices = np.repeat(starts - offsets[:-1], lengths) + np.arange(offsets[-1])
        return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), self._items.take(pa.array(indices)))


def _behaviours_over_time(positives: _Positives, refresh: str) -> pa.Table:
    """Return BEHAVIOURS with a row per user and snapshot at which that user's positives changed."""
    period = _PERIODS[refresh]
    first_seen = _moment().dt.truncate(period).dt.offset_by(period).dt.epoch("s")
    changes = (
        positives.rows.with_columns(valid_from=first_seen)
        .group_by(USER_ID, VALID_FROM, maintain_order=True)
        .len()
        .with_columns(
            n_items=pl.col("len").cum_sum().over(USER_ID),
            valid_to=pl.col(VALID_FROM).shift(-1).over(USER_ID).fill_null(_EVER[1]),
            behaviour_id=pl.format("{}:{}", "user_id", "valid_from"),
        )
    )
    lists = positives.first(changes[USER_ID], changes["n_items"].to_numpy())
    columns = changes.select(BEHAVIOUR_ID, USER_ID, VALID_FROM, VALID_TO)
    return BEHAVIOURS.check(columns.to_arrow().append_column(ITEM_IDS, lists))


def _newest_snapshot(refresh: str) -> pl.Expr:
    """Return the start of the period that holds the second before the row: the newest one strictly older."""
    return (_moment() - pl.duration(seconds=1)).dt.truncate(_PERIODS[refresh]).dt.epoch("s")


def _moment() -> pl.Expr:
    return pl.from_epoch("timestamp")
