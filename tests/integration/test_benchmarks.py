"""Benchmarks are no tests, but they must run when somebody has the machine for them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.slow
def test_the_steps_that_are_measured_on_a_gpu_run_anywhere() -> None:
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / "gpu_shapes.py"), "--shape", "tiny"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("LLM:") == done.stdout.count("reranker:") == 2
