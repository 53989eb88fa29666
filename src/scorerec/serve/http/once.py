"""Writes that came with an Idempotency-Key are done once: the same request again gets the first one's answer."""

from __future__ import annotations

import hashlib
import sqlite3
import time
from contextlib import closing
from http import HTTPStatus
from pathlib import Path

from scorerec.serve.http.problems import ProblemError
from scorerec.serve.live import LIVE

_FILE = "requests.sqlite"
_KEPT = 24 * 3600  # seconds
_SCHEMA = """
CREATE TABLE IF NOT EXISTS done (
    name TEXT PRIMARY KEY, -- of the key; a hash, for clients put all sorts of things into keys
    body TEXT NOT NULL,  -- likewise
    answer TEXT NOT NULL,
    second REAL NOT NULL
) WITHOUT ROWID;
"""


class Done:
    """What was done, in the run's folder: processes share it, and it outlives them.

    Args:
        folder: of the run.
    """

    def __init__(self, folder: Path):
        self._path = folder / LIVE / _FILE

    def answer(self, key: str, body: bytes) -> str | None:
        """Return what the same request was answered; None: it is a new one.

        Raises:
            ProblemError: the key came with another request.
        """
        if not self._path.is_file():
            return None
        with closing(self._connect()) as connection:
            query = "SELECT body, answer FROM done WHERE name = ? AND second > ?"
            found = connection.execute(query, (_hash(key.encode()), time.time() - _KEPT)).fetchone()
        if found is None:
            return None
        if found[0] != _hash(body):
            raise ProblemError(
                HTTPStatus.CONFLICT,
                "this Idempotency-Key came with another request before",
                field="Idempotency-Key",
                remedy="use a new key for a new request",
            )
        return str(found[1])

    def note(self, key: str, body: bytes, answer: str) -> None:
        """Keep an answer, for a day; it is on disk on return."""
        self._path.parent.mkdir(exist_ok=True)
        with closing(self._connect()) as connection, connection:
            connection.execute("DELETE FROM done WHERE second < ?", (time.time() - _KEPT,))
            row = (_hash(key.encode()), _hash(body), answer, time.time())
            connection.execute("INSERT OR REPLACE INTO done VALUES (?, ?, ?, ?)", row)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=30)
        connection.executescript(f"PRAGMA secure_delete = ON; PRAGMA synchronous = FULL; {_SCHEMA}")
        return connection


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
