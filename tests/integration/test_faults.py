"""A run that is killed at any moment, and then run by two at once, ends with the bytes of one that was left alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

# Imports once, and runs each attempt in a fork of itself; a new process would spend its life with imports. States of
# trainings are kept as often as that costs little, so that short ones are resumed too.
DRIVER = """
import json, os, random, signal, sys, time
from pathlib import Path
import torch
from scorerec.experiment.config import load_experiment
from scorerec.experiment.runner import Runner
from scorerec.experiment.plan import stages_of
from scorerec.nn import checkpoints

root, settings, seed, n_kills, seconds = Path(sys.argv[1]), *map(json.loads, sys.argv[2:])
random, told = random.Random(seed), root / "told.jsonl"

def tell(progress):
    with told.open("a") as file:
        file.write(json.dumps([os.getpid(), progress.stage, progress.state]) + "\\n")

def attempt():
    child = os.fork()
    if child == 0:
        try:
            checkpoints.MINUTES = 0.0
            torch.set_num_threads(1)
            config = load_experiment("ml-1m-toy", settings)
            Runner(stages_of(config), config, root).run(tell=tell)
            os._exit(0)
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
            os._exit(1)
    return child

for _ in range(n_kills):
    child = attempt()
    time.sleep(random.uniform(0.1, 1.2 * seconds))
    os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    if not os.WIFSIGNALED(status) and os.waitstatus_to_exitcode(status):
        sys.exit("an attempt failed by itself")
last = [attempt(), attempt()]
sys.exit(max(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in last))
"""


def contents(root: Path, *suffixes: str) -> dict[str, bytes]:
    folder = root / "artifacts"
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.suffix in suffixes and path.is_file()
    }


@pytest.mark.parametrize(
    ("seed", "n_kills"),
    [(0, 2), *(pytest.param(seed, 15, marks=pytest.mark.slow) for seed in (1, 2))],
)
def test_killed_at_random_moments(outcome: Any, experiment: Any, tmp_path: Path, seed: int, n_kills: int) -> None:
    seconds = sum(artifact.manifest["seconds"] for artifact in outcome.artifacts.values())
    given = [json.dumps(value) for value in (experiment.settings(), seed, n_kills, seconds)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, str(tmp_path), *given],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    kinds = (".parquet", ".safetensors")
    assert contents(tmp_path, *kinds) == contents(outcome.root, *kinds)
    assert [
        path for path in tmp_path.rglob("*") if path.suffix in (".draft", ".partial") or "damaged" in path.name
    ] == []
    check_that_each_stage_was_finished_once(tmp_path / "told.jsonl", list(outcome.artifacts), n_kills)


def check_that_each_stage_was_finished_once(told: Path, stages: list[str], n_kills: int) -> None:
    lines = [json.loads(line) for line in told.read_text(encoding="utf-8").splitlines()]
    started: Counter[str] = Counter()
    finished: set[str] = set()
    for _, stage, state in lines:
        if state == "running":
            assert stage not in finished
            started[stage] += 1
        elif state in ("ran", "done"):
            finished.add(stage)
    assert finished == set(stages)
    assert max(Counter(stage for _, stage, state in lines if state == "ran").values()) == 1
    assert sum(started.values()) <= len(stages) + n_kills
