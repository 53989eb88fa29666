"""An artifact is whole or absent, whatever happens to the process, the disk and the files."""

import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pytest

from scorerec.core.artifacts import ArtifactStore, fingerprint, read_table
from scorerec.core.errors import ArtifactError
from scorerec.core.tables import ITEMS

IDENTITY = {"code_version": 1, "config": {"a": 1}, "inputs": {}, "seed": 0}
NAME = fingerprint(IDENTITY)


def write(store, rows=1):
    with store.write("data", IDENTITY) as draft:
        draft.write(ITEMS, pa.table({"item_id": ["1"], "title": ["A"]}))
        draft.facts["rows"] = rows


def test_a_finished_stage_is_found_with_its_tables_and_facts(tmp_path):
    store = ArtifactStore(tmp_path)
    write(store)
    artifact = store.find("data", fingerprint(IDENTITY))
    assert artifact.table(ITEMS).to_pylist() == [{"item_id": "1", "title": "A"}]
    assert artifact.facts == {"rows": 1}
    assert artifact.manifest["rows"] == {"items": 1}
    assert store.find("data", "0" * 16) is None


def test_a_failed_stage_leaves_nothing(tmp_path):
    def fail():
        with ArtifactStore(tmp_path).write("data", IDENTITY) as draft:
            draft.write(ITEMS, pa.table({"item_id": ["1"], "title": ["A"]}))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list((tmp_path / "data").iterdir()) == []


def test_whoever_may_read_the_manifest_may_read_all(tmp_path):
    """A service in a container runs as somebody else than who trained, and safetensors writes for its owner alone."""
    with ArtifactStore(tmp_path).write("data", {"seed": 0}) as draft:
        folder = draft.path / "model"
        folder.mkdir()
        (folder / "weights").write_bytes(b"1")
        (folder / "weights").chmod(0o600)
    artifact = ArtifactStore(tmp_path).find("data", fingerprint({"seed": 0}))
    modes = {path.stat().st_mode for path in (artifact.path / "manifest.json", artifact.path / "model" / "weights")}
    assert len(modes) == 1


def test_two_equal_runs_write_equal_bytes(tmp_path):
    files = []
    for name in ("one", "two"):
        write(ArtifactStore(tmp_path / name))
        files.append(next((tmp_path / name).rglob("*.parquet")).read_bytes())
    assert files[0] == files[1]


def test_waiting_takes_seconds_and_no_seconds_of_a_processor(tmp_path):
    def seconds(name, work):
        with ArtifactStore(tmp_path).write(name, {}):
            work()
        (manifest,) = (tmp_path / name).glob("*/manifest.json")
        found = json.loads(manifest.read_text(encoding="utf-8"))
        return found["seconds"], found["cpu_seconds"]

    def work():
        end = time.process_time() + 0.1
        while time.process_time() < end:
            pass

    waited, cpu = seconds("waits", lambda: time.sleep(0.2))
    assert waited >= 0.2
    assert cpu < 0.1
    assert seconds("works", work)[1] >= 0.08  # clock ticks of 0.01


def test_a_damaged_manifest_says_what_to_do(tmp_path):
    store = ArtifactStore(tmp_path)
    write(store)
    manifest = next(tmp_path.rglob("manifest.json"))
    manifest.write_text("{", encoding="utf-8")
    with pytest.raises(ArtifactError, match=r"no usable manifest.json .* makes it anew"):
        store.find("data", fingerprint(IDENTITY))


def test_another_schema_version_is_refused(tmp_path):
    store = ArtifactStore(tmp_path)
    write(store)
    manifest = next(tmp_path.rglob("manifest.json"))
    content = json.loads(manifest.read_text(encoding="utf-8")) | {"schema_version": 0}
    manifest.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ArtifactError, match="schema version 0"):
        store.find("data", fingerprint(IDENTITY))


def test_a_missing_or_damaged_table_is_an_artifact_error(tmp_path):
    with pytest.raises(ArtifactError, match="no such table"):
        read_table(tmp_path, ITEMS)
    store = ArtifactStore(tmp_path)
    write(store)
    artifact = store.find("data", NAME)
    next(tmp_path.rglob("*.parquet")).write_bytes(b"not parquet")
    with pytest.raises(ArtifactError, match="cannot be read"):
        artifact.table(ITEMS)


def cut(path):
    path.write_bytes(path.read_bytes()[:-1])


def flip(path):
    path.write_bytes(path.read_bytes()[:-1] + b"?")


@pytest.mark.parametrize(
    ("harm", "thorough", "said"),
    [
        (cut, False, "part-00000.parquet has [0-9]+ bytes, wanted [0-9]+"),
        (Path.unlink, False, "part-00000.parquet is missing"),
        (flip, True, "part-00000.parquet is not as it was written"),
    ],
)
def test_damage_is_noticed_and_said(tmp_path, harm, thorough, said):
    store = ArtifactStore(tmp_path)
    write(store)
    harm(next(tmp_path.rglob("*.parquet")))
    with pytest.raises(ArtifactError, match=f"damaged .*{said}.*makes it anew"):
        store.find("data", NAME, thorough)


def test_what_is_put_aside_is_kept_and_made_anew_beside(tmp_path):
    store = ArtifactStore(tmp_path)
    for number in (1, 2):
        write(store)
        assert store.set_aside("data", NAME).name == f"{NAME}.damaged-{number}"
        assert store.find("data", NAME) is None
    assert len(list(tmp_path.rglob("*.parquet"))) == 2


def test_what_was_changed_on_purpose_is_in_order(tmp_path):
    store = ArtifactStore(tmp_path)
    write(store)
    flip(next(tmp_path.rglob("*.parquet")))
    store.find("data", NAME).amend(rows={"items": 0})
    assert store.find("data", NAME, thorough=True).manifest["rows"] == {"items": 0}


def test_of_an_unfinished_draft_only_checkpoints_are_left_until_the_next_is_finished(tmp_path):
    store = ArtifactStore(tmp_path)

    def attempt(seen):
        with store.write("data", IDENTITY) as draft:
            seen.extend(sorted(path.name for path in draft.path.rglob("*")))
            for folder in (draft.checkpoint, draft.path / "model" / "checkpoint"):
                folder.mkdir(parents=True, exist_ok=True)
                (folder / "state").write_text("40 steps", encoding="utf-8")
            (draft.path / "model" / "weights").write_text("half", encoding="utf-8")
            if not seen:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        attempt([])
    again = []
    attempt(again)
    assert again == ["checkpoint", "checkpoint", "model", "state", "state"]
    artifact = store.find("data", NAME)
    assert sorted(path.name for path in artifact.path.rglob("*")) == ["manifest.json", "model", "weights"]
    assert [path.name for path in (tmp_path / "data").iterdir()] == [NAME]


@contextmanager
def files_of_at_most(size):
    """Let the kernel refuse to write beyond ``size`` bytes, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(("size", "rows"), [(100, 1), (5000, list(range(5000)))])  # of the table, of the manifest
def test_a_disk_without_room_is_said_and_leaves_nothing(tmp_path, size, rows):
    store = ArtifactStore(tmp_path)
    with files_of_at_most(size), pytest.raises(ArtifactError, match=r"cannot be written .* MiB are free.*Make room"):
        write(store, rows)
    assert list((tmp_path / "data").iterdir()) == []
    write(store)
    assert store.find("data", NAME, thorough=True) is not None


@pytest.mark.parametrize("error", ["No space left on device (os error 28)", "database or disk is full"])
def test_a_library_that_finds_no_room_is_understood(tmp_path, error):
    with pytest.raises(ArtifactError, match="Make room"), ArtifactStore(tmp_path).write("data", IDENTITY):
        raise RuntimeError(error)


def test_another_error_of_a_stage_passes(tmp_path):
    with pytest.raises(FileNotFoundError), ArtifactStore(tmp_path).write("data", IDENTITY):
        Path("/nowhere/at/all").read_text(encoding="utf-8")


@pytest.fixture
def read_only_folder():
    """A folder that this process may read and not write, also where the tests are run by root."""
    with tempfile.TemporaryDirectory() as name:
        folder, user = Path(name), os.geteuid()
        folder.chmod(0o555)
        if user == 0:
            os.seteuid(65534)
        yield folder
        os.seteuid(user)
        folder.chmod(0o755)


def test_a_read_only_folder_is_said(read_only_folder):
    store = ArtifactStore(read_only_folder / "artifacts")
    with pytest.raises(ArtifactError, match=r"Permission denied.*Make this folder one that you may write to"):
        write(store)
    with pytest.raises(ArtifactError, match="Make this folder one"), store.alone("data", NAME):
        pass


def test_a_file_where_the_folder_should_be_is_said(tmp_path):
    (tmp_path / "artifacts").touch()
    with pytest.raises(ArtifactError, match="choose another folder"):
        write(ArtifactStore(tmp_path / "artifacts"))


def test_two_that_write_the_same_artifact_take_turns(tmp_path):
    store, order, told = ArtifactStore(tmp_path), [], threading.Event()

    def second():
        with store.alone("data", NAME, lambda owner: (order.append(owner), told.set())):
            order.append("second")

    with store.alone("data", NAME):
        thread = threading.Thread(target=second)
        thread.start()
        assert told.wait(10)
        order.append("first")
    thread.join(10)
    assert order == [f"process {os.getpid()} on {os.uname().nodename}", "first", "second"]


def test_a_process_that_is_killed_gives_its_lock_back(tmp_path):
    code = (
        "import pathlib, sys, time; from scorerec.core.artifacts import ArtifactStore\n"
        "with ArtifactStore(pathlib.Path(sys.argv[1])).alone('data', 'x'): print('held', flush=True); time.sleep(60)"
    )
    waited = []
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        killer = threading.Timer(0.1, process.kill)
        with ArtifactStore(tmp_path).alone("data", "x", lambda owner: (waited.append(owner), killer.start())):
            pass
    assert waited == [f"process {process.pid} on {os.uname().nodename}"]
