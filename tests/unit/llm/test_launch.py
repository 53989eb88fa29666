"""Several processes are told all that one would be told."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from scorerec.core.errors import ModelError
from scorerec.llm.config import LLMConfig
from scorerec.llm.launch import TableFolders, tune_together
from scorerec.llm.score import tuned_backbone, tuned_config


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[list[str]]:
    """Start nothing; note what would have been, and leave facts as the first process does."""
    commands: list[list[str]] = []

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        (tmp_path / "out" / "facts.json").write_text(json.dumps({"rows_seen": 7}), encoding="utf-8")
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", run)
    return commands


def test_the_processes_are_told_all_of_it(started: list[list[str]], tmp_path: Path) -> None:
    config, out = LLMConfig(processes=2, epochs=1), tmp_path / "out"
    facts = tune_together("a/model", TableFolders(tmp_path / "p", tmp_path / "t"), config, out, seed=5, device="cpu")
    assert facts == {"rows_seen": 7}
    (command,) = started
    told = {f"--prompts={tmp_path / 'p'}", f"--targets={tmp_path / 't'}", f"--out={out}", "--seed=5", "--device=cpu"}
    assert {"--nproc-per-node=2", *told} <= set(command)
    assert (tuned_backbone(out), tuned_config(out)) == ("a/model", config)


def test_a_process_that_fails_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(subprocess, "run", lambda command, **_: subprocess.CompletedProcess(command, 3))
    with pytest.raises(ModelError, match="one of 2 tuning processes failed, exit status 3"):
        tune_together("a/model", TableFolders(tmp_path, tmp_path), LLMConfig(processes=2), tmp_path / "out", seed=0)
