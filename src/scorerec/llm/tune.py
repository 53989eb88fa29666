"""Eq. 13: a language model learns to answer Yes or No, and the best state on the validation rows is kept."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
from torch.nn.functional import dropout

from scorerec.core.errors import ConfigError
from scorerec.core.randomness import derived_seed
from scorerec.core.tables import PROMPTS
from scorerec.llm.backbone import TUNING, Backbone, load_backbone, quiet_transformers
from scorerec.llm.config import LLMConfig
from scorerec.llm.encode import PromptEncoder
from scorerec.llm.fit import Course, Trainer
from scorerec.llm.lora import attach_lora, save_adapter
from scorerec.llm.rows import labelled_prompts
from scorerec.nn.devices import use_threads

__all__ = ["LLMConfig", "tune"]


def tune(
    backbone: str | Path, prompts: pa.Table, labels: pa.Table, config: LLMConfig, out: Path, seed: int
) -> dict[str, Any]:
    """Tune a causal LM on the training rows, select on the validation rows, and save the best state.

    Args:
        backbone: a Hugging Face id or a folder; ``config.backbone`` is not read.
        prompts: PROMPTS; rows without a label of the training or validation part are left alone.
        labels: target_id, label (0 or 1) and split ("train", "valid", ...).
        config: how.
        out: folder of the result: an adapter or a whole model, and the settings; the settings alone where
            ``config.tune`` is "none".
        seed: decides fresh adapters, dropout, and the order of the rows.

    Returns:
        Facts for the manifest.

    Raises:
        ConfigError: the backbone was not resolved to a model.
        DataError: a part lacks rows of a class, or a row lacks its prompt.
        ModelError: the model cannot be loaded, or computed something that is not a number.
    """
    if str(backbone) == "embedded":
        raise ConfigError(
            "backbone 'embedded': wanted the folder that scorerec.llm.embedded.pretrain wrote, came the word itself"
        )
    if config.threads is not None:
        use_threads(config.threads)
    start = time.perf_counter()
    loaded = load_backbone(backbone, config.precision, config.device)
    encoder = PromptEncoder(loaded.tokenizer, config.budget)
    facts: dict[str, Any] = {
        "backbone": loaded.describe(),
        "is_embedded": loaded.is_embedded,
        "tune": config.tune,
        "answers": encoder.answers.describe(),
        "chat_template": encoder.has_template,
        "parameters": loaded.model.num_parameters(),
    }
    out.mkdir(parents=True, exist_ok=True)
    settings = {"backbone": str(backbone), "config": config.model_dump(mode="json")}
    (out / TUNING).write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
    if config.tune == "none":
        return facts
    table = PROMPTS.check(prompts)
    train = labelled_prompts(table, labels, "train", config.max_train_rows, seed)
    valid = labelled_prompts(table, labels, "valid", config.max_valid_rows, seed)
    with _own_randomness(loaded, seed):
        trained = _ready(loaded, config)
        with _embedding_dropout(trained.model, config.embedding_dropout):
            course = Trainer(trained, config, train, valid, seed).run()
    _save(trained, config, out)
    return {**facts, **_told(course, trained, len(train.labels), time.perf_counter() - start)}


def _ready(backbone: Backbone, config: LLMConfig) -> Backbone:
    """Return the backbone with exactly the weights that are tuned requiring gradients."""
    model = backbone.model
    if config.gradient_checkpointing:
        with quiet_transformers():
            model.gradient_checkpointing_enable({"use_reentrant": False})
    if config.tune == "full":
        return backbone
    return replace(backbone, model=attach_lora(model, config.lora))


@contextmanager
def _own_randomness(backbone: Backbone, seed: int) -> Iterator[None]:
    """Seed the generators behind dropout and fresh adapters, and put them back as they were."""
    devices = [backbone.device] if backbone.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(derived_seed(seed, "llm"))
        yield


@contextmanager
def _embedding_dropout(model: Any, share: float) -> Iterator[None]:
    """Let embeddings drop values while the model is in training mode."""

    def drop(module: torch.nn.Module, _: Any, output: torch.Tensor) -> torch.Tensor:
        return dropout(output, share, module.training)

    handle = model.get_input_embeddings().register_forward_hook(drop)
    try:
        yield
    finally:
        handle.remove()


def _save(backbone: Backbone, config: LLMConfig, out: Path) -> None:
    if config.tune == "lora":
        save_adapter(backbone.model, out)
        return
    with quiet_transformers():
        backbone.model.save_pretrained(str(out))
        backbone.tokenizer.save_pretrained(str(out))


def _told(course: Course, backbone: Backbone, n_rows: int, seconds: float) -> dict[str, Any]:
    weights = [weight.numel() for weight in backbone.model.parameters() if weight.requires_grad]
    return {
        "trained_parameters": sum(weights),
        "training_rows": n_rows,
        "mean_tokens": round(course.mean_tokens, 1),
        "rows_per_second": round(course.rows_seen / seconds, 1),
        "training_losses": [round(loss, 4) for loss in course.losses],
        "validation_aucs": [round(auc, 4) for auc in course.aucs],
        "best_selection": course.best + 1,
        "validation_auc": round(course.aucs[course.best], 4),
    }
