"""Writes that came with an Idempotency-Key are done once: the same request again gets the first one's answer."""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple

from scorerec.serve.http.problems import ProblemError
from scorerec.serve.live import LIVE

_FILE = "requests.sqlite"
_KEPT = 24 * 3600  # seconds
_SCHEMA = """
CREATE TABLE IF NOT EXISTS done (
    name TEXT PRIMARY KEY,  -- of caller and key; a hash, for clients put all sorts of things into keys
    body TEXT NOT NULL,  -- likewise
    second INTEGER NOT NULL,  -- when it first came
    answer TEXT  -- none as long as it is not done
) WITHOUT ROWID;
"""


class Once(NamedTuple):
    """A write that is done once.

    Attributes:
        name: of the caller, and the key that they gave.
        body: of the request.
    """

    name: str
    body: bytes


class Begun(NamedTuple):
    """Attributes: ``second``: when the request first came; ``answer``: to it, None as long as it is not done."""

    second: int
    answer: str | None


class Done:
    """What was done, in the run's folder: processes share it, and it outlives them.

    Args:
        folder: of the run.
    """

    def __init__(self, folder: Path):
        self._path = folder / LIVE / _FILE

    def begin(self, once: Once) -> Begun:
        """Note that a request came; return when it first did, and its answer where it was done.

        Whoever was killed between the write and its note begins again, with the second of the first time: rows that
        have no time of their own are the same rows then.

        Raises:
            ProblemError: the key came with another request.
        """
        name, body, now = _hash(once.name.encode()), _hash(once.body), int(time.time())
        with self._open() as connection:
            connection.execute("DELETE FROM done WHERE second < ?", (now - _KEPT,))
            connection.execute("INSERT OR IGNORE INTO done VALUES (?, ?, ?, NULL)", (name, body, now))
            query = "SELECT body, second, answer FROM done WHERE name = ?"
            known, second, answer = connection.execute(query, (name,)).fetchone()
        if known != body:
            raise ProblemError(
                HTTPStatus.CONFLICT,
                "this Idempotency-Key came with another request before",
                field="Idempotency-Key",
                remedy="use a new key for a new request",
            )
        return Begun(second, answer)

    def end(self, once: Once, answer: str) -> None:
        """Keep an answer, for a day; it is on disk on return."""
        with self._open() as connection:
            connection.execute("UPDATE done SET answer = ? WHERE name = ?", (answer, _hash(once.name.encode())))

    def clear(self) -> None:
        """Forget all of them: a hash of a request can be found again by who knows what it said."""
        if self._path.is_file():
            with self._open() as connection:
                connection.execute("DELETE FROM done")

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        self._path.parent.mkdir(exist_ok=True)
        with closing(sqlite3.connect(self._path, timeout=30)) as connection:
            connection.executescript(f"PRAGMA secure_delete = ON; PRAGMA synchronous = FULL; {_SCHEMA}")
            with connection:
                yield connection


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
