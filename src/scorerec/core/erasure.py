"""Forgetting for good: what was deleted from a SQLite file leaves its bytes too."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from scorerec.core.errors import ArtifactError


def erase_deleted(connection: sqlite3.Connection, path: Path) -> None:
    """Rewrite the file without what was deleted, and empty its write-ahead log.

    Args:
        connection: to the file, with no transaction under way.
        path: the file, for messages.

    Raises:
        ArtifactError: somebody else is reading an older state, which keeps deleted bytes in the log.
    """
    try:
        connection.execute("VACUUM")
        is_busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.Error as error:
        raise ArtifactError(
            f"{path}: the rows are deleted, but not their bytes ({error}); make room or close what holds the file, "
            "and forget again"
        ) from None
    if is_busy:
        raise ArtifactError(
            f"{path}: the rows are deleted, but their bytes are still in {path.name}-wal, because another process "
            "is reading an older state; wait for it or close it, and forget again"
        )
