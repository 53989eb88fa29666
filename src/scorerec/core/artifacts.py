"""Where stages leave their results: one folder per stage and fingerprint, complete or absent.

A stage writes into a temporary sibling, its manifest last, and the folder is then renamed; so a folder with
its final name is always whole. Timings live in the manifest: the tables of two equal runs are byte-equal.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from scorerec.core.errors import ArtifactError
from scorerec.core.tables import TableSchema

SCHEMA_VERSION = 1
_PACKAGES = ("scorerec", "numpy", "pyarrow", "torch", "transformers", "sentence-transformers", "peft")


def fingerprint(parts: Mapping[str, Any]) -> str:
    """Return 16 hex digits that change whenever any part changes.

    >>> fingerprint({"a": 1}) == fingerprint({"a": 1}) != fingerprint({"a": 2})
    True
    """
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def write_table(folder: Path, schema: TableSchema, table: pa.Table) -> pa.Table:
    """Check ``table`` and write it as ``folder/<name>/part-00000.parquet``; return the checked table."""
    checked = schema.check(table)
    parts = folder / schema.name
    parts.mkdir(parents=True, exist_ok=True)
    write_part(parts / "part-00000.parquet", checked)
    return checked


def write_part(path: Path, table: pa.Table) -> None:
    """Write one file of a table, in one step in the place of what is there."""
    partial = path.with_name(path.name + ".partial")
    pq.write_table(table, partial, compression="zstd")
    partial.replace(path)


def read_table(folder: Path, schema: TableSchema) -> pa.Table:
    """Read and check the table that ``write_table`` left in ``folder``.

    Raises:
        ArtifactError: the table is missing, unreadable, or not of this schema.
    """
    path = folder / schema.name
    if not path.is_dir():
        raise ArtifactError(f"{path}: no such table; run the stage that writes {schema.name!r} first")
    try:
        table = pa.concat_tables([pq.read_table(part) for part in sorted(path.glob("part-*.parquet"))])
    except (pa.ArrowException, OSError, ValueError) as error:
        raise ArtifactError(f"{path}: cannot be read ({error}); delete this folder and run again") from None
    return schema.check(table)


@dataclass(frozen=True)
class Artifact:
    """One finished stage on disk."""

    path: Path
    manifest: Mapping[str, Any]

    @property
    def fingerprint(self) -> str:
        """The fingerprint that names the folder."""
        return str(self.manifest["fingerprint"])

    @property
    def facts(self) -> dict[str, Any]:
        """What the stage reported about itself: training curves, quality, counts."""
        return dict(self.manifest["facts"])

    def table(self, schema: TableSchema) -> pa.Table:
        """Read one of the stage's tables."""
        return read_table(self.path, schema)


@dataclass
class Draft:
    """A stage's folder while it is being written."""

    path: Path
    rows: dict[str, int] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    def write(self, schema: TableSchema, table: pa.Table) -> None:
        """Add one table to the artifact."""
        self.rows[schema.name] = write_table(self.path, schema, table).num_rows


class ArtifactStore:
    """All artifacts below one folder: ``<root>/<stage>/<fingerprint>/``."""

    def __init__(self, root: Path):
        self.root = root

    def find(self, stage: str, stage_fingerprint: str) -> Artifact | None:
        """Return the finished artifact, or None where the stage has not run with these inputs.

        Raises:
            ArtifactError: the folder is there and its manifest cannot be used.
        """
        path = self.root / stage / stage_fingerprint
        if not path.is_dir():
            return None
        try:
            manifest = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ArtifactError(
                f"{path}: no usable manifest.json ({error}); delete this folder and run again"
            ) from None
        written = manifest.get("schema_version")
        if written != SCHEMA_VERSION:
            raise ArtifactError(
                f"{path}: written with schema version {written}, this is {SCHEMA_VERSION}; "
                "delete this folder and run again"
            )
        return Artifact(path, manifest)

    @contextmanager
    def write(self, stage: str, identity: Mapping[str, Any]) -> Iterator[Draft]:
        """Write one artifact: yields a draft, and makes it final when the block ends without an error.

        Args:
            stage: the stage's name.
            identity: everything that decides the result (code version, config, input fingerprints, seed).
        """
        name = fingerprint(identity)
        home = self.root / stage
        home.mkdir(parents=True, exist_ok=True)
        draft = Draft(Path(tempfile.mkdtemp(prefix=f".{name}-", dir=home)))
        start = time.perf_counter()
        try:
            yield draft
            manifest = {
                "schema_version": SCHEMA_VERSION,
                "stage": stage,
                "fingerprint": name,
                **identity,
                "packages": package_versions(),
                "rows": draft.rows,
                "facts": draft.facts,
                "seconds": round(time.perf_counter() - start, 3),
            }
            text = json.dumps(manifest, indent=2, sort_keys=True, default=str) + "\n"
            (draft.path / "manifest.json").write_text(text, encoding="utf-8")
            if not (home / name).exists():  # another run may have finished the same stage meanwhile
                draft.path.rename(home / name)
        except BaseException:
            shutil.rmtree(draft.path, ignore_errors=True)
            raise
        shutil.rmtree(draft.path, ignore_errors=True)


def package_versions() -> dict[str, str]:
    """Return the installed versions of the packages that decide a result."""
    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions
