"""Where stages leave their results: one folder per stage and fingerprint, complete or absent.

A stage writes into a draft beside it, its manifest last, and the folder is then renamed; so a folder with its final
name is whole, and the manifest's checksums tell when that is no longer so. Timings live in the manifest: the tables
of two equal runs are byte-equal. ADR 0019 says what happens when a run is killed, or two runs meet.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from scorerec.core.errors import ArtifactError
from scorerec.core.storage import contents, damage, replace_file, share_tree, sync, sync_tree, told_clearly
from scorerec.core.tables import TableSchema

SCHEMA_VERSION = 3
MANIFEST = "manifest.json"
MODEL = "model"  # the folder of a draft in which a stage keeps what it trained
CHECKPOINT = "checkpoint"  # a folder anywhere in a draft, in which a training keeps what it needs to go on
SECONDS_BEFORE = "seconds_before"  # a fact: what a training took before it was interrupted, and gone on with
_PACKAGES = ("scorerec", "numpy", "pyarrow", "torch", "transformers", "sentence-transformers", "peft")


def fingerprint(parts: Mapping[str, Any]) -> str:
    """Return 16 hex digits that change whenever any part changes.

    >>> fingerprint({"a": 1}) == fingerprint({"a": 1}) != fingerprint({"a": 2})
    True
    """
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def write_table(folder: Path, schema: TableSchema, table: pa.Table) -> pa.Table:
    """Check ``table`` and write it as ``folder/<name>/part-00000.parquet``; return the checked table.

    Args:
        folder: of all tables of an artifact.
        schema: names the table, and says what it must be like.
        table: in the columns of the schema; in others too where it is open.
    """
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
    def stage(self) -> str:
        """The stage that wrote it."""
        return str(self.manifest["stage"])

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

    def amend(self, **changes: Any) -> None:
        """Note in the manifest that files were changed on purpose, and how they are now.

        Args:
            changes: other entries of the manifest that are different from now on.
        """
        _write_manifest(self.path, {**self.manifest, **changes})


@dataclass
class Draft:
    """A stage's folder while it is being written."""

    path: Path
    rows: dict[str, int] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def checkpoint(self) -> Path:
        """A folder for what a training needs to go on; it outlives a run that is killed, and not the draft."""
        return self.path / CHECKPOINT

    def write(self, schema: TableSchema, table: pa.Table) -> None:
        """Add one table to the artifact."""
        self.rows[schema.name] = write_table(self.path, schema, table).num_rows


class ArtifactStore:
    """All artifacts below one folder: ``<root>/<stage>/<fingerprint>/``."""

    def __init__(self, root: Path):
        self.root = root

    def find(self, stage: str, stage_fingerprint: str, thorough: bool = False) -> Artifact | None:
        """Return the finished artifact, or None where the stage has not run with these inputs.

        Args:
            stage: the stage's name.
            stage_fingerprint: of the stage's identity.
            thorough: compare checksums, rather than the sizes of files alone.

        Raises:
            ArtifactError: the folder is there, and damaged, unfinished or of another version.
        """
        path = self.root / stage / stage_fingerprint
        if not path.is_dir():
            return None
        try:
            manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
            written = manifest["schema_version"]
            files = dict(manifest["files"]) if written == SCHEMA_VERSION else {}
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise ArtifactError(f"{path}: no usable {MANIFEST} ({error!r}); `scorerec run` makes it anew") from None
        if written != SCHEMA_VERSION:
            raise ArtifactError(
                f"{path}: written with schema version {written}, this is {SCHEMA_VERSION}; `scorerec run` makes it anew"
            )
        if fault := damage(path, files, thorough):
            raise ArtifactError(f"{path}: damaged ({fault}); `scorerec run` makes it anew")
        return Artifact(path, manifest)

    @contextmanager
    def alone(
        self, stage: str, stage_fingerprint: str, waits: Callable[[str], None] = lambda _: None
    ) -> Iterator[None]:
        """Keep other processes from writing the same artifact during the block; where one does, wait for it.

        The system gives the lock back when its process dies, however it dies.

        Args:
            stage: the stage's name.
            stage_fingerprint: of the stage's identity.
            waits: is told who is writing, before the wait.

        Raises:
            ArtifactError: the folder cannot be written.
        """
        path = self.root / stage / f".{stage_fingerprint}.lock"
        with told_clearly(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(path)
            try:
                lock.acquire(blocking=False)
            except Timeout:
                waits(path.read_text(encoding="utf-8") or "another process")
                lock.acquire(poll_interval=0.2)
        try:
            with told_clearly(path.parent):
                path.write_text(f"process {os.getpid()} on {platform.node()}", encoding="utf-8")
            yield
        finally:
            lock.release()

    def set_aside(self, stage: str, stage_fingerprint: str) -> Path:
        """Give an unusable artifact another name, so that it can be made anew and nothing is lost; return its path."""
        path = self.root / stage / stage_fingerprint
        number = 1
        while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
            number += 1
        with told_clearly(path.parent):
            return path.rename(aside)

    @contextmanager
    def write(self, stage: str, identity: Mapping[str, Any]) -> Iterator[Draft]:
        """Write one artifact: yields a draft, and makes it final when the block ends without an error.

        Of a draft that was not finished, checkpoints are kept for the next attempt. Where several processes may
        write the same artifact, do it ``alone``.

        Args:
            stage: the stage's name.
            identity: everything that decides the result (code version, config, input fingerprints, seed).

        Raises:
            ArtifactError: the disk is full or fails, or the folder cannot be written.
        """
        name = fingerprint(identity)
        home = self.root / stage
        draft = Draft(home / f".{name}.draft")
        start, cpu = time.perf_counter(), _cpu_seconds()
        with told_clearly(home):
            _sweep(draft.path)
            draft.path.mkdir(parents=True, exist_ok=True)
            try:
                yield draft
                for checkpoint in list(draft.path.rglob(CHECKPOINT)):
                    shutil.rmtree(checkpoint)
                manifest = {
                    "schema_version": SCHEMA_VERSION,
                    "stage": stage,
                    "fingerprint": name,
                    **identity,
                    "packages": package_versions(),
                    "rows": draft.rows,
                    "facts": draft.facts,
                    "seconds": round(time.perf_counter() - start + draft.facts.get(SECONDS_BEFORE, 0.0), 3),
                    "cpu_seconds": round(_cpu_seconds() - cpu, 3),
                }
                _write_manifest(draft.path, manifest)
                share_tree(draft.path, draft.path / MANIFEST)
                sync_tree(draft.path)
                draft.path.rename(home / name)
                sync(home)
            except BaseException:
                _sweep(draft.path)
                raise


def _cpu_seconds() -> float:
    """Return the seconds that processors have worked for this process and its children.

    Seconds on a wall go on while a process is stopped (Ctrl-Z) or waits for its turn; these do not.
    """
    return sum(os.times()[:4])  # user and system, of its own and of children that have ended


def _write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    files = contents(folder)
    files.pop(MANIFEST, None)
    text = json.dumps({**manifest, "files": files}, indent=2, sort_keys=True, default=str) + "\n"
    replace_file(folder / MANIFEST, text)


def _sweep(draft: Path) -> None:
    """Remove what an unfinished draft holds, but for the checkpoints of its training."""
    for path in sorted(draft.rglob("*"), reverse=True):  # what is in a folder before the folder
        if CHECKPOINT in path.relative_to(draft).parts:
            continue
        if path.is_dir() and not path.is_symlink():
            with suppress(OSError):  # not empty: a checkpoint is in it
                path.rmdir()
        else:
            path.unlink()
    with suppress(OSError):
        draft.rmdir()


def package_versions() -> dict[str, str]:
    """Return the installed versions of the packages that decide a result."""
    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions
