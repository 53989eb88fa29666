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
from scorerec.core.storage import replace_file
from scorerec.core.tables import SEGMENT
from scorerec.experiment.plan import holdings
from scorerec.retrieve.index import BehaviourIndex
from scorerec.text.prompts import without_behaviours
from scorerec.text.segments import from_rows, to_rows

_NOTE = "rows of forgotten users are gone: this is no longer what the same inputs would give"
_BLOCK = 20_000  # prompts at a time


class Traces:
    """The ids that stand for one user: of rows, queries, targets and behaviours, in whatever snapshot.

    Args:
        user_id: the user.
        artifacts: all whose tables say which ids are whose.
    """

    def __init__(self, user_id: str, artifacts: Collection[Artifact]):
        self.user_id = user_id
        paths = [path for artifact in artifacts for path in _parts(artifact)]
        self.ids: dict[str, set[Any]] = {"user_id": {user_id}}
        for column, owner in (
            ("row_id", "user_id"),
            ("query_id", "user_id"),
            ("behaviour_id", "user_id"),
            ("target_id", "query_id"),
        ):
            self.ids[column] = set(_ids_of(paths, column, owner, self.ids[owner]))
        self.ids["neighbour_id"] = self.ids["behaviour_id"]

    def __bool__(self) -> bool:
        return any(found for column, found in self.ids.items() if column != "user_id")

    def take_out(self, artifact: Artifact) -> Counter[str]:
        """Take the user out of an artifact, and say so in its manifest.

        Rows that are the user's, or that name one of their behaviours, go; prompts of other users lose these
        behaviours. Every file is replaced in one step, and an attempt that was interrupted can be repeated.

        Returns:
            Rows that went, by table, ``index`` among them; ``changed``: prompts that lost something.
        """
        gone, is_open = Counter[str](), not artifact.manifest["files"]
        # Tables that say which ids are whose go last.
        for path in sorted(_parts(artifact), key=lambda path: "user_id" in pq.read_schema(path).names):
            table = pq.read_table(path)
            left, n_changed = self._without_behaviours(table.filter(pc.invert(self._is_theirs(table))))
            if n_changed or left.num_rows < table.num_rows:
                is_open = is_open or _open(artifact)
                write_part(path, left)
                gone.update({path.parent.name: table.num_rows - left.num_rows, "changed": n_changed})
        for name in (name for name, holds in (holdings(artifact.stage) or {}).items() if holds == "index"):
            is_open = is_open or _open(artifact)
            with BehaviourIndex.open(artifact.path / name) as index:
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

    def _without_behaviours(self, table: pa.Table) -> tuple[pa.Table, int]:
        """Return PROMPTS without the user's behaviours, and how many prompts that changed; other tables as they are."""
        if "segments" not in table.column_names:
            return table, 0
        chunks, n_changed = [], 0
        for batch in table.select(["segments"]).to_batches(max_chunksize=_BLOCK):
            column = batch.column(0)
            shown = pc.is_in(column.flatten().field("behaviour_id"), pa.array(self.ids["behaviour_id"], pa.string()))
            changed = pc.unique(pc.list_parent_indices(column).filter(shown)).to_numpy()
            texts = [
                to_rows(without_behaviours(from_rows(segments), self.ids["behaviour_id"]))
                for segments in column.take(pa.array(changed)).to_pylist()
            ]
            order = np.arange(len(column))
            order[changed] = len(column) + np.arange(len(changed))
            chunks.append(pa.concat_arrays([column, pa.array(texts, column.type)]).take(pa.array(order)))
            n_changed += len(changed)
        place = table.schema.get_field_index("segments")
        return table.set_column(place, "segments", pa.chunked_array(chunks, pa.list_(SEGMENT))), n_changed


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
