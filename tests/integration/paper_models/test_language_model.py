"""Llama 3.1 as the paper tunes it: chat template, adapters on seven projections, bf16, saved memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoTokenizer

from scorerec.core.artifacts import write_table
from scorerec.core.tables import PROMPTS, TARGETS
from scorerec.llm.backbone import load_backbone
from scorerec.llm.config import LLMConfig, LoRAConfig
from scorerec.llm.encode import PromptEncoder, read_prompts
from scorerec.llm.fit import Trainer
from scorerec.llm.launch import TableFolders, tune_together
from scorerec.llm.rows import Draw, labelled_prompts
from scorerec.llm.score import score
from scorerec.llm.tune import note_settings, ready, tune
from scorerec.pipeline.forms.titles import Titles
from scorerec.pipeline.prompting import Prompter
from scorerec.text.budget import Budget

PAPER = LLMConfig(
    tune="lora",
    precision="bf16",
    gradient_checkpointing=True,
    max_tokens=240,
    history_titles=20,
    evidence_titles=20,
    learning_rate=1e-2,
    epochs=1,
    batch_size=2,
    gradient_accumulation=4,
)
EXACT = PAPER.model_copy(
    update={"precision": "fp32", "gradient_checkpointing": False, "lora": LoRAConfig(dropout=0), "max_tokens": 400}
)
PROJECTIONS = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}


@pytest.fixture(scope="session")
def prompts(prompter: Prompter, tables: tuple[pa.Table, pa.Table], behaviours: pa.Table) -> pa.Table:
    """P^s of every target, with two users as evidence."""
    targets, queries = tables
    names = targets["target_id"].to_pylist()
    contexts = pa.table(
        {
            "target_id": np.repeat(names, 2),
            "rank": pa.array([1, 2] * len(names), pa.int32()),
            "behaviour_id": [f"b{(n + k) % 12}" for n in range(len(names)) for k in (0, 1)],
        }
    )
    lists = dict(zip(behaviours["behaviour_id"].to_pylist(), behaviours["item_ids"].to_pylist(), strict=True))
    return prompter.with_evidence(targets, queries, [Titles(prompter, contexts, lists)])


def test_the_papers_settings_tune_save_and_score(
    llama: Path, prompts: pa.Table, tables: tuple[pa.Table, pa.Table], tmp_path: Path
) -> None:
    facts = tune(load_backbone(llama, PAPER.precision), prompts, tables[0], PAPER, tmp_path, seed=0)
    assert facts["chat_template"]
    assert facts["answers"].startswith("'Yes' is token")
    adapter = load_file(tmp_path / "adapter_model.safetensors")
    assert {name.split(".")[-3] for name in adapter} == PROJECTIONS
    assert all(weight.any() for name, weight in adapter.items() if "lora_B" in name)
    assert {weight.dtype for weight in adapter.values()} == {torch.float32}  # steps would be lost in bf16
    tuned, untuned = (score(model, prompts, PAPER)["p_yes"].to_numpy() for model in (tmp_path, llama))
    assert np.abs(tuned - untuned).max() > 1e-3
    assert ((tuned > 0) & (tuned < 1)).all()


def test_the_chat_form_opens_once_and_asks_for_the_answer(llama: Path, prompts: pa.Table) -> None:
    tokenizer = AutoTokenizer.from_pretrained(llama)
    encoder = PromptEncoder(tokenizer, Budget())
    for ids in encoder.encode(read_prompts(prompts.slice(0, 8))).tokens:
        assert ids[0] == tokenizer.bos_token_id
        assert ids.tolist().count(tokenizer.bos_token_id) == 1
        text = tokenizer.decode(ids)
        assert text.endswith("<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n")
        assert text.count("<|start_header_id|>") == 3
    answers = encoder.answers
    assert tokenizer.convert_ids_to_tokens([answers.yes, answers.no]) == ["Yes", "No"]


def test_a_template_that_names_the_day_reads_the_same_every_day(llama: Path, prompts: pa.Table) -> None:
    tokenizer = AutoTokenizer.from_pretrained(llama)
    (ids,) = PromptEncoder(tokenizer, Budget()).encode(read_prompts(prompts.slice(0, 1))).tokens
    assert "Today Date: 26 Jul 2024" in tokenizer.decode(ids)


@pytest.mark.parametrize("limit", [150, 200, 250, 300])
def test_the_token_budget_is_kept_and_the_target_stays_whole(llama: Path, prompts: pa.Table, limit: int) -> None:
    tokenizer = AutoTokenizer.from_pretrained(llama)
    rows = read_prompts(prompts)
    encoded = PromptEncoder(tokenizer, Budget(tokens=limit)).encode(rows)
    assert encoded.lengths.max() <= limit
    assert encoded.dropped_history + encoded.dropped_evidence > 0
    for ids, segments in zip(encoded.tokens, rows, strict=True):
        target = next(segment.text for segment in segments if segment.kind == "target")
        question = tokenizer.decode(ids).rsplit("<|eot_id|>", 1)[0].rsplit("\n", 1)[-1]
        assert target in question
        assert question.endswith("Respond with either 'Yes' or 'No'.")


def _gradients(
    llama: Path, prompts: pa.Table, targets: pa.Table, config: LLMConfig
) -> tuple[dict[str, torch.Tensor], float]:
    """Return the gradients of the first step, and its loss."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        backbone = ready(load_backbone(llama, config.precision, "cpu"), config)
        for name, weight in backbone.model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(weight, std=0.1)
    train, valid = (labelled_prompts(prompts, targets, split, Draw(None), 0) for split in ("train", "valid"))
    trainer = Trainer(backbone, config, train, valid, seed=0)
    rows = trainer.scorer.encoder.encode(train.prompts)
    first = [np.arange(start, start + config.batch_size) for start in range(0, 8, config.batch_size)]
    kept: dict[str, torch.Tensor] = {}

    def keep(loss: float) -> float:
        kept.update({n: w.grad.clone() for n, w in backbone.model.named_parameters() if w.grad is not None})
        return loss

    trainer.optimiser.step = keep  # type: ignore[method-assign]
    return kept, trainer._step(rows, first)


@pytest.mark.parametrize("changes", [{"gradient_checkpointing": True}, {"batch_size": 8, "gradient_accumulation": 1}])
def test_saving_memory_and_dividing_a_batch_give_the_same_gradient(
    llama: Path, prompts: pa.Table, tables: tuple[pa.Table, pa.Table], changes: dict[str, object]
) -> None:
    plain, loss = _gradients(llama, prompts, tables[0], EXACT)
    other, other_loss = _gradients(llama, prompts, tables[0], EXACT.model_copy(update=changes))
    assert len(plain) == 2 * 7 * 2
    assert loss == pytest.approx(other_loss, rel=1e-5)
    for name, gradient in plain.items():
        assert gradient.abs().max() > 0
        torch.testing.assert_close(other[name], gradient, rtol=1e-3, atol=1e-6)


@pytest.mark.slow
def test_two_processes_tune_the_same_adapter_as_one(
    llama: Path, prompts: pa.Table, tables: tuple[pa.Table, pa.Table], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    write_table(tmp_path, PROMPTS, prompts)
    write_table(tmp_path, TARGETS, tables[0])
    # 40 rows in steps of 3 x 2: the last step of each process has fewer rows, and one of them none.
    config = EXACT.model_copy(update={"batch_size": 3, "gradient_accumulation": 2, "processes": 2, "epochs": 2})
    together = tune_together(llama, TableFolders(tmp_path, tmp_path), config, tmp_path / "two", seed=0, device="cpu")
    alone = tune(load_backbone(llama, config.precision, "cpu"), prompts, tables[0], config, tmp_path / "one", seed=0)
    assert together["validation_aucs"] == alone["validation_aucs"]
    np.testing.assert_allclose(together["training_losses"], alone["training_losses"], atol=1e-4)
    one, two = (load_file(tmp_path / name / "adapter_model.safetensors") for name in ("one", "two"))
    for name, weight in one.items():
        torch.testing.assert_close(two[name], weight, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_without_launcher_the_room_tunes_in_one_process(
    llama: Path, prompts: pa.Table, tables: tuple[pa.Table, pa.Table], tmp_path: Path
) -> None:
    write_table(tmp_path, PROMPTS, prompts)
    write_table(tmp_path, TARGETS, tables[0])
    note_settings(llama, EXACT, tmp_path / "out")
    given = [f"--prompts={tmp_path}", f"--targets={tmp_path}", f"--out={tmp_path / 'out'}", "--device=cpu"]
    subprocess.run([sys.executable, "-m", "scorerec.llm.tune", *given], check=True)
    assert (tmp_path / "out" / "facts.json").is_file()
    assert (tmp_path / "out" / "adapter_model.safetensors").is_file()
