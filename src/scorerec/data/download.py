"""MovieLens-100K out of RecBole's wheel, for machines that reach nothing but a package registry."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from scorerec.core.errors import DataError

_REQUIREMENT = "recbole==1.2.1"
_WHEEL = "recbole-1.2.1-py3-none-any.whl"
_WHEEL_SHA256 = "9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407"
_INSIDE = "recbole/dataset_example/ml-100k"
_FILES_SHA256 = {
    "ml-100k.inter": "4edb74e2a81178c2ba9ff381495f754f996c4aea351b1272ca36b43da0935eff",
    "ml-100k.item": "51d7cdf777ce5c0f5b32c1d947a4a81fe07d75e78abbe761e0cd4d0756064532",
}
_ADVICE = (
    "on a machine without a package registry set data.path to a folder with MovieLens-100K: u.data and "
    "u.item as published, or RecBole's ml-100k.inter and ml-100k.item"
)


def cache_folder() -> Path:
    """Return the user's cache folder of scorerec (``$XDG_CACHE_HOME/scorerec`` or ``~/.cache/scorerec``)."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "scorerec"


def download_wheel(folder: Path) -> Path:
    """Have pip download RecBole's wheel, without its dependencies, into ``folder``.

    Raises:
        DataError: pip fails; the message ends with what else can be done.
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
    command = [sys.executable, "-m", "pip", "download", *options, "--dest", str(folder), _REQUIREMENT]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    wheel = folder / _WHEEL
    if result.returncode or not wheel.is_file():
        reason = (result.stderr.strip() or result.stdout.strip() or f"no {_WHEEL} came").splitlines()[-1]
        raise DataError(f"MovieLens-100K: pip cannot download {_REQUIREMENT} ({reason}); {_ADVICE}")
    return wheel


def fetch_movielens_100k(cache: Path, download: Callable[[Path], Path] = download_wheel) -> Path:
    """Return a folder with ``ml-100k.inter`` and ``ml-100k.item``, downloading them the first time.

    Args:
        cache: folder that keeps the files between runs.
        download: puts RecBole's wheel into a given folder and returns its path.

    Raises:
        DataError: the download fails, or a checksum is not that of the published wheel.
    """
    home = cache / "ml-100k"
    if _is_whole(home):
        return home
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".ml-100k-", dir=cache) as scratch:
        draft = Path(scratch) / "ml-100k"
        _extract(download(Path(scratch)), draft)
        shutil.rmtree(home, ignore_errors=True)  # only what is incomplete or damaged gets here
        try:
            draft.rename(home)
        except OSError:
            if not _is_whole(home):  # a run beside this one may have been faster
                raise
    return home


def _extract(wheel: Path, folder: Path) -> None:
    _require_checksum(wheel, _WHEEL_SHA256)
    folder.mkdir()
    with zipfile.ZipFile(wheel) as archive:
        for name, checksum in _FILES_SHA256.items():
            (folder / name).write_bytes(archive.read(f"{_INSIDE}/{name}"))
            _require_checksum(folder / name, checksum)


def _is_whole(folder: Path) -> bool:
    return all(
        (folder / name).is_file() and _sha256(folder / name) == checksum for name, checksum in _FILES_SHA256.items()
    )


def _require_checksum(path: Path, wanted: str) -> None:
    came = _sha256(path)
    if came != wanted:
        raise DataError(f"{path.name}: wanted SHA-256 {wanted}, the download has {came}; {_ADVICE}")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
