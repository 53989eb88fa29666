"""Eq. 13: a language model learns to answer Yes or No, and the best state on the validation rows is kept.

Started by ``torchrun`` or ``accelerate launch`` as ``-m scorerec.llm.tune``, several processes tune one model.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
from peft import PeftModel
from torch.nn.functional import dropout

from scorerec.core.artifacts import CHECKPOINT, SECONDS_BEFORE, read_table
from scorerec.core.odds import log_odds
from scorerec.core.randomness import derived_seed
from scorerec.core.tables import PROMPTS, TARGETS
from scorerec.llm.backbone import TUNING, Backbone, load_backbone
from scorerec.llm.calibrate import SUREST, Calibration, calibration
from scorerec.llm.config import LLMConfig
from scorerec.llm.encode import PromptEncoder
from scorerec.llm.fit import Course, Trainer
from scorerec.llm.lora import attach_lora, save_adapter
from scorerec.llm.quiet import quiet_transformers
from scorerec.llm.reading import why_whole
from scorerec.llm.rows import draw_of, labelled_prompts
from scorerec.llm.score import CALIBRATION, tuned_backbone, tuned_config
from scorerec.nn.checkpoints import Checkpoint
from scorerec.nn.devices import use_threads

FACTS = "facts.json"  # what ``tune`` returned, beside a model that ``main`` tuned


def tune(
    backbone: Backbone, prompts: pa.Table, labels: pa.Table, config: LLMConfig, out: Path, seed: int
) -> dict[str, Any]:
    """Tune a causal LM on the training rows, select on the validation rows, and save the best state.

    Args:
        backbone: as ``load_backbone`` returns it; tuned in place, where it is. ``config.backbone`` is not read.
        prompts: PROMPTS; rows without a label of the training or validation part are left alone.
        labels: target_id, label (0 or 1) and split ("train", "valid", ...); p_yes where ``config.teacher`` has a
            share.
        config: how.
        out: folder of the result: an adapter or a whole model, and the settings; the settings alone where
            ``config.tune`` is "none". What an interrupted call with the same arguments left there is gone on from.
        seed: decides fresh adapters, dropout, and the order of the rows.

    Returns:
        Facts for the manifest.

    Raises:
        DataError: a part lacks rows of a class, or a row lacks its prompt.
        ModelError: a prompt is longer than the model reads, or it computed something that is not a number.
    """
    if config.threads is not None:
        use_threads(config.threads)
    encoder = PromptEncoder(backbone.tokenizer, config.budget, config.chat_template)
    facts: dict[str, Any] = {
        "backbone": backbone.describe(),
        "is_toy": backbone.is_toy,
        "tune": config.tune,
        "answers": encoder.answers.describe(),
        "chat_template": encoder.has_template,
        "parameters": backbone.model.num_parameters(),
    }
    if config.share_prefixes:
        why = why_whole(backbone)
        facts["shared_prefixes"] = f"no, because {why}" if why else "yes"
    if backbone.processes.is_first:
        note_settings(backbone.name, config, out)
    if config.tune == "none":
        return facts
    table = PROMPTS.check(prompts)
    train, valid = (
        labelled_prompts(table, labels, split, draw_of(config, split), seed) for split in ("train", "valid")
    )
    wanted = valid.wanted(config.teacher if config.calibrate else 0)  # what is missing is missed before the training
    with own_randomness(backbone, seed):
        trained = ready(backbone, config)
        if not backbone.processes.is_first:  # the same fresh adapter everywhere, but dropout of each process's own
            torch.manual_seed(derived_seed(seed, "llm", backbone.processes.index))
        with embedding_dropout(trained.model, config.embedding_dropout):
            trainer = Trainer(trained, config, train, valid, seed)
            checkpoint = Checkpoint(out / CHECKPOINT, trainer.identity)
            course = trainer.run(checkpoint)
    found = None
    if config.calibrate is not None:
        p_yes = trainer.scorer.p_yes(trainer.valid_rows, again=True)
        found = calibration(config.calibrate, log_odds(p_yes, SUREST), wanted)
        facts[CALIBRATION] = found._asdict()
    if backbone.processes.is_first:
        note_settings(backbone.name, config, out, found)
        save(trained, config, out)
        checkpoint.remove()
    backbone.processes.wait()
    facts[SECONDS_BEFORE] = round(checkpoint.seconds_before, 1)
    return {**facts, **told(course, trained, len(train.labels), checkpoint.seconds)}


def note_settings(backbone: str | Path, config: LLMConfig, out: Path, found: Calibration | None = None) -> None:
    """Write down in ``out`` what is tuned and how, for ``main`` and for whoever loads the result.

    Args:
        backbone: what is tuned: a folder, or an id of the hub.
        config: how.
        out: folder of the result; it is made where it is missing.
        found: what calibrates it, where something does.
    """
    out.mkdir(parents=True, exist_ok=True)
    settings: dict[str, Any] = {"backbone": str(backbone), "config": config.model_dump(mode="json")}
    if found is not None:
        settings[CALIBRATION] = found._asdict()
    (out / TUNING).write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


def ready(backbone: Backbone, config: LLMConfig) -> Backbone:
    """Return the backbone with exactly the weights that are tuned requiring gradients."""
    model = backbone.model
    if config.gradient_checkpointing:
        with quiet_transformers():
            model.gradient_checkpointing_enable({"use_reentrant": False})
    if config.tune == "full":
        return backbone
    if isinstance(model, PeftModel):  # a second stage goes on with the adapter of the first
        for name, weight in model.named_parameters():
            weight.requires_grad_("lora_" in name)
        return backbone
    return replace(backbone, model=attach_lora(model, config.lora))


@contextmanager
def own_randomness(backbone: Backbone, seed: int) -> Iterator[None]:
    """Seed the generators behind dropout and fresh adapters, and put them back as they were."""
    devices = [backbone.device] if backbone.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(derived_seed(seed, "llm"))
        yield


@contextmanager
def embedding_dropout(model: Any, share: float) -> Iterator[None]:
    """Let embeddings drop values while the model is in training mode."""

    def drop(module: torch.nn.Module, _: Any, output: torch.Tensor) -> torch.Tensor:
        return dropout(output, share, module.training)

    handle = model.get_input_embeddings().register_forward_hook(drop)
    try:
        yield
    finally:
        handle.remove()


def save(backbone: Backbone, config: LLMConfig, out: Path) -> None:
    """Save what was trained: the adapter, or the whole model with its tokenizer.

    Args:
        backbone: after its training.
        config: as it was tuned: ``tune`` decides what is saved.
        out: folder of the result.
    """
    if config.tune == "lora":
        save_adapter(backbone.model, out, backbone.base)
        return
    with quiet_transformers():
        backbone.model.save_pretrained(str(out))
        backbone.tokenizer.save_pretrained(str(out))


def told(course: Course, backbone: Backbone, n_rows: int, seconds: float) -> dict[str, Any]:
    """Return what a course of training says of itself, for the manifest.

    Args:
        course: of the training.
        backbone: what was trained; weights that require gradients are counted.
        n_rows: training rows.
        seconds: that it took.
    """
    weights = [weight.numel() for weight in backbone.model.parameters() if weight.requires_grad]
    return {
        "trained_parameters": sum(weights),
        "training_rows": n_rows,
        "rows_seen": course.rows_seen,
        "mean_tokens": round(course.mean_tokens, 1),
        "rows_per_second": round(course.rows_seen / seconds, 1),
        "training_losses": [round(loss, 4) for loss in course.losses],
        "validation_aucs": [round(auc, 4) for auc in course.aucs],
        "best_selection": course.best + 1,
        "validation_auc": round(course.aucs[course.best], 4),
    }


def main() -> None:
    """Tune on a machine that has this room alone: prompts and targets in, model out."""
    parser = argparse.ArgumentParser(prog="python -m scorerec.llm.tune", description=main.__doc__)
    parser.add_argument("--prompts", type=Path, required=True, help="folder that holds the table prompts/")
    parser.add_argument("--targets", type=Path, required=True, help="folder that holds the table targets/")
    parser.add_argument("--out", type=Path, required=True, help=f"folder that holds {TUNING}, and gets the model")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, ...; of several processes: its kind")
    given = parser.parse_args()
    config = tuned_config(given.out)
    backbone = load_backbone(tuned_backbone(given.out), config.precision, given.device)
    tables = read_table(given.prompts, PROMPTS), read_table(given.targets, TARGETS)
    facts = tune(backbone, *tables, config, given.out, given.seed)
    if backbone.processes.is_first:
        (given.out / FACTS).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
