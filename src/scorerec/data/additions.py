"""Interactions that come after a data set was prepared."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pyarrow as pa

from scorerec.core.errors import DataError
from scorerec.data.labels import LabelConfig, add_labels
from scorerec.data.origin import Origin
from scorerec.data.raw import column_types, parse_ratings, require_file
from scorerec.data.sources.tabular import file_origin, scan_file

_NEEDED = ("user_id", "item_id", "timestamp")


def read_additions(path: Path, label: LabelConfig, item_ids: pa.ChunkedArray) -> pl.DataFrame:
    """Return user_id, item_id, timestamp (UTC seconds) and label (0 or 1) of each row, in the order of time.

    Args:
        path: CSV, TSV or Parquet with user_id, item_id, timestamp and, where it has them, label or rating.
        label: turns ratings into labels; without ratings or labels, every row is liked.
        item_ids: the catalogue.

    Raises:
        DataError: the file cannot be used, or has an item that the catalogue lacks; the message names the row.
    """
    origin = file_origin(require_file(path, "give a file with the columns user_id, item_id and timestamp"))
    scan = scan_file(origin)
    names = column_types(scan, origin).names()
    if missing := [name for name in _NEEDED if name not in names]:
        raise DataError(
            f"{path}: wanted columns {_NEEDED}, {missing} missing; the file has {names}; rename its columns"
        )
    return parse_additions(scan, label, item_ids, origin)


def parse_additions(scan: pl.LazyFrame, label: LabelConfig, item_ids: pa.ChunkedArray, origin: Origin) -> pl.DataFrame:
    """Return the same of rows that stand in no file.

    Args:
        scan: user_id, item_id, timestamp and, where there are any, label or rating.
        label: turns ratings into labels; without ratings or labels, every row is liked.
        item_ids: the catalogue.
        origin: what messages call the rows.

    Raises:
        DataError: a value cannot be used, or the catalogue lacks an item; the message names the row.
    """
    names = column_types(scan, origin).names()
    opinion = [name for name in ("label", "rating") if name in names][:1]
    rows = parse_ratings(scan.select(*_NEEDED, *opinion), origin)
    unknown = rows.filter(~pl.col("item_id").cast(pl.String).is_in(pl.Series(item_ids.to_pylist()).implode()))
    if not unknown.is_empty():
        first = unknown.row(0, named=True)
        raise DataError(
            f"{origin.row(first['position'])}: item {first['item_id']!r} is not in the run's catalogue (such rows: "
            f"{unknown.height}); remove these rows, or add the items to the data and run again"
        )
    if opinion:
        rows = add_labels(rows, LabelConfig(kind="given") if opinion == ["label"] else label, origin)
    else:
        rows = rows.with_columns(label=pl.lit(1, dtype=pl.Int8))
    text = pl.col("user_id", "item_id").cast(pl.String)
    return rows.sort("timestamp", "position").with_columns(text).select("user_id", "item_id", "timestamp", "label")
