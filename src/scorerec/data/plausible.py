"""Whether labels and times are likely to mean what they say: a wrong threshold or unit is no fault of any one row."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from scorerec.core.tables import SPLITS
from scorerec.data.labels import LabelConfig
from scorerec.data.origin import Origin

_USUAL_RATES = (0.05, 0.95)  # of positive labels: outside, a threshold is seldom meant
_SECONDS_OF_1970 = 31_536_000


@dataclass(frozen=True)
class Scale:
    """The values that ratings have, and the threshold that divides them best.

    Attributes:
        low: the least rating.
        high: the greatest.
        n_values: how many different ones there are.
        threshold: the rating from which on the rows are nearest to one half; None where all ratings are equal.
        rate: the share of rows from there on.
    """

    low: float
    high: float
    n_values: int
    threshold: float | None
    rate: float

    @classmethod
    def of(cls, ratings: pl.Series) -> Scale:
        """Return the scale of ratings, none of them null.

        >>> Scale.of(pl.Series([0.0, 5, 8, 9, 10]))
        Scale(low=0.0, high=10.0, n_values=5, threshold=9.0, rate=0.4)
        """
        counts = ratings.value_counts(name="count").sort(ratings.name, descending=True)
        values = counts[ratings.name]
        above = counts["count"].cum_sum().cast(pl.Int64)  # rows from each value on
        low, high = float(values[-1]), float(values[0])
        if values.len() == 1:
            return cls(low, high, 1, None, 1.0)
        best = (2 * above[:-1] - ratings.len()).abs().arg_min() or 0  # the greatest of those that divide alike
        return cls(low, high, values.len(), float(values[best]), above[best] / ratings.len())

    def describe(self) -> str:
        """Return the scale in words.

        >>> Scale.of(pl.Series([0, 1])).describe()
        'the ratings run from 0 to 1 (2 values)'
        """
        return f"the ratings run from {self.low:g} to {self.high:g} ({self.n_values} values)"

    def advice(self) -> str:
        """Return what to set."""
        if self.threshold is None:
            return "no threshold divides them: use data that has dislikes too"
        return f"data.label.threshold = {self.threshold:g} would make {self.rate:.1%} of the rows liked"


def one_class_fault(rows: pl.DataFrame, config: LabelConfig, origin: Origin) -> str | None:
    """Say which parts have liked rows alone, or none: nothing can be learned or judged there.

    Args:
        rows: label, split and rating.
        config: how the labels were made.
        origin: the file, for the message.

    Returns:
        What is wrong and what to do; None where every part has both.
    """
    found = rows.group_by("split").agg(pl.col("label").mean())
    rates = dict(zip(found["split"], found["label"], strict=True))
    one_sided = [f"{name} {rates[name]:.0%}" for name in SPLITS if rates[name] in (0, 1)]
    if not one_sided:
        return None
    return (
        f"{origin.path}: wanted liked and disliked rows in every part, found liked: {', '.join(one_sided)} "
        f"({config.describe()}); {_way_out(rows, config)}, or change data.split"
    )


def unlikely_labels(rows: pl.DataFrame, config: LabelConfig) -> list[str]:
    """Return a warning where hardly any or nearly all rows are liked; arguments are those of ``one_class_fault``."""
    rate = float(rows["label"].mean())  # type: ignore[arg-type]  # of a column of numbers
    if _USUAL_RATES[0] <= rate <= _USUAL_RATES[1]:
        return []
    return [f"{rate:.1%} of the rows are liked ({config.describe()}); {_way_out(rows, config)}"]


def _way_out(rows: pl.DataFrame, config: LabelConfig) -> str:
    if config.kind == "given":
        return "check data.source.columns.label"
    scale = Scale.of(rows["rating"])
    return f"{scale.describe()}, and {scale.advice()}"


def unlikely_times(rows: pl.DataFrame, origin: Origin) -> list[str]:
    """Return a warning for times before 1970, and one where no time is later than that year.

    Args:
        rows: timestamp (UTC seconds) and position.
        origin: the file, for the message.
    """
    early = rows.select("position", "timestamp").filter(pl.col("timestamp") < 0).sort("position")
    if not early.is_empty():
        position, seconds = early.row(0)
        return [
            f"{early.height} of {rows.height} rows have times before 1970, the first in {origin.row(position)} "
            f"({seconds} s); where that stands for no time, remove these rows"
        ]
    if rows["timestamp"].max() < _SECONDS_OF_1970:  # type: ignore[operator]  # a number
        return [
            "all times are in 1970: where they count days, or are dates without dashes, turn them into seconds or into "
            'ISO 8601 text with data.source.timestamp_unit = "iso"'
        ]
    return []
