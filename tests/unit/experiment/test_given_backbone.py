"""A backbone that is used as it is: its manifest says what it is, never where a machine keeps it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from scorerec.core.artifacts import Draft
from scorerec.experiment.config import load_experiment
from scorerec.experiment.plan import stages_of
from scorerec.experiment.settings import identity_of
from scorerec.experiment.stages import language_model
from scorerec.llm import backbone
from scorerec.llm.config import SMOLLM2


def given(name: str, folder: Path) -> dict[str, Any]:
    draft = Draft(folder)
    run = SimpleNamespace(config=SimpleNamespace(llm=SimpleNamespace(backbone=name)))
    language_model.given_backbone(cast(Any, run), draft)
    return draft.facts


def test_the_manifest_tells_name_type_and_checksum(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(backbone, "smollm2_folder", lambda: tmp_path)
    monkeypatch.setattr(backbone, "smollm2_facts", lambda folder: {"dtype": "bf16", "sha256": "b179"})
    assert given(SMOLLM2, tmp_path) == {"backbone": SMOLLM2, "dtype": "bf16", "sha256": "b179"}
    assert given("meta-llama/Llama-3.1-8B-Instruct", tmp_path) == {"backbone": "meta-llama/Llama-3.1-8B-Instruct"}


def test_folders_of_one_name_and_other_weights_are_told_apart(tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "model.safetensors").write_bytes(b"one")
    one = given(str(model), tmp_path)
    (model / "model.safetensors").write_bytes(b"two")
    assert given(str(model), tmp_path)["files"] != one["files"]


def test_its_identity_is_its_name() -> None:
    config = load_experiment("ml-1m-toy", [f"llm.backbone={SMOLLM2}", "llm.tune=lora"])
    (stage,) = (stage for stage in stages_of(config) if stage.name == "backbone")
    assert identity_of(config, stage.settings) == {"llm.backbone": SMOLLM2}
