"""A persistent index of behaviours: one SQLite file, exact search, nothing to run beside the program."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from scorerec.core.erasure import erase_deleted
from scorerec.core.errors import ArtifactError
from scorerec.core.tables import BEHAVIOURS
from scorerec.retrieve.loaded import Loaded, read, updated
from scorerec.retrieve.vectors import vector_matrix

_VERSION = "2"
_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE behaviours (
    number INTEGER PRIMARY KEY AUTOINCREMENT,  -- never given twice: a change is a row that leaves and one that comes
    behaviour_id TEXT NOT NULL UNIQUE,
    user_id TEXT NOT NULL,
    valid_from INTEGER NOT NULL,
    valid_to INTEGER NOT NULL,
    item_ids TEXT NOT NULL,
    vector BLOB NOT NULL
);
CREATE INDEX behaviours_of_user ON behaviours (user_id);
-- What left, so that readers need not read all again. A number tells nothing of whose it was.
CREATE TABLE gone (place INTEGER PRIMARY KEY AUTOINCREMENT, number INTEGER NOT NULL);
CREATE TRIGGER note_gone AFTER DELETE ON behaviours BEGIN INSERT INTO gone (number) VALUES (old.number); END;
"""
_INSERT = "INSERT INTO behaviours (behaviour_id, user_id, valid_from, valid_to, item_ids, vector) VALUES (?,?,?,?,?,?)"


class Hit(NamedTuple):
    """One behaviour that was found."""

    behaviour_id: str
    similarity: float


class BehaviourIndex:
    """Behaviours and their vectors in one file; use ``create`` or ``open``.

    Threads may share one, and processes may share the file: a reader sees whole states while another writes, and
    what was written at its next search.

    Attributes:
        path: the file.
        encoder: fingerprint of the encoder whose vectors it holds.
        dimension: of a vector.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, encoder: str, dimension: int):
        self.path, self.encoder, self.dimension = path, encoder, dimension
        self._connection = connection
        self._lock = threading.RLock()
        self._loaded: Loaded | None = None
        self._version = -1  # of the file when it was read, as other connections wrote it

    @classmethod
    def create(cls, path: Path, encoder: str, dimension: int) -> BehaviourIndex:
        """Make an empty index.

        Args:
            path: a file that does not exist.
            encoder: ``nn.encoders.encoder_fingerprint`` of the encoder.
            dimension: of its vectors.

        Raises:
            ArtifactError: the file exists.
        """
        if path.exists():
            raise ArtifactError(f"{path}: exists already; open it, or delete it to build the index anew")
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = _connect(path)
        connection.executescript("PRAGMA journal_mode = WAL;" + _SCHEMA)
        rows = {"version": _VERSION, "encoder": encoder, "dimension": str(dimension)}
        with connection:
            connection.executemany("INSERT INTO meta VALUES (?, ?)", rows.items())
        return cls(path, connection, encoder, dimension)

    @classmethod
    def open(cls, path: Path, encoder: str | None = None) -> BehaviourIndex:
        """Open an index.

        Args:
            path: the file.
            encoder: fingerprint of the encoder that will search it; None to take any.

        Raises:
            ArtifactError: there is no index, or it is of another version or encoder.
        """
        if not path.is_file():
            raise ArtifactError(f"{path}: no such index; build it first")
        connection = _connect(path)
        try:
            meta = dict(connection.execute("SELECT key, value FROM meta"))
        except sqlite3.DatabaseError as error:
            connection.close()
            raise ArtifactError(f"{path}: not an index of behaviours ({error}); delete it and build it anew") from None
        if meta.get("version") != _VERSION or encoder not in (None, meta["encoder"]):
            connection.close()
            raise ArtifactError(
                f"{path}: wanted version {_VERSION} and encoder {encoder}, it has version "
                f"{meta.get('version')} and encoder {meta.get('encoder')}; delete it and build it anew"
            )
        return cls(path, connection, meta["encoder"], int(meta["dimension"]))

    def __enter__(self) -> BehaviourIndex:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        return int(self._connection.execute("SELECT count(*) FROM behaviours").fetchone()[0])

    def holds(self, user_id: str) -> bool:
        """Return whether any behaviour of a user is there."""
        query = "SELECT 1 FROM behaviours WHERE user_id = ? LIMIT 1"
        with self._lock:
            return self._connection.execute(query, (user_id,)).fetchone() is not None

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def add(self, behaviours: pa.Table, vectors: pa.Table) -> None:
        """Add behaviours, all or none; one that is there already is replaced.

        Args:
            behaviours: BEHAVIOURS.
            vectors: the encoder's, keyed by behaviour_id.

        Raises:
            DataError: a behaviour has no vector.
            ArtifactError: the vectors are of another dimension, or the file cannot be written.
        """
        self.replace_users((), behaviours, vectors)

    def replace_users(self, user_ids: Collection[str], behaviours: pa.Table, vectors: pa.Table) -> None:
        """Put ``behaviours`` in the place of all that the index has of some users, in one step.

        Args:
            user_ids: users whose behaviours go.
            behaviours: BEHAVIOURS that come; one that is there already is replaced.
            vectors: the encoder's, keyed by behaviour_id.

        Raises:
            DataError: a behaviour has no vector.
            ArtifactError: the vectors are of another dimension, or the file cannot be written.
        """
        rows = BEHAVIOURS.check(behaviours).to_pylist()
        matrix = self._fitting(vector_matrix(vectors, "behaviour_id", [row["behaviour_id"] for row in rows]))
        values = [
            (
                row["behaviour_id"],
                row["user_id"],
                row["valid_from"],
                row["valid_to"],
                json.dumps(row["item_ids"]),
                vector.astype("<f4").tobytes(),
            )
            for row, vector in zip(rows, matrix, strict=True)
        ]
        with self._writing() as connection:
            connection.executemany("DELETE FROM behaviours WHERE user_id = ?", [(name,) for name in user_ids])
            connection.executemany("DELETE FROM behaviours WHERE behaviour_id = ?", [row[:1] for row in values])
            connection.executemany(_INSERT, values)

    def delete_user(self, user_id: str) -> int:
        """Forget a user for good: no byte of the file tells of them. Return how many behaviours went.

        The file is written anew without them, which takes a moment and as much room again.

        Raises:
            ArtifactError: the file cannot be written, or another process still reads an older state of it.
        """
        with self._lock:
            with self._writing() as connection:
                count = connection.execute("DELETE FROM behaviours WHERE user_id = ?", (user_id,)).rowcount
            erase_deleted(self._connection, self.path)
        return count

    def copy(self, path: Path) -> None:
        """Write the whole index into a file that does not exist, at once and whole.

        Raises:
            ArtifactError: the file cannot be written.
        """
        partial = path.with_name(path.name + ".partial")
        partial.unlink(missing_ok=True)  # of a process that died
        try:
            with self._lock:
                self._connection.execute("VACUUM INTO ?", (str(partial),))
            with closing(_connect(partial)) as connection:
                connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.Error as error:
            raise ArtifactError(f"{path}: cannot be written ({error}); make room, and try again") from None
        partial.rename(path)

    def behaviours(self, behaviour_ids: Collection[str] | None = None) -> pa.Table:
        """Return what is in the index, or those of some ids that are there, in order of behaviour_id (BEHAVIOURS)."""
        names = BEHAVIOURS.columns.names
        query = f"SELECT {', '.join(names)} FROM behaviours"
        wanted = () if behaviour_ids is None else (json.dumps(sorted(behaviour_ids)),)
        if wanted:
            query += " WHERE behaviour_id IN (SELECT value FROM json_each(?))"
        with self._lock:
            rows = self._connection.execute(query + " ORDER BY behaviour_id", wanted).fetchall()
        columns = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in names]
        columns[-1] = [json.loads(item_ids) for item_ids in columns[-1]]
        return BEHAVIOURS.check(pa.table(columns, schema=BEHAVIOURS.columns))

    def search(
        self,
        vectors: npt.NDArray[np.float32],
        k: int,
        owners: Sequence[str],
        snapshots: Sequence[int],
    ) -> list[list[Hit]]:
        """Return the ``k`` most similar behaviours that each query may see, by inner product, best first.

        A query sees the behaviours with ``valid_from <= snapshot < valid_to`` of users other than its own;
        where there are fewer than ``k`` of them, it gets fewer. A tie goes to what was added first.

        Args:
            vectors: of the queries, (Q, d) float32.
            k: how many.
            owners: user_id of each query, (Q,).
            snapshots: corpus snapshot of each query, (Q,), UTC seconds.

        Raises:
            ArtifactError: the vectors are of another dimension.
        """
        loaded = self._load()
        found, similarity = loaded.space.top_k(self._fitting(vectors), k, owners, snapshots)
        return [
            [Hit(loaded.behaviour_ids[place], value) for place, value in zip(row, values, strict=True) if place >= 0]
            for row, values in zip(found.tolist(), similarity.tolist(), strict=True)
        ]

    def _fitting(self, vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        if vectors.ndim != 2 or vectors.shape[1] != self.dimension:
            raise ArtifactError(
                f"{self.path}: wanted vectors of dimension {self.dimension}, came shape {vectors.shape}; "
                "encode with the encoder that the index was built with"
            )
        return vectors

    def _load(self) -> Loaded:
        """Return the index in memory, brought up to date where it was written to."""
        with self._lock:
            version = int(self._connection.execute("PRAGMA data_version").fetchone()[0])
            if self._loaded is None or self._version != version:
                self._connection.execute("BEGIN")  # one state of the file
                try:
                    if self._loaded is not None:
                        self._loaded = updated(self._loaded, self._connection, self.dimension)
                    if self._loaded is None:  # the old one is out of memory by now
                        self._loaded = read(self._connection, self.dimension)
                finally:
                    self._connection.rollback()
                self._version = version
            return self._loaded

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """Yield the connection inside a transaction: all that is written, or nothing."""
        with self._lock:
            self._version = -1  # what this connection writes does not count as a new one
            try:
                with self._connection:
                    yield self._connection
            except sqlite3.Error as error:
                raise ArtifactError(
                    f"{self.path}: cannot be written ({error}); nothing was changed. Wait for whoever else is "
                    "writing, or make room, and try again"
                ) from None


def _connect(path: Path) -> sqlite3.Connection:
    # check_same_thread: threads share the index; it locks, for a connection serves one at a time.
    connection = sqlite3.connect(path, timeout=30, check_same_thread=False)
    connection.execute("PRAGMA secure_delete = ON")  # what is replaced is overwritten, not only unlinked
    return connection
