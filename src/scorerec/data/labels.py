"""Which interactions count as liked."""

from __future__ import annotations

from typing import Literal

import polars as pl
from pydantic import Field

from scorerec.core.columns import LABEL, RATING
from scorerec.core.config import Config
from scorerec.core.errors import DataError
from scorerec.data.origin import Origin


class LabelConfig(Config):
    """How a rating becomes a label of 0 or 1."""

    kind: Literal["threshold", "given"] = Field(
        default="threshold", description="threshold: compare the rating; given: the source's own label column"
    )
    threshold: float = Field(default=4.0, description="on the scale of the ratings")
    comparison: Literal[">=", ">"] = Field(default=">=", description="a rating equal to the threshold is liked or not")

    def describe(self) -> str:
        """Return the rule in words.

        >>> LabelConfig().describe()
        'label = 1 where rating >= 4'
        """
        if self.kind == "given":
            return "labels as given by the source"
        return f"label = 1 where rating {self.comparison} {self.threshold:g}"


def add_labels(ratings: pl.DataFrame, config: LabelConfig, origin: Origin) -> pl.DataFrame:
    """Return ``ratings`` with its label column filled with 0 and 1 (i8).

    Args:
        ratings: with columns rating and label.
        config: the rule.
        origin: the file that they came from, for messages.

    Raises:
        DataError: a row has no rating to compare, or no given label of 0 or 1.
    """
    if config.kind == "given":
        is_fault = ~pl.col(LABEL).is_in([0, 1]).fill_null(False)
        _refuse(ratings, is_fault, ("a label of 0 or 1", "label"), origin)
        return ratings
    _refuse(ratings, pl.col(RATING).is_null(), ("a rating to compare with the threshold", "rating"), origin)
    rating = pl.col(RATING)
    is_liked = rating >= config.threshold if config.comparison == ">=" else rating > config.threshold
    return ratings.with_columns(label=is_liked.cast(pl.Int8))


def _refuse(ratings: pl.DataFrame, is_fault: pl.Expr, wanted: tuple[str, str], origin: Origin) -> None:
    faults = ratings.filter(is_fault)
    if faults.is_empty():
        return
    description, column = wanted
    row = faults.row(0, named=True)
    raise DataError(
        f"{origin.row(row['position'])}: wanted {description}, found {row[column]!r} "
        f"({faults.height} of {ratings.height} rows); correct the rows or change data.label"
    )
