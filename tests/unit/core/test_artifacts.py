"""An artifact is whole or absent."""

import json

import pyarrow as pa
import pytest

from scorerec.core.artifacts import ArtifactStore, fingerprint, read_table
from scorerec.core.errors import ArtifactError
from scorerec.core.tables import ITEMS

IDENTITY = {"code_version": 1, "config": {"a": 1}, "inputs": {}, "seed": 0}


def write(store):
    with store.write("data", IDENTITY) as draft:
        draft.write(ITEMS, pa.table({"item_id": ["1"], "title": ["A"]}))
        draft.facts["rows"] = 1


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


def test_two_equal_runs_write_equal_bytes(tmp_path):
    files = []
    for name in ("one", "two"):
        write(ArtifactStore(tmp_path / name))
        files.append(next((tmp_path / name).rglob("*.parquet")).read_bytes())
    assert files[0] == files[1]


def test_a_damaged_manifest_says_what_to_do(tmp_path):
    store = ArtifactStore(tmp_path)
    write(store)
    manifest = next(tmp_path.rglob("manifest.json"))
    manifest.write_text("{", encoding="utf-8")
    with pytest.raises(ArtifactError, match="delete this folder"):
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
    part = next(tmp_path.rglob("*.parquet"))
    part.write_bytes(b"not parquet")
    with pytest.raises(ArtifactError, match="cannot be read"):
        store.find("data", fingerprint(IDENTITY)).table(ITEMS)
