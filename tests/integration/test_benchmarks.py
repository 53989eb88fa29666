"""Benchmarks are no tests, but they must run when somebody has the machine for them."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from transformers import LlamaConfig, LlamaForCausalLM

from scorerec.llm.vocabulary import train_tokenizer

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def test_the_steps_that_are_measured_on_a_gpu_run_anywhere(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In this process, which has loaded torch already."""
    monkeypatch.setattr(sys, "argv", ["gpu_shapes.py", "--shape", "tiny"])
    runpy.run_path(str(BENCHMARKS / "gpu_shapes.py"), run_name="__main__")
    told = capsys.readouterr().out
    assert (told.count("LLM:"), told.count("reranker:")) == (6, 2)


@pytest.mark.slow
def test_what_sharing_saves_is_measured_at_equal_results(tmp_path: Path) -> None:
    """On a synthetic world, with a model of seconds."""
    model = LlamaForCausalLM(
        LlamaConfig(vocab_size=600, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2)
    )
    model.save_pretrained(tmp_path)
    train_tokenizer(["Respond with either 'Yes' or 'No'.", "Yes No"] * 2, 600, "words").save_pretrained(tmp_path)
    world = 'data.source={name="synthetic", n_users=60, n_items=50}'
    split = 'data.split={by="months", train=[0, 9], valid=[10, 10], test=[11, 11]}'
    changes = [f"--set={world}", f"--set={split}", "--rows=40", "--naive-rows=20", "--json", f"--model={tmp_path}"]
    changes.append("--set=llm.lora.last_layers=1")  # there are two
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / "prefix.py"), *changes], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert {"score_speedup", "train_speedup"} <= result.keys()
    assert 0 <= result["max_score_difference"] < 1e-5
    assert result["tokens_per_row_train"] < result["tokens_per_row"]
