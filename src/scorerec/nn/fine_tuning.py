"""Fine-tuning of text models with the library's trainers: quiet, seeded, resumed after a kill, no leftovers on disk."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from sentence_transformers import CrossEncoder, SentenceTransformer
from sentence_transformers.cross_encoder import CrossEncoderTrainer, CrossEncoderTrainingArguments
from sentence_transformers.sentence_transformer import (
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from transformers import PrinterCallback, ProgressCallback, TrainerCallback

from scorerec.core.errors import ModelError
from scorerec.core.progress import progress
from scorerec.nn.checkpoints import Interval, training_key
from scorerec.nn.config import FineTuneConfig
from scorerec.nn.contrastive import EncoderTask, Example, PairTask


def fine_tune(
    model: SentenceTransformer | CrossEncoder,
    task: EncoderTask | PairTask,
    examples: Sequence[Example],
    config: FineTuneConfig,
    seed: int,
    checkpoint: Path | None = None,
) -> list[float]:
    """Tune ``model`` in place, on the device that it is on.

    Where epochs take minutes, the state is kept after each.

    Args:
        model: a sentence encoder for an ``EncoderTask``, a cross-encoder for a ``PairTask``.
        task: how anchors and candidates are compared.
        examples: the anchors.
        config: how long and how fast.
        seed: decides the order of the anchors and dropout.
        checkpoint: a folder for that state; what the same training left there is gone on from. It is removed at
            the end. None: no state is kept.

    Returns:
        The mean training loss of each epoch.

    Raises:
        ModelError: the loss is not a number.
    """
    watch = _Watch(keeps=checkpoint is not None)
    model.model_card_data.widget = [{"text": ""}]  # not empty, or the trainer makes examples behind a bar of its own
    key = training_key({"rows": _digest(task, examples), "config": config.model_dump(mode="json"), "seed": seed})
    with _folder(checkpoint, key) as folder, borrowed_randomness():
        trainer = _trainer_class(model)(
            model=model,
            args=_arguments(model, config, seed, folder),
            train_dataset=Dataset.from_dict({"row": list(range(len(examples)))}),
            loss=task.loss(model),
            data_collator=task.batches(model, examples),
        )
        for callback in (PrinterCallback, ProgressCallback):
            trainer.remove_callback(callback)
        trainer.add_callback(watch)
        trainer.train(resume_from_checkpoint=_last_state(folder))
    losses = [float(entry["loss"]) for entry in trainer.state.log_history if "loss" in entry]
    model.eval()
    if not np.isfinite(losses).all():
        raise ModelError(f"the training loss became {losses[-1]}; lower the learning rate ({config.learning_rate})")
    return losses


def _digest(task: EncoderTask | PairTask, examples: Sequence[Example]) -> str:
    """Return a checksum of all that is learned from, the same in every process."""
    rows = [[*example[:-1], sorted(example.excluded)] for example in examples]
    return hashlib.sha256(json.dumps([asdict(task), rows], sort_keys=True).encode()).hexdigest()


@contextmanager
def _folder(checkpoint: Path | None, key: str) -> Iterator[Path]:
    """Yield a folder for states: one that outlives a kill and belongs to this training alone, or a passing one."""
    if checkpoint is None:
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder)
        return
    yield checkpoint / key
    shutil.rmtree(checkpoint, ignore_errors=True)


def _last_state(folder: Path) -> str | None:
    """Return the newest state that was written to its end, which the library marks by this file."""
    states = {int(mark.parent.name.rpartition("-")[2]): mark.parent for mark in folder.glob("*/trainer_state.json")}
    return str(states[max(states)]) if states else None


def _trainer_class(model: SentenceTransformer | CrossEncoder) -> Any:
    return CrossEncoderTrainer if isinstance(model, CrossEncoder) else SentenceTransformerTrainer


def _arguments(model: SentenceTransformer | CrossEncoder, config: FineTuneConfig, seed: int, folder: Path) -> Any:
    is_pair = isinstance(model, CrossEncoder)
    kind = CrossEncoderTrainingArguments if is_pair else SentenceTransformerTrainingArguments
    return kind(
        output_dir=str(folder),
        num_train_epochs=config.epochs,
        per_device_train_batch_size=config.batch_size,
        learning_rate=config.learning_rate,
        warmup_steps=config.warmup_share,  # below 1 it is a share
        weight_decay=config.weight_decay,
        bf16=config.precision == "bf16",
        use_cpu=model.device.type == "cpu",
        seed=seed % 2**31,
        logging_strategy="epoch",
        logging_nan_inf_filter=False,  # a loss that is not a number must be seen
        save_strategy="no",  # ``_Watch`` says when
        save_total_limit=1,
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=False,
    )


class _Watch(TrainerCallback):
    """Shows a progress bar in place of the library's own printing, and says when the state is to be kept.

    Args:
        keeps: whether it is kept at all.
    """

    def __init__(self, keeps: bool) -> None:
        self._keeps, self._interval = keeps, Interval()
        self._bar: Iterator[int] = iter(())

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        left = state.max_steps - state.global_step
        self._bar = progress(range(left), "tuning", left, unit="step")

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        next(self._bar, None)

    def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        if self._keeps and state.global_step < state.max_steps and self._interval.is_over:
            self._interval.start()
            control.should_save = True

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        self._interval.end()

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        next(self._bar, None)  # the last step closes the bar


@contextmanager
def borrowed_randomness() -> Iterator[None]:
    """Put the global generators, which trainers of libraries seed, back as they were."""
    python_state, numpy_state = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng():
            yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)
