"""The index in memory: read once, and brought up to date by what has changed in the file since."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from scorerec.retrieve.neighbours import SearchSpace

_BLOCK = 16_384  # rows read at a time
_MAX_CHANGES = 0.1  # share of the rows; where more may have changed, all is read again


class Loaded(NamedTuple):
    """What a search needs, in the order in which behaviours were added.

    Attributes:
        n_gone: the last place that was read of the table ``gone``.
        n_changes: rows that came or left since all was read.
        numbers: of the rows, ascending, (N,) int64.
        behaviour_ids: N ids.
        space: the behaviours; those that left are hidden.
    """

    n_gone: int
    n_changes: int
    numbers: npt.NDArray[np.int64]
    behaviour_ids: list[str]
    space: SearchSpace


def read(connection: sqlite3.Connection, dimension: int) -> Loaded:
    """Read all of an index, inside a transaction of the caller's."""
    return Loaded(_last(connection, "place", "gone"), 0, *_rows(connection, dimension, 0))


def updated(old: Loaded, connection: sqlite3.Connection, dimension: int) -> Loaded | None:
    """Return ``old`` as the file is now, or None where so much has changed that all should be read again.

    Args:
        old: what was read before.
        connection: inside a transaction of the caller's.
        dimension: of the vectors.
    """
    last = int(old.numbers[-1]) if len(old.numbers) else 0
    n_gone = _last(connection, "place", "gone")
    n_changes = old.n_changes + n_gone - old.n_gone + max(_last(connection, "number", "behaviours") - last, 0)
    if n_changes > _MAX_CHANGES * len(old.numbers):
        return None
    left = connection.execute("SELECT number FROM gone WHERE place > ? AND number <= ?", (old.n_gone, last)).fetchall()
    places = np.searchsorted(old.numbers, [number for (number,) in left])
    numbers, names, space = _rows(connection, dimension, last)
    return Loaded(
        n_gone,
        n_changes,
        np.concatenate([old.numbers, numbers]),
        old.behaviour_ids + names,
        old.space.changed(places, space),
    )


def _last(connection: sqlite3.Connection, column: str, table: str) -> int:
    return int(connection.execute(f"SELECT coalesce(max({column}), 0) FROM {table}").fetchone()[0])


def _rows(
    connection: sqlite3.Connection, dimension: int, last: int
) -> tuple[npt.NDArray[np.int64], list[str], SearchSpace]:
    """Read the rows behind the number ``last``."""
    rows = connection.execute(
        "SELECT behaviour_id, user_id, number, valid_from, valid_to, vector FROM behaviours "
        "WHERE number > ? ORDER BY number",
        (last,),
    )
    names: list[str] = []
    owners: list[str] = []
    counts: list[tuple[int, int, int]] = []
    part, values = (" WHERE number > ?", (last,)) if last else ("", ())  # all are counted without reading vectors
    count = connection.execute("SELECT count(*) FROM behaviours" + part, values).fetchone()[0]
    vectors = np.empty((count, dimension), np.float32)  # in large pages, which a growing buffer would not be
    while block := rows.fetchmany(_BLOCK):
        flat = np.frombuffer(b"".join(row[5] for row in block), "<f4")
        vectors[len(names) : len(names) + len(block)] = flat.reshape(-1, dimension)
        names += [row[0] for row in block]
        owners += [row[1] for row in block]
        counts += [row[2:5] for row in block]
    numbers, valid_from, valid_to = np.array(counts, np.int64).reshape(-1, 3).T
    return numbers, names, SearchSpace(vectors, owners, (valid_from, valid_to))
