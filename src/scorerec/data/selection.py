"""Which of the rows take part at all: a span of days, and a random sample of it."""

from __future__ import annotations

import datetime
from typing import Literal, Self

import polars as pl
from pydantic import Field, model_validator

from scorerec.core.columns import USER_ID
from scorerec.core.config import Config
from scorerec.core.errors import DataError
from scorerec.core.randomness import generator


class SelectionConfig(Config):
    """A span of days (UTC), and how it is sampled."""

    first_day: datetime.date | None = Field(default=None, description="earlier rows are left out; None: no limit")
    last_day: datetime.date | None = Field(default=None, description="later rows are left out; None: no limit")
    sample: Literal["all", "rows", "users"] = Field(
        default="all", description="rows: draw that many rows; users: draw that many users, with all of their rows"
    )
    count: int | None = Field(default=None, ge=1, description="rows or users that are drawn")
    seed: int = Field(default=0, ge=0, description="of the draw; the run's own seed does not change the data")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.first_day and self.last_day and self.last_day < self.first_day:
            raise ValueError(f"first_day <= last_day must hold, got {self.first_day} and {self.last_day}")
        if (self.sample == "all") != (self.count is None):
            raise ValueError(f"a sample of rows or users needs its count, and all has none; got {self.count}")
        return self

    def describe(self) -> str:
        """Return the rule in words.

        >>> SelectionConfig(first_day="2013-01-01", sample="users", count=500).describe()
        'all rows from 2013-01-01 on of 500 users drawn with seed 0'
        """
        first = f" from {self.first_day}" if self.first_day else ""
        last = f" to {self.last_day}" if self.last_day else " on" if first else ""
        if self.sample == "all":
            return f"all rows{first}{last}"
        if self.sample == "rows":
            return f"{self.count} rows{first}{last} drawn with seed {self.seed}"
        return f"all rows{first}{last} of {self.count} users drawn with seed {self.seed}"


def select(rows: pl.DataFrame, config: SelectionConfig) -> pl.DataFrame:
    """Return the rows that take part, in the same order.

    Args:
        rows: user_id and timestamp, in any order that the files decide.
        config: the rule.

    Raises:
        DataError: no row lies in the span, or there are fewer rows or users than are to be drawn.
    """
    inside = rows.filter(_in_span(config)) if config.first_day or config.last_day else rows
    if inside.is_empty():
        raise DataError(
            f"data.select: wanted rows{config.describe().removeprefix('all rows')}, found none of {rows.height}; "
            "change data.select.first_day or last_day"
        )
    if config.sample == "rows":
        return inside[sorted(_drawn(inside.height, config))]
    if config.sample == "users":
        users = inside[USER_ID].unique().cast(pl.String).sort()
        return inside.filter(pl.col(USER_ID).cast(pl.String).is_in(users[_drawn(users.len(), config)].implode()))
    return inside


def _in_span(config: SelectionConfig) -> pl.Expr:
    day = pl.from_epoch("timestamp").dt.date()
    return day.is_between(config.first_day or datetime.date.min, config.last_day or datetime.date.max)


def _drawn(n_available: int, config: SelectionConfig) -> list[int]:
    """Return the positions of what is drawn."""
    if config.count is None or config.count > n_available:
        raise DataError(
            f"data.select: wanted {config.count} {config.sample}, the span has {n_available}; lower data.select.count"
        )
    draw = generator(config.seed, "select", config.sample)
    return draw.choice(n_available, config.count, replace=False).tolist()
