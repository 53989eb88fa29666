"""Tuning on several GPUs of this machine: one process for each, started and watched by torchrun."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from scorerec.core.errors import ModelError
from scorerec.llm.config import LLMConfig
from scorerec.llm.tune import FACTS, note_settings


class TableFolders(NamedTuple):
    """Where the tables of a tuning lie.

    Attributes:
        prompts: folder that holds PROMPTS.
        targets: folder that holds TARGETS; its training and validation rows need prompts.
    """

    prompts: Path
    targets: Path


def tune_together(
    backbone: str | Path, tables: TableFolders, config: LLMConfig, out: Path, seed: int, device: str = "auto"
) -> dict[str, Any]:
    """Tune as ``tune`` does, in ``config.processes`` processes.

    Args:
        backbone: a Hugging Face id or a folder.
        tables: what it learns from.
        config: how.
        out: folder of the result.
        seed: as in ``tune``.
        device: cpu, or auto: each process takes a GPU of its own.

    Returns:
        Facts for the manifest.

    Raises:
        ModelError: a process failed; what it said stands above, on the error stream.
    """
    note_settings(backbone, config, out)
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={config.processes}"]
    rows = [f"--prompts={tables.prompts}", f"--targets={tables.targets}"]
    task = ["-m", "scorerec.llm.tune", *rows, f"--out={out}", f"--seed={seed}", f"--device={device}"]
    status = subprocess.run([sys.executable, *launcher, *task], check=False).returncode
    if status != 0:
        raise ModelError(
            f"{out}: one of {config.processes} tuning processes failed, exit status {status}; its message is above. "
            "Mend that, or tune in one process (llm.processes=1)"
        )
    facts: dict[str, Any] = json.loads((out / FACTS).read_text(encoding="utf-8"))
    return facts
