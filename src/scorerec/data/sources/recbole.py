"""RecBole's atomic files: tab-separated, with a type in each column's name (``user_id:token``)."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import polars as pl
from pydantic import Field

from scorerec.core.config import Config
from scorerec.core.errors import DataError
from scorerec.data.origin import Origin
from scorerec.data.raw import RawTables, TimestampUnit, collect, parse_ratings, require_file, text_column
from scorerec.data.sources.columns import ColumnMap, metadata_columns, require_columns

_TYPES = ("token", "token_seq", "float", "float_seq")
_TITLES = ("title", "movie_title", "item_title", "name")


class RecBoleFiles(Config):
    """A folder with one ``.inter`` and its ``.item`` file, or the path of the ``.inter`` file.

    The title is ``columns.title`` where the items have it, otherwise the one of movie_title, item_title and
    name that they have. Other item columns keep their names: ``token_seq`` and ``float_seq`` as lists,
    ``float`` as numbers.
    """

    name: Literal["recbole"] = "recbole"
    columns: ColumnMap = ColumnMap()
    timestamp_unit: TimestampUnit = Field(default="s", description="unit of the timestamps")

    def files(self, path: Path | None) -> list[Path]:
        """Return the ``.inter`` and the ``.item`` file.

        Raises:
            DataError: no path, not exactly one ``.inter`` file, or a file is missing or empty.
        """
        advice = "set data.path to a folder with one .inter file and its .item file, or to the .inter file"
        if path is None:
            raise DataError(f"recbole: no path given; {advice}")
        found = [path] if path.suffix == ".inter" else sorted(path.glob("*.inter"))
        if len(found) != 1:
            names = [file.name for file in found]
            raise DataError(f"{path}: wanted one .inter file, found {names or 'none'}; {advice}")
        return [require_file(file, advice) for file in (found[0], found[0].with_suffix(".item"))]

    def read(self, path: Path | None) -> RawTables:
        """Read interactions and items."""
        interactions, items = (Origin(file, first_row=2, separator="\t") for file in self.files(path))
        wanted = self.columns.ratings()
        types = _header(interactions)
        require_columns(wanted, types, interactions.path)
        scan = _scan(interactions, types).select(pl.col(column).alias(name) for name, column in wanted.items())
        ratings = parse_ratings(scan, interactions, self.timestamp_unit)
        return RawTables(ratings, self._items(items), interactions, items)

    def _items(self, origin: Origin) -> pl.DataFrame:
        types = _header(origin)
        names = self.columns.items()
        if names["title"] not in types:
            names["title"] = next((title for title in _TITLES if title in types), names["title"])
        require_columns(names, types, origin.path)
        metadata = metadata_columns(names, types, origin.path)
        text = collect(_scan(origin, types), origin)
        for name in metadata:
            _refuse_text_for_numbers(text, name, types[name], origin)
        return text.select(
            text_column(names["item_id"], text.schema, origin).alias("item_id"),
            text_column(names["title"], text.schema, origin).alias("title"),
            *(_typed(name, types[name]) for name in metadata),
        )


def _header(origin: Origin) -> dict[str, str]:
    """Return the type of each column, by name."""
    try:
        with origin.path.open(encoding="utf-8-sig") as lines:
            fields = [field.partition(":") for field in lines.readline().rstrip("\r\n").split("\t")]
    except (OSError, UnicodeDecodeError) as error:
        raise origin.unreadable(error) from None
    unknown = [name for name, _, kind in fields if kind not in _TYPES]
    if unknown:
        raise DataError(
            f"{origin.path}, row 1: columns {unknown} have no type; wanted NAME:TYPE between tabs, with TYPE one of "
            f"{', '.join(_TYPES)}; correct the header"
        )
    types = {name: kind for name, _, kind in fields}
    if len(types) < len(fields):
        raise DataError(f"{origin.path}, row 1: a column occurs twice in {[name for name, _, _ in fields]}; rename one")
    return types


def _scan(origin: Origin, types: dict[str, str]) -> pl.LazyFrame:
    return pl.scan_csv(
        origin.path, separator="\t", quote_char=None, infer_schema=False, new_columns=list(types), glob=False
    )


def _refuse_text_for_numbers(text: pl.DataFrame, name: str, kind: str, origin: Origin) -> None:
    if not kind.startswith("float"):
        return
    values = _values(name, kind)
    is_fault = values.list.eval(pl.element().cast(pl.Float64, strict=False).is_null()).list.any()
    faults = text.select(is_fault).to_series().arg_true()
    if not faults.is_empty():
        came = text[name][faults[0]]
        raise DataError(
            f"{origin.row(faults[0])}: {name} cannot be read as {kind}: {came!r}; correct it, or call the column "
            f"{name}:token"
        )


def _typed(name: str, kind: str) -> pl.Expr:
    if kind == "token":
        return pl.col(name)
    values = _values(name, kind)
    if kind == "token_seq":
        return values
    numbers = values.cast(pl.List(pl.Float64))
    return numbers if kind == "float_seq" else numbers.list.first()


def _values(name: str, kind: str) -> pl.Expr:
    """Return the parts of a text column as a list, without empty ones; one part at most where it is no sequence."""
    text = pl.col(name).fill_null("")
    parts = text.str.split(" ") if kind.endswith("_seq") else pl.concat_list(text)
    return parts.list.filter(pl.element() != "")
