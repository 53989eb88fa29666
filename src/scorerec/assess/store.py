"""Keeps every reply that was paid for, so that nothing is asked twice."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
from collections.abc import Collection, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from scorerec.assess.assessor import Reply, Tokens
from scorerec.core.erasure import erase_deleted
from scorerec.core.errors import ArtifactError

_REPLIES = """
CREATE TABLE IF NOT EXISTS replies (
    key TEXT PRIMARY KEY, model TEXT NOT NULL, prompt TEXT NOT NULL, reply TEXT NOT NULL,
    tokens_in INTEGER, tokens_out INTEGER
) WITHOUT ROWID
"""
# Calls without a usable reply that were paid for all the same: a budget has to know them when a run continues.
_WASTED = """
CREATE TABLE IF NOT EXISTS wasted (
    key TEXT NOT NULL, kind TEXT NOT NULL, tokens_in INTEGER NOT NULL, tokens_out INTEGER NOT NULL
)
"""


def reply_key(identity: Mapping[str, Any], prompt: str) -> str:
    """Return the key of one reply: SHA-256 of (endpoint, model, parameters, prompt).

    >>> reply_key({"model": "a"}, "x") == reply_key({"model": "a"}, "x") != reply_key({"model": "b"}, "x")
    True
    """
    return hashlib.sha256(json.dumps([identity, prompt], sort_keys=True).encode()).hexdigest()


class ReplyStore:
    """A table of replies in one SQLite file, committed reply by reply.

    The endpoint is part of the key and is not written down. Threads may share a store, and so may processes.

    Args:
        path: the file; its folder is made where it is missing.

    Raises:
        ArtifactError: the file is not a reply store.
    """

    def __init__(self, path: Path):
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._lock = threading.Lock()
        try:
            self._database = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute(_REPLIES)
            self._database.execute(_WASTED)
        except sqlite3.Error as error:
            raise ArtifactError(
                f"{path}: not a reply store ({error}); move the file away, or name another one"
            ) from None

    def __enter__(self) -> ReplyStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __len__(self) -> int:
        """Return the number of replies kept."""
        return int(self._execute("SELECT count(*) FROM replies")[0][0])

    def find(self, key: str) -> Reply | None:
        """Return the reply kept under ``key``, or None."""
        rows = self._execute("SELECT reply, tokens_in, tokens_out FROM replies WHERE key = ?", key)
        return Reply(*rows[0]) if rows else None

    def keep(self, key: str, model: str, prompt: str, reply: Reply) -> None:
        """Keep one reply; it is on disk on return. A reply that is there already stays as it is.

        Args:
            key: ``reply_key``.
            model: who replied.
            prompt: as text; ``forget`` finds replies by it.
            reply: what came, and its tokens.
        """
        self._execute("INSERT OR IGNORE INTO replies VALUES (?, ?, ?, ?, ?, ?)", key, model, prompt, *reply)

    def keep_wasted(self, key: str, kind: str, tokens: Tokens) -> None:
        """Keep what a call cost whose reply cannot be used.

        Args:
            key: ``reply_key``.
            kind: of the failure.
            tokens: that were paid for.
        """
        self._execute("INSERT INTO wasted VALUES (?, ?, ?, ?)", key, kind, *tokens)

    def wasted(self) -> dict[str, Tokens]:
        """Return what was paid for unusable replies, by key."""
        rows = self._execute("SELECT key, sum(tokens_in), sum(tokens_out) FROM wasted GROUP BY key")
        return {key: Tokens(sent, received) for key, sent, received in rows}

    def forget(self, prompts: Collection[str]) -> int:
        """Forget the replies to some prompts for good: no byte of the file tells of them. Return how many went.

        Raises:
            ArtifactError: the file cannot be written, or another process still reads an older state of it.
        """
        wanted = json.dumps(sorted(prompts))
        theirs = "FROM replies WHERE prompt IN (SELECT value FROM json_each(?))"
        self._execute(f"DELETE FROM wasted WHERE key IN (SELECT key {theirs})", wanted)
        gone = self._execute(f"DELETE {theirs} RETURNING 1", wanted)
        with self._lock:
            erase_deleted(self._database, self._path)
        return len(gone)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()

    def _execute(self, statement: str, *values: str | int | None) -> list[Any]:
        try:
            with self._lock:
                return self._database.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise ArtifactError(f"{self._path}: the reply store cannot be used ({error})") from None
