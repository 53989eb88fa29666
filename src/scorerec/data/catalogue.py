"""What is checked of a catalogue, and of the rows that name its items, before anything is counted."""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

from scorerec.core.columns import ITEM_ID
from scorerec.core.errors import DataError
from scorerec.data.origin import Origin
from scorerec.data.raw import RawTables


class CheckedCatalogue(NamedTuple):
    """Items with an id and a title, each once.

    Attributes:
        items: as ``RawTables.items``.
        n_untitled: items left out for want of a title.
        n_repeated: entries left out because an earlier one has their id.
    """

    items: pl.DataFrame
    n_untitled: int
    n_repeated: int


def checked_catalogue(items: pl.DataFrame, origin: Origin, untitled: str, repeated: str) -> CheckedCatalogue:
    """Return the items that can be used.

    Args:
        items: as ``RawTables.items``.
        origin: their file, for messages.
        untitled: ``error`` or ``drop``: what happens to items without a title.
        repeated: ``error`` or ``first``: what happens to an item that has several entries; ``first`` is the first
            one that has a title, where those without are dropped.

    Raises:
        DataError: an id is empty, or what ``error`` stands for; the message names the row.
    """
    numbered = items.with_row_index("position")
    _refuse_empty(numbered, "item_id", origin, "fill it, or remove the item")
    if untitled == "error":
        advice = 'fill it, or remove the item, or set data.untitled_items = "drop"'
        _refuse_empty(numbered, "title", origin, advice)
    titled = numbered.filter(~_is_empty("title"))
    if titled.is_empty():
        raise DataError(f"{origin.path}: none of {items.height} items has a title; set data.path to items that do")
    if repeated == "error":
        _refuse_repeated(titled, origin)
    kept = titled.filter(pl.col(ITEM_ID).is_first_distinct())
    return CheckedCatalogue(kept.drop("position"), items.height - titled.height, titled.height - kept.height)


def known_items(raw: RawTables, catalogue: CheckedCatalogue, policy: str) -> pl.DataFrame:
    """Return the ratings of items that the catalogue has.

    Args:
        raw: what was read.
        catalogue: the items that there are.
        policy: what becomes of ratings of others: error or drop.

    Raises:
        DataError: there are others, and ``policy`` is ``error``; or no row would be left.
    """
    ratings = raw.ratings
    unknown = ratings.select(pl.col(ITEM_ID).unique()).join(catalogue.items, on=ITEM_ID, how="anti")
    if unknown.is_empty():
        return ratings
    if policy == "error":
        rows = ratings.select("position", ITEM_ID).join(unknown, on=ITEM_ID, how="semi", maintain_order="left")
        position, item_id = rows.row(0)
        left_out = f", or has no title there ({catalogue.n_untitled} do not)" if catalogue.n_untitled else ""
        raise DataError(
            f"{raw.ratings_from.row(position)}: item {item_id!r} is not in {raw.items_from.path}{left_out} "
            f"(such items: {unknown.height}, rows: {rows.height}); add them to the items, or set "
            'data.unknown_items = "drop"'
        )
    known = ratings.join(unknown, on=ITEM_ID, how="anti", maintain_order="left")
    if known.is_empty():
        raise DataError(
            f"{raw.ratings_from.path}: none of its {unknown.height} items is in {raw.items_from.path}; "
            "give two files that belong together"
        )
    return known


def _is_empty(name: str) -> pl.Expr:
    return pl.col(name).is_null() | (pl.col(name).str.strip_chars() == "")


def _refuse_empty(numbered: pl.DataFrame, name: str, origin: Origin, advice: str) -> None:
    empty = numbered.select("position", ITEM_ID, is_empty=_is_empty(name)).filter("is_empty")
    if not empty.is_empty():
        row = empty.row(0, named=True)
        raise DataError(
            f"{origin.row(row['position'])}: {name} is empty (item_id {row[ITEM_ID]!r}; "
            f"{empty.height} such items); {advice}"
        )


def _refuse_repeated(numbered: pl.DataFrame, origin: Origin) -> None:
    repeated = numbered.select("position", ITEM_ID).filter(pl.col(ITEM_ID).is_duplicated())
    if repeated.is_empty():
        return
    item_id, n_items = repeated[ITEM_ID][0], repeated[ITEM_ID].n_unique()
    places = repeated.filter(pl.col(ITEM_ID) == item_id)["position"]
    raise DataError(
        f"{origin.row(places[1])}: item_id {item_id!r} has more than one entry, the first in row "
        f"{places[0] + origin.first_row} ({n_items} such items); keep one of each, or set "
        'data.repeated_items = "first"'
    )
