"""Writing that survives: a file is whole or not there, faults of the disk are told clearly, damage is noticed."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scorerec.core.errors import ArtifactError, ScorerecError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # what a system says of a disk, quota or limit that is used up
_REFUSED = (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EEXIST)
# Libraries that write by themselves raise errors of their own, but quote the system's words.
_QUOTED = {os.strerror(code): code for code in (*FULL, errno.EROFS, errno.EIO)} | {"disk is full": errno.ENOSPC}


@contextmanager
def told_clearly(folder: Path) -> Iterator[None]:
    """Turn a full or failing disk, and a folder that cannot be written, into one error that says what to do.

    Args:
        folder: where the block writes.

    Raises:
        ArtifactError: instead of such a fault; any other error passes.
    """
    try:
        yield
    except ScorerecError:
        raise
    except Exception as error:
        advice = _advice(error, folder)
        if advice is None:
            raise
        raise ArtifactError(
            f"{folder}: cannot be written ({error}). {advice}, and run again: what was finished is kept"
        ) from error


_OF_SQLITE = ("-wal", "-shm")  # ends of names


def _advice(error: Exception, folder: Path) -> str | None:
    code = error.errno if isinstance(error, OSError) else None
    if code is None:
        code = next((code for words, code in _QUOTED.items() if words in str(error)), None)
    if code in FULL:
        free = shutil.disk_usage(_nearest(folder)).free
        return (
            f"{free / 2**20:,.0f} MiB are free on this disk. Make room, raise the quota or the limit on the size of "
            "files, or choose another folder"
        )
    if code == errno.EIO:
        return "The disk fails: check it, or choose a folder on another one"
    cannot_be_made = code == errno.ENOENT and not folder.exists()  # what a file system of the kernel's own answers
    if code == errno.EROFS or cannot_be_made or (code in _REFUSED and _is_about(error, folder)):
        return "Make this folder one that you may write to, or choose another folder"
    return None


def _is_about(error: Exception, folder: Path) -> bool:
    """Whether a fault concerns this folder: a file elsewhere, such as a source, has reasons of its own."""
    name = getattr(error, "filename", None)
    if name is None:
        return not os.access(_nearest(folder), os.W_OK)
    named = Path(str(name))
    return named.is_relative_to(folder) or folder.is_relative_to(named)


def _nearest(folder: Path) -> Path:
    return next(path for path in (folder, *folder.absolute().parents) if os.path.exists(path))  # noqa: PTH110


def replace_file(path: Path, content: str | bytes) -> None:
    """Write a file, text as UTF-8, in one step in the place of what is there; it is on the disk on return.

    Raises:
        ArtifactError: it cannot be written.
    """
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")  # two processes may write the same file
    with told_clearly(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(content.encode() if isinstance(content, str) else content)
        sync(partial)
        partial.replace(path)
        sync(path.parent)


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk rather than in memory."""
    if os.name == "nt" and path.is_dir():
        return  # a folder cannot be opened there
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """Do what ``sync`` does for a folder and all that is in it."""
    for path in (*folder.rglob("*"), folder):
        sync(path)


def share_tree(folder: Path, like: Path) -> None:
    """Let whoever may read one file read all below a folder: some libraries write for the owner alone.

    Args:
        folder: whose files get the permissions.
        like: the file whose permissions they get.
    """
    permissions = stat.S_IMODE(like.stat().st_mode)
    for path in folder.rglob("*"):
        if path.is_file():
            path.chmod(permissions)


def contents(folder: Path) -> dict[str, dict[str, Any]]:
    """Return size in bytes and SHA-256 of every file below ``folder``, by its path in there.

    What SQLite keeps beside a database while somebody has it open is none of them: it goes when the last one closes it.
    """
    return {
        path.relative_to(folder).as_posix(): {"bytes": path.stat().st_size, "sha256": sha256(path)}
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith(_OF_SQLITE)
    }


def damage(folder: Path, files: Mapping[str, Mapping[str, Any]], thorough: bool) -> str | None:
    """Say what is wrong with the first file that is not as ``contents`` found it; None where all are.

    Args:
        folder: where the files lie; others beside them do not matter.
        files: what ``contents`` returned.
        thorough: read the files, rather than compare sizes alone.
    """
    for name, wanted in files.items():
        path = folder / name
        if not path.is_file():
            return f"{name} is missing"
        if (size := path.stat().st_size) != wanted["bytes"]:
            return f"{name} has {size:,} bytes, wanted {wanted['bytes']:,}"
        if thorough and sha256(path) != wanted["sha256"]:
            return f"{name} is not as it was written, its SHA-256 differs"
    return None


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, as 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
