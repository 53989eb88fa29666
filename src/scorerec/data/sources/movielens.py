"""MovieLens as GroupLens publishes it; MovieLens-100K also as RecBole packages it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import polars as pl

from scorerec.core.config import Config
from scorerec.core.errors import DataError
from scorerec.core.wheels import cache_folder
from scorerec.data.delimited import scan_lines, split_lines
from scorerec.data.download import fetch_movielens_100k
from scorerec.data.origin import Origin
from scorerec.data.raw import RawTables, parse_ratings, require_file
from scorerec.data.sources.recbole import RecBoleFiles

_ENCODING = "latin-1"
_YEAR = r"\(([0-9]{4})\)\s*$"
# The 19 flags that end each line of u.item, in the order of u.genre.
# fmt: off
_GENRES_100K = (
    "unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama",
    "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western",
)
# fmt: on


class MovieLens1M(Config):
    """MovieLens-1M: a folder with ``ratings.dat`` and ``movies.dat``."""

    name: Literal["movielens-1m"] = "movielens-1m"

    def files(self, path: Path | None) -> list[Path]:
        """Return the two files.

        Raises:
            DataError: no folder is given, or a file is missing or empty.
        """
        advice = "set data.path to the unpacked ml-1m.zip of https://grouplens.org/datasets/movielens/1m/"
        if path is None:
            raise DataError(f"movielens-1m: no folder given; {advice}")
        return [require_file(path / name, advice) for name in ("ratings.dat", "movies.dat")]

    def read(self, path: Path | None) -> RawTables:
        """Read ratings and movies; items carry ``year`` (i32) and ``genres`` (list of text)."""
        ratings, movies = self.files(path)
        return RawTables(_rated(ratings, "::"), self._movies(movies), Origin(ratings), Origin(movies))

    @staticmethod
    def _movies(path: Path) -> pl.DataFrame:
        rows = _split_lines(path, "::", 3)
        return _movie_table(
            [(item_id, title, [genre for genre in genres.split("|") if genre]) for item_id, title, genres in rows]
        )


class MovieLens100K(Config):
    """MovieLens-100K: a folder with ``u.data`` and ``u.item``, or with RecBole's ``.inter`` and ``.item``.

    Without a folder, RecBole's copy is downloaded from the package registry and kept in the user's cache.
    """

    name: Literal["movielens-100k"] = "movielens-100k"

    def files(self, path: Path | None) -> list[Path]:
        """Return the two files, downloading them where no folder is given.

        Raises:
            DataError: the folder has neither pair of files, or the download fails.
        """
        folder = fetch_movielens_100k(cache_folder()) if path is None else path
        if (folder / "u.data").is_file():
            advice = "set data.path to the unpacked ml-100k.zip"
            return [require_file(folder / name, advice) for name in ("u.data", "u.item")]
        if folder.suffix == ".inter" or list(folder.glob("*.inter")):
            return RecBoleFiles().files(folder)
        raise DataError(
            f"{folder}: wanted u.data and u.item, or RecBole's .inter and .item; set data.path to a folder "
            "that has them, or leave it out to download them"
        )

    def read(self, path: Path | None) -> RawTables:
        """Read ratings and movies; items carry ``year`` (i32) and ``genres`` (list of text)."""
        ratings, movies = self.files(path)
        if ratings.suffix == ".inter":
            raw = RecBoleFiles().read(ratings)
            return replace(raw, items=_as_published(raw.items))
        return RawTables(_rated(ratings, "\t"), self._movies(movies), Origin(ratings), Origin(movies))

    @staticmethod
    def _movies(path: Path) -> pl.DataFrame:
        rows = _split_lines(path, "|", 5 + len(_GENRES_100K))
        flagged = [(row[0], row[1].strip(), zip(_GENRES_100K, row[5:], strict=True)) for row in rows]
        return _movie_table(
            [(item_id, title, [genre for genre, flag in flags if flag == "1"]) for item_id, title, flags in flagged]
        )


def _rated(path: Path, separator: str) -> pl.DataFrame:
    """Read lines of user, item, rating and timestamp."""
    # What is too much stays in the last field, and is refused there.
    lines = split_lines(scan_lines(path), separator, ["user_id", "item_id", "rating", "timestamp"])
    return parse_ratings(lines, Origin(path, separator=separator))


def _as_published(items: pl.DataFrame) -> pl.DataFrame:
    """Undo what RecBole did to the movies: the year back into the title, columns under our names."""
    wanted = {"item_id", "title", "release_year", "class"}
    if not wanted <= set(items.columns):
        raise DataError(
            f"movielens-100k: the .item file has {items.columns}, wanted {sorted(wanted)}; "
            'use data.source = "recbole" for other atomic files'
        )
    year = pl.col("release_year").str.extract(r"^([0-9]{4})$")
    return items.select(
        "item_id",
        pl.when(year.is_not_null()).then(pl.format("{} ({})", "title", year)).otherwise("title").alias("title"),
        year.cast(pl.Int32).alias("year"),
        pl.col("class").alias("genres"),
    )


def _movie_table(rows: list[tuple[str, str, list[str]]]) -> pl.DataFrame:
    schema = pl.Schema({"item_id": pl.String(), "title": pl.String(), "genres": pl.List(pl.String())})
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    year = pl.col("title").str.extract(_YEAR).cast(pl.Int32)
    return frame.select("item_id", "title", year.alias("year"), "genres")


def _split_lines(path: Path, separator: str, n_fields: int) -> list[list[str]]:
    _refuse_utf8(path)
    rows = []
    # Not splitlines(), which takes some characters of Latin-1 for ends of lines.
    for number, line in enumerate(path.read_text(encoding=_ENCODING).removesuffix("\n").split("\n"), start=1):
        fields = line.split(separator)
        if len(fields) != n_fields:
            raise DataError(
                f"{path}, row {number}: wanted {n_fields} fields between {separator!r}, found {len(fields)}; "
                "use the file as published"
            )
        rows.append(fields)
    return rows


def _refuse_utf8(path: Path) -> None:
    """Raise for a file that somebody converted: every byte is some character in Latin-1, so titles would be spoilt."""
    for number, line in enumerate(path.read_bytes().split(b"\n"), start=1):
        if line.isascii():
            continue
        try:
            line.decode("utf-8")
        except UnicodeDecodeError:
            continue
        raise DataError(f"{path}, row {number}: wanted text in Latin-1, found UTF-8; use the file as published")
