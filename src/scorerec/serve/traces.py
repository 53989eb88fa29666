"""What stands for a user in the tables of artifacts, and how it is taken out of them (ADR 0020)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from scorerec.core.artifacts import MANIFEST, Artifact, write_part
from scorerec.core.columns import BEHAVIOUR_ID, NEIGHBOUR_ID, QUERY_ID, ROW_ID, TARGET_ID, USER_ID
from scorerec.core.storage import replace_file
from scorerec.experiment.plan import holdings
from scorerec.experiment.run import open_index
from scorerec.pipeline.producers import without_behaviours

_NOTE = "rows of forgotten users are gone: this is no longer what the same inputs would give"


class Traces:
    """The ids that stand for one user: of rows, queries, targets and behaviours, in whatever snapshot.

    Args:
        user_id: the user.
        artifacts: all whose tables say which ids are whose.
    """

    def __init__(self, user_id: str, artifacts: Collection[Artifact]):
        self.user_id = user_id
        paths = [path for artifact in artifacts for path in _parts(artifact)]
        self.ids: dict[str, set[Any]] = {USER_ID: {user_id}}
        for column, owner in (
            (ROW_ID, USER_ID),
            (QUERY_ID, USER_ID),
            (BEHAVIOUR_ID, USER_ID),
            (TARGET_ID, QUERY_ID),
        ):
            self.ids[column] = set(_ids_of(paths, column, owner, self.ids[owner]))
        self.ids[NEIGHBOUR_ID] = self.ids[BEHAVIOUR_ID]

    def __bool__(self) -> bool:
        return any(found for column, found in self.ids.items() if column != USER_ID)

    def take_out(self, artifact: Artifact) -> Counter[str]:
        """Take the user out of an artifact, and say so in its manifest.

        Rows that are the user's, or that name one of their behaviours, go; prompts of other users lose these
        behaviours. Every file is replaced in one step, and an attempt that was interrupted can be repeated.

        Returns:
            Rows that went, by table, ``index`` among them; ``changed``: prompts that lost something.
        """
        gone, is_open = Counter[str](), not artifact.manifest["files"]
        # Tables that say which ids are whose go last.
        for path in sorted(_parts(artifact), key=lambda path: USER_ID in pq.read_schema(path).names):
            table = pq.read_table(path)
            others = table.filter(pc.invert(self._is_theirs(table)))
            left, n_changed = without_behaviours(others, self.ids[BEHAVIOUR_ID])
            if n_changed or left.num_rows < table.num_rows:
                is_open = is_open or _open(artifact)
                write_part(path, left)
                gone.update({path.parent.name: table.num_rows - left.num_rows, "changed": n_changed})
        for name in (name for name, holds in (holdings(artifact.stage) or {}).items() if holds == "index"):
            is_open = is_open or _open(artifact)
            with open_index(artifact.path / name) as index:
                gone["index"] += index.delete_user(self.user_id)
        if is_open:
            _close(artifact)
        return gone

    def _is_theirs(self, table: pa.Table) -> pa.Array:
        """Return which rows go, (N,) bool."""
        mask = np.zeros(table.num_rows, bool)
        for column in self.ids.keys() & set(table.column_names):
            wanted = pa.array(sorted(self.ids[column]), table.schema.field(column).type)
            mask |= pc.is_in(table[column], wanted).to_numpy()
        return pa.array(mask)


def _parts(artifact: Artifact) -> list[Path]:
    return sorted(artifact.path.glob("*/part-*.parquet"))


def _ids_of(paths: Iterable[Path], column: str, owner: str, owners: Collection[str]) -> Iterator[Any]:
    wanted = pa.array(sorted(owners), pa.string())
    for path in paths:
        if {column, owner} <= set(pq.read_schema(path).names):
            table = pq.read_table(path, columns=[column, owner])
            yield from table.filter(pc.is_in(table[owner], wanted))[column].to_pylist()


def _open(artifact: Artifact) -> bool:
    """Let the manifest vouch for no file while they change: whoever is interrupted finds it whole, and goes on."""
    replace_file(artifact.path / MANIFEST, json.dumps({**artifact.manifest, "files": {}}, sort_keys=True) + "\n")
    return True


def _close(artifact: Artifact) -> None:
    """Let the manifest vouch for the files as they are now, and say how many rows it lacks."""
    rows = Counter[str]()
    for path in _parts(artifact):
        rows[path.parent.name] += pq.read_metadata(path).num_rows
    before = Counter[str](artifact.manifest.get("forgotten", {}).get("rows", {}))
    went = before + (Counter(artifact.manifest["rows"]) - rows)
    kept = {name: rows[name] for name in artifact.manifest["rows"]}
    artifact.amend(rows=kept, forgotten={"rows": dict(went), "note": _NOTE})
