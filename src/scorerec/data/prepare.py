"""From a source to the two tables that everything else starts from: interactions and items."""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import polars as pl
import pyarrow as pa
from pydantic import Field, field_validator

from scorerec.core.columns import ITEM_ID, LABEL, N_BEFORE, ROW_ID, SPLIT, TIMESTAMP, USER_ID
from scorerec.core.config import Config
from scorerec.core.errors import DataError
from scorerec.core.tables import INTERACTIONS, ITEMS, SPLITS
from scorerec.data.catalogue import CheckedCatalogue, checked_catalogue, known_items
from scorerec.data.labels import LabelConfig, add_labels
from scorerec.data.origin import Origin
from scorerec.data.plausible import one_class_fault, unlikely_labels, unlikely_times
from scorerec.data.raw import RawTables
from scorerec.data.selection import SelectionConfig, select
from scorerec.data.sources import SourceConfig
from scorerec.data.splits import SplitConfig, UserTimeSplit, add_split


class DataConfig(Config):
    """Where the data comes from, what counts as liked, and how it is divided."""

    source: SourceConfig = Field(description='a source\'s name, or its settings: {name = "tabular", ...}')
    path: Path | None = Field(default=None, description="file or folder of the source")
    label: LabelConfig = LabelConfig()
    select: SelectionConfig = SelectionConfig()
    split: SplitConfig = Field(default=UserTimeSplit(), description="a strategy's name in 'by', and its settings")
    ties: Literal["file", "strict"] = Field(
        default="file",
        description="what comes before a row: file: earlier rows in the order (timestamp, position in the "
        "file); strict: rows of an earlier second only",
    )
    untitled_items: Literal["error", "drop"] = Field(
        default="error", description="what happens to items of the catalogue that have no title"
    )
    repeated_items: Literal["error", "first"] = Field(
        default="error", description="what happens where the catalogue has several entries for one item"
    )
    unknown_items: Literal["error", "drop"] = Field(
        default="error", description="what happens to interactions with items that the catalogue lacks"
    )
    repeats: Literal["error", "keep", "first", "last"] = Field(
        default="error",
        description="what happens where a user has several interactions with one item: refuse them, keep them all, or "
        "keep the first or the last one in the order of time",
    )

    @field_validator("source", mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    @field_validator("split", mode="before")
    @classmethod
    def _named_split(cls, value: Any) -> Any:
        return {"by": value} if isinstance(value, str) else value

    def files(self) -> list[Path]:
        """Return the files that the source reads, for fingerprints; may download them.

        Raises:
            DataError: a file is missing or empty.
        """
        return self.source.files(self._path())

    def stands_for(self, name: str) -> Any:
        """Return, of the folder, what is in its files: the same files elsewhere are the same data."""
        if name != "path":
            return super().stands_for(name)
        checksums = {}
        for path in self.files():
            with path.open("rb") as file:
                checksums[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
        return checksums

    def _path(self) -> Path | None:
        return self.path.expanduser() if self.path else None


@dataclass(frozen=True)
class Prepared:
    """The result of ``prepare``.

    Attributes:
        interactions: INTERACTIONS, in order of row_id.
        items: ITEMS, the whole catalogue, with the source's metadata.
        notes: what was read and kept: the rules in words, counts per part, and warnings.
        fault: why nothing can be learned or judged from it, and what to do; None where it can.
    """

    interactions: pa.Table
    items: pa.Table
    notes: dict[str, Any]
    fault: str | None = None


def prepare(config: DataConfig) -> Prepared:
    """Read a source, label its rows, divide them, and count each row's earlier positives.

    Raises:
        DataError: the source cannot be used; the message names the file and, where there is one, the row.
    """
    prepared = prepare_raw(config.source.read(config._path()), config)
    if prepared.fault:
        raise DataError(prepared.fault)
    return prepared


def prepare_raw(raw: RawTables, config: DataConfig) -> Prepared:
    """Do the same with tables that are in memory, be they fit for learning or not; ``config.source`` is only named.

    Raises:
        DataError: the tables cannot be used.
    """
    origin, sizes = raw.ratings_from, [raw.ratings.height]
    catalogue = checked_catalogue(raw.items, raw.items_from, config.untitled_items, config.repeated_items)
    # One name for all steps: of tens of millions of rows only the newest form is kept in memory.
    rows = known_items(raw, catalogue, config.unknown_items)
    del raw
    sizes.append(rows.height)
    # Ids are numbers while the rows are worked on, which takes less memory and time than text.
    rows = rows.with_columns(pl.col(USER_ID, ITEM_ID).cast(pl.Categorical))
    rows = add_labels(rows, config.label, origin).sort(TIMESTAMP, "position")
    rows = _without_repeats(rows, config.repeats, origin)
    sizes.append(rows.height)
    rows = select(rows, config.select)
    sizes.append(rows.height)
    rows = add_split(rows, config.split)
    sizes.append(rows.height)
    fault = one_class_fault(rows, config.label, origin)
    warnings = [*unlikely_labels(rows, config.label), *unlikely_times(rows, origin)]
    rows = _with_positives_before(rows, config.ties).with_row_index(ROW_ID)
    notes = {**_rules(config), **_losses(sizes, catalogue), **_counts(rows), "warnings": warnings}
    table = rows.select(INTERACTIONS.columns.names).to_arrow()
    return Prepared(INTERACTIONS.check(table), ITEMS.check(_plain_arrow(catalogue.items)), notes, fault)


def _rules(config: DataConfig) -> dict[str, Any]:
    """Return the rules in words."""
    return {
        "source": config.source.name,
        "label": config.label.describe(),
        "select": config.select.describe(),
        "split": config.split.describe(),
        "ties": config.ties,
    }


def _losses(sizes: list[int], catalogue: CheckedCatalogue) -> dict[str, Any]:
    """Return how many rows were read and how many each step left out; ``sizes`` are the rows before and after each."""
    names = ("rows_of_unknown_items", "rows_of_repeats", "rows_not_selected", "rows_outside_window")
    lost = (before - after for before, after in itertools.pairwise(sizes))
    return {
        "rows_read": sizes[0],
        **dict(zip(names, lost, strict=True)),
        "catalogue_items": catalogue.items.height,
        "items_without_title": catalogue.n_untitled,
        "items_repeated": catalogue.n_repeated,
    }


def _without_repeats(rows: pl.DataFrame, policy: str, origin: Origin) -> pl.DataFrame:
    """Refuse, or keep one of, the rows of one user and item; ``rows`` are in the order of time."""
    if policy == "keep":
        return rows
    pair = _pair_code()
    kept = rows.filter(pair.is_last_distinct() if policy == "last" else pair.is_first_distinct())
    if policy == "error" and kept.height < rows.height:
        raise DataError(_repeat_in_words(rows, rows.height - kept.height, origin))
    return kept


def _pair_code() -> pl.Expr:
    """Return a number (u64) for each pair of user and item."""
    user, item = (pl.col(name).to_physical().cast(pl.UInt64) for name in (USER_ID, ITEM_ID))
    return user * 2**32 + item


def _repeat_in_words(rows: pl.DataFrame, n_repeats: int, origin: Origin) -> str:
    repeated = rows.select("position", USER_ID, ITEM_ID).filter(_pair_code().is_duplicated())
    _, user_id, item_id = repeated.sort("position").row(0)
    places = repeated.filter(user_id=user_id, item_id=item_id)["position"].sort()
    return (
        f"{origin.row(places[1])}: user {user_id!r} and item {item_id!r} occur again, first in row "
        f"{places[0] + origin.first_row} ({n_repeats} such rows); correct them, or say which to keep: "
        'data.repeats = "keep" (all), "first" or "last"'
    )


def _with_positives_before(rows: pl.DataFrame, ties: str) -> pl.DataFrame:
    label = pl.col(LABEL).cast(pl.Int32)
    counted = rows.with_columns(n_before=(label.cum_sum() - label).over(USER_ID))
    if ties == "file":
        return counted
    # The first row of a (user, second) group has all positives of earlier seconds before it, and no others.
    return counted.with_columns(pl.col(N_BEFORE).first().over(USER_ID, TIMESTAMP))


def _counts(rows: pl.DataFrame) -> dict[str, Any]:
    """Return the users and items that are left and, per part, its size and how much of it training knows.

    ``known_users``, ``known_items`` and ``warm``: share of rows whose user, item, or both have training rows.
    """
    training = rows.filter(pl.col(SPLIT) == "train")
    known_user = pl.col(USER_ID).is_in(training[USER_ID].unique().implode())
    known_item = pl.col(ITEM_ID).is_in(training[ITEM_ID].unique().implode())
    counted = rows.group_by(SPLIT).agg(
        rows=pl.len(),
        users=pl.col(USER_ID).n_unique(),
        items=pl.col(ITEM_ID).n_unique(),
        positive_rate=pl.col(LABEL).mean().round(4),
        known_users=known_user.mean().round(4),
        known_items=known_item.mean().round(4),
        warm=(known_user & known_item).mean().round(4),
        first_day=pl.from_epoch(pl.col(TIMESTAMP).min()).dt.date().cast(pl.String),
        last_day=pl.from_epoch(pl.col(TIMESTAMP).max()).dt.date().cast(pl.String),
    )
    parts = {row.pop("split"): row for row in counted.to_dicts()}
    return {
        "users": rows[USER_ID].n_unique(),
        "items": rows[ITEM_ID].n_unique(),
        "parts": {name: parts[name] for name in SPLITS},
    }


def _plain_arrow(frame: pl.DataFrame) -> pa.Table:
    """Return an Arrow table with plain text and lists, where Polars makes large ones."""
    table = frame.to_arrow()
    return table.cast(pa.schema([(field.name, _plain_type(field.type)) for field in table.schema]))


def _plain_type(dtype: pa.DataType) -> pa.DataType:
    if pa.types.is_large_string(dtype) or pa.types.is_string_view(dtype):
        return pa.string()
    if pa.types.is_large_list(dtype) or pa.types.is_list(dtype):
        return pa.list_(_plain_type(dtype.value_type))
    return dtype
