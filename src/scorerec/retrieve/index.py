"""A persistent index of behaviours: one SQLite file, exact search, nothing to run beside the program."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from scorerec.core.errors import ArtifactError
from scorerec.core.tables import BEHAVIOURS
from scorerec.retrieve.neighbours import Visibility, top_k
from scorerec.retrieve.vectors import vector_matrix

_VERSION = "1"
_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE behaviours (
    behaviour_id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    valid_from INTEGER NOT NULL,
    valid_to INTEGER NOT NULL,
    item_ids TEXT NOT NULL,
    vector BLOB NOT NULL
);
CREATE INDEX behaviours_of_user ON behaviours (user_id);
"""


class Hit(NamedTuple):
    """One behaviour that was found."""

    behaviour_id: str
    similarity: float


class _Loaded(NamedTuple):
    """What a search needs, in order of behaviour_id."""

    version: int  # of the file, see _data_version
    behaviour_ids: list[str]
    owners: list[str]  # user ids
    valid_from: npt.NDArray[np.int64]  # (N,)
    valid_to: npt.NDArray[np.int64]  # (N,)
    vectors: npt.NDArray[np.float32]  # (N, d)


class BehaviourIndex:
    """Behaviours and their vectors in one file; use ``create`` or ``open``.

    Attributes:
        path: the file.
        encoder: fingerprint of the encoder whose vectors it holds.
        dimension: of a vector.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, encoder: str, dimension: int):
        self.path, self.encoder, self.dimension = path, encoder, dimension
        self._connection = connection
        self._loaded: _Loaded | None = None

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
            ArtifactError: the vectors are of another dimension.
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
        self._loaded = None
        with self._connection:
            self._connection.executemany("INSERT OR REPLACE INTO behaviours VALUES (?, ?, ?, ?, ?, ?)", values)

    def delete_user(self, user_id: str) -> int:
        """Forget a user; return how many behaviours went."""
        self._loaded = None
        with self._connection:
            return self._connection.execute("DELETE FROM behaviours WHERE user_id = ?", (user_id,)).rowcount

    def behaviours(self) -> pa.Table:
        """Return what is in the index, in order of behaviour_id (BEHAVIOURS)."""
        names = BEHAVIOURS.columns.names
        rows = self._connection.execute(f"SELECT {', '.join(names)} FROM behaviours ORDER BY behaviour_id")
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
        where there are fewer than ``k`` of them, it gets fewer. A tie goes to the smaller behaviour_id.

        Args:
            vectors: of the queries, (Q, d) float32.
            k: how many.
            owners: user_id of each query, (Q,).
            snapshots: corpus snapshot of each query, (Q,), UTC seconds.

        Raises:
            ArtifactError: the vectors are of another dimension.
        """
        loaded = self._load()
        found, similarity = top_k(
            self._fitting(vectors),
            loaded.vectors,
            k,
            query_owner=owners,
            corpus_owner=loaded.owners,
            visible=Visibility(snapshots, loaded.valid_from, loaded.valid_to),
        )
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

    def _load(self) -> _Loaded:
        """Return the whole index in memory, read again when another process has written."""
        version = int(self._connection.execute("PRAGMA data_version").fetchone()[0])
        if self._loaded is None or self._loaded.version != version:
            rows = self._connection.execute(
                "SELECT behaviour_id, user_id, valid_from, valid_to, vector FROM behaviours ORDER BY behaviour_id"
            ).fetchall()
            flat = np.frombuffer(b"".join(row[4] for row in rows), dtype="<f4").astype(np.float32, copy=False)
            self._loaded = _Loaded(
                version,
                [row[0] for row in rows],
                [row[1] for row in rows],
                np.array([row[2] for row in rows], dtype=np.int64),
                np.array([row[3] for row in rows], dtype=np.int64),
                flat.reshape(len(rows), self.dimension),
            )
        return self._loaded


def _connect(path: Path) -> sqlite3.Connection:
    # check_same_thread: a server's threads share the index; SQLite itself serialises them.
    connection = sqlite3.connect(path, timeout=30, check_same_thread=False)
    connection.execute("PRAGMA secure_delete = ON")  # what is forgotten is overwritten, not only unlinked
    return connection
