"""Files out of Python packages, for machines that reach nothing but a package registry: downloaded, checked, kept."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from scorerec.core.errors import ArtifactError, ScorerecError
from scorerec.core.storage import FULL, sha256, told_clearly


def cache_folder() -> Path:
    """Return the user's cache folder of scorerec (``$XDG_CACHE_HOME/scorerec`` or ``~/.cache/scorerec``)."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "scorerec"


@dataclass(frozen=True)
class Wheel:
    """A package of a registry that is read and never installed: its dependencies would come with it.

    Attributes:
        brings: what is wanted of it, for messages: "MovieLens-100K".
        requirement: as pip reads it: ``recbole==1.2.1``.
        name: of its file.
        advice: what to do where it does not come, or is another.
        error: the kind of error that says so.
    """

    brings: str
    requirement: str
    name: str
    advice: str
    error: type[ScorerecError]

    def download(self, folder: Path) -> Path:
        """Have pip download it, without its dependencies, into ``folder``; pip unpacks there too.

        Raises:
            OSError: the disk is full; ``kept`` says what to do.
            ScorerecError: pip fails otherwise; of the kind ``error``.
        """
        options = [
            "--no-deps",
            "--only-binary",
            ":all:",
            "--retries",
            "2",
            "--disable-pip-version-check",
            "--quiet",
        ]
        command = [sys.executable, "-m", "pip", "download", *options, "--dest", str(folder), self.requirement]
        place = {**os.environ, "TMPDIR": str(folder)}
        result = subprocess.run(command, capture_output=True, text=True, check=False, env=place)
        wheel = folder / self.name
        if result.returncode or not wheel.is_file():
            said = result.stderr.strip() or result.stdout.strip() or f"no {self.name} came"
            for words in map(os.strerror, FULL):  # pip is another process: its fault comes in words alone
                if words in said:
                    raise OSError(words)
            reason = said.splitlines()[-1]
            raise self.error(f"{self.brings}: pip cannot download {self.requirement} ({reason}); {self.advice}")
        return wheel

    def require_checksum(self, path: Path, wanted: str, advice: str | None = None) -> None:
        """Refuse a file whose SHA-256 is not ``wanted``.

        Args:
            path: the file.
            wanted: its SHA-256, in hexadecimal.
            advice: what to do then; None: as where it does not come.

        Raises:
            ScorerecError: it is another, or cut off; of the kind ``error``.
        """
        came = sha256(path)
        if came != wanted:
            size = path.stat().st_size
            raise self.error(
                f"{path.name}: wanted SHA-256 {wanted}, came {came} ({size:,} bytes); {advice or self.advice}"
            )


def kept(home: Path, is_whole: Callable[[Path], bool], make: Callable[[Path, Path], None]) -> Path:
    """Return ``home``, which is made the first time, and made anew where it is not whole, by one process at a time.

    Args:
        home: a folder of the cache.
        is_whole: whether a folder is as it should be.
        make: fills the folder that is its second argument and not there yet; the first is for what comes on the way,
            and is gone afterwards.

    Raises:
        ArtifactError: the cache is full or cannot be written. Nothing half-written is left.
    """
    if is_whole(home):
        return home
    try:
        return _made(home, is_whole, make)
    except ArtifactError as error:
        raise ArtifactError(f"{error}; XDG_CACHE_HOME can name another cache") from error


def _made(home: Path, is_whole: Callable[[Path], bool], make: Callable[[Path, Path], None]) -> Path:
    with told_clearly(home.parent):
        home.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(home.parent / f".{home.name}.lock")
        with lock, tempfile.TemporaryDirectory(prefix=f".{home.name}-", dir=home.parent) as scratch:
            if is_whole(home):  # a run beside this one made it, while this one waited
                return home
            draft = Path(scratch) / home.name
            make(Path(scratch), draft)
            shutil.rmtree(home, ignore_errors=True)  # incomplete, damaged or outdated: whole ones came back above
            draft.rename(home)
    return home
