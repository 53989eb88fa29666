"""Amazon reviews 2018 (Ni et al., 2019) as published: reviews or ratings of one category, and its metadata.

https://nijianmo.github.io/amazon/ has, per category, reviews (``Video_Games_5.json.gz`` are those of users and items
that have five), ratings alone (``Video_Games.csv``), and metadata (``meta_Video_Games.json.gz``).
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import polars as pl
from pydantic import Field

from scorerec.core.config import Config
from scorerec.core.errors import DataError
from scorerec.data.origin import Origin
from scorerec.data.raw import RawTables, column_types, parse_ratings, require_file
from scorerec.data.sources.json_lines import Record, read_records

_REVIEW_KEYS = {"user_id": "reviewerID", "item_id": "asin", "rating": "overall", "timestamp": "unixReviewTime"}
_REVIEWS = pl.Schema(dict.fromkeys(_REVIEW_KEYS, pl.String()))
_ITEMS = pl.Schema(
    {"item_id": pl.String(), "title": pl.String(), "brand": pl.String(), "categories": pl.List(pl.String())}
)
_RATINGS_SUFFIXES = (".csv", ".csv.gz")
_ADVICE = "set data.path to a folder with the files of one category, from https://nijianmo.github.io/amazon/"
_TAG = re.compile(r"<(script|style)\b.*?</\1>|</?[a-zA-Z][^<>]*>", re.DOTALL | re.IGNORECASE)
_ENTITY = re.compile(r"&#?\w+;")
_PAGE_SOURCE = "getTime"  # some titles hold the script of the page instead


class AmazonReviews2018(Config):
    """One category of the Amazon reviews of 2018; files may be unpacked, too."""

    name: Literal["amazon-2018"] = "amazon-2018"
    reviews: Path | None = Field(
        default=None,
        description="reviews (.json, .json.gz) or ratings (.csv, .csv.gz), below data.path or absolute; "
        "None: the only such file there",
    )
    metadata: Path | None = Field(default=None, description="likewise; None: the only meta_*.json.gz or meta_*.json")
    ratings_begin_with: Literal["item", "user"] = Field(
        default="item", description="first column of a ratings file; before the edition of 2018 it was the user"
    )

    def files(self, path: Path | None) -> list[Path]:
        """Return the file of reviews or ratings, and that of metadata.

        Raises:
            DataError: a file is missing or empty, or there are several of a kind.
        """
        if path is None and (self.reviews is None or self.metadata is None):
            raise DataError(f"amazon-2018: no folder given; {_ADVICE}")
        folder = path or Path()
        metadata = self.metadata or _only(folder, "metadata", ("meta_*.json.gz", "meta_*.json"))
        reviews = self.reviews or _only(folder, "reviews", ("*.json.gz", "*.json", "*.csv", "*.csv.gz"))
        return [require_file(folder / name, _ADVICE) for name in (reviews, metadata)]

    def read(self, path: Path | None) -> RawTables:
        """Read reviews and metadata; items carry ``brand`` (text) and ``categories`` (list of text).

        A title that is missing, or holds the source of a page, is empty; ``data.untitled_items`` says what becomes
        of such items.
        """
        reviews, metadata = self.files(path)
        items_from = Origin(metadata)
        if reviews.name.endswith(_RATINGS_SUFFIXES):
            ratings_from = Origin(reviews, separator=",")
            scan = self._ratings(ratings_from)
        else:
            ratings_from = Origin(reviews)
            scan = read_records(ratings_from, _REVIEWS, _review).lazy()
        raw = RawTables(
            parse_ratings(scan, ratings_from), read_records(items_from, _ITEMS, _item), ratings_from, items_from
        )
        self._refuse_swapped(raw)
        return raw

    def _ratings(self, origin: Origin) -> pl.LazyFrame:
        ids = ("item_id", "user_id") if self.ratings_begin_with == "item" else ("user_id", "item_id")
        wanted = [*ids, "rating", "timestamp"]
        scan = pl.scan_csv(origin.path, has_header=False, quote_char=None, infer_schema=False, glob=False)
        found = column_types(scan, origin).names()
        if len(found) != len(wanted):
            raise DataError(
                f"{origin.row(0)}: wanted {len(wanted)} fields ({', '.join(wanted)}), found {len(found)}; {_ADVICE}"
            )
        return scan.rename(dict(zip(found, wanted, strict=True)))

    def _refuse_swapped(self, raw: RawTables) -> None:
        catalogue = raw.items["item_id"].implode()
        names = {name: raw.ratings[name].is_in(catalogue).any() for name in ("item_id", "user_id")}
        if names["user_id"] and not names["item_id"]:
            other = "user" if self.ratings_begin_with == "item" else "item"
            raise DataError(
                f"{raw.ratings_from.path}: its users are items of {raw.items_from.path}, and its items are not; "
                f'set data.source.ratings_begin_with = "{other}"'
            )


def _only(folder: Path, kind: str, patterns: Sequence[str]) -> Path:
    """Return the one file of a folder that has one of the names."""
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; {_ADVICE}")
    found = sorted({path for pattern in patterns for path in folder.glob(pattern)})
    found = [path for path in found if path.name.startswith("meta_") == (kind == "metadata")]
    if len(found) == 1:
        return found[0].absolute()
    names = " or ".join(patterns)
    if not found:
        raise DataError(f"{folder}: wanted a file of {kind} ({names}), found none; {_ADVICE}")
    raise DataError(
        f"{folder}: wanted one file of {kind} ({names}), found {', '.join(path.name for path in found)}; "
        f"name one in data.source.{kind}"
    )


def _review(record: Record) -> tuple[str | None, ...]:
    return tuple(record.text(key) for key in _REVIEW_KEYS.values())


def _item(record: Record) -> tuple[str | None, str, str, list[str]]:
    brand = _plain(_optional(record, "brand")).removeprefix("by ")
    return record.text("asin"), _title(_optional(record, "title")), brand, list(_categories(record))


def _optional(record: Record, key: str) -> str:
    return (record.text(key) or "") if key in record.values else ""


def _title(text: str) -> str:
    """Return a title as it would be read, empty where there is none.

    >>> _title(" Halo&#39;s <span>End</span>"), _title("var aPageStart = (new Date()).getTime();")
    ("Halo's End", '')
    """
    return "" if _PAGE_SOURCE in text else _plain(text)


def _categories(record: Record) -> Iterator[str]:
    """Yield the categories without repeats; from the first piece of a page on, features of the item are listed."""
    # The second name is that of editions before 2018, whose files hold a list of such lists.
    for category in dict.fromkeys([*record.texts("category"), *record.texts("categories")]):
        if _TAG.search(category):
            return
        if plain := _plain(category):
            yield plain


def _plain(text: str) -> str:
    """Return a piece of a web page as it would be read, on one line."""
    return " ".join(_ENTITY.sub(lambda entity: html.unescape(entity[0]), _TAG.sub(" ", text)).split())
