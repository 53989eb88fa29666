"""Fine-tuning of text models with the library's trainers: quiet, seeded, and without leftovers on disk."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
import torch
from datasets import Dataset
from pydantic import Field
from sentence_transformers import CrossEncoder, SentenceTransformer
from sentence_transformers.cross_encoder import CrossEncoderTrainer, CrossEncoderTrainingArguments
from sentence_transformers.sentence_transformer import (
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from transformers import PrinterCallback, ProgressCallback, TrainerCallback

from scorerec.core.config import Config
from scorerec.core.errors import ModelError
from scorerec.core.progress import progress
from scorerec.nn.contrastive import EncoderTask, Example, PairTask


class FineTuneConfig(Config):
    """How long and how fast a text model is tuned."""

    epochs: int = Field(3, ge=1, description="passes over the anchors")
    batch_size: int = Field(16, ge=1, description="anchors per step")
    learning_rate: float = Field(
        2e-5, gt=0, description="peak, linear decay; about 2e-5 for transformers, 1e-2 for static encoders"
    )
    warmup_share: float = Field(0.1, ge=0, lt=1, description="share of the steps that warm up")
    weight_decay: float = Field(0.0, ge=0, description="AdamW's")
    device: str = Field("auto", description="where it is tuned and used: auto, cpu, cuda, cuda:1, ...")
    precision: Literal["fp32", "bf16"] = Field("fp32", description="bf16 for a GPU that has it")


def fine_tune(
    model: SentenceTransformer | CrossEncoder,
    task: EncoderTask | PairTask,
    examples: Sequence[Example],
    config: FineTuneConfig,
    seed: int,
) -> list[float]:
    """Tune ``model`` in place, on the device that it is on.

    Args:
        model: a sentence encoder for an ``EncoderTask``, a cross-encoder for a ``PairTask``.
        task: how anchors and candidates are compared.
        examples: the anchors.
        config: how long and how fast.
        seed: decides the order of the anchors and dropout.

    Returns:
        The mean training loss of each epoch.

    Raises:
        ModelError: the loss is not a number.
    """
    watch = _Watch()
    model.model_card_data.widget = [{"text": ""}]  # not empty, or the trainer makes examples behind a bar of its own
    with tempfile.TemporaryDirectory() as folder, _borrowed_randomness():
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
        trainer.train()
    model.eval()
    if not np.isfinite(watch.losses).all():
        raise ModelError(
            f"the training loss became {watch.losses[-1]}; lower the learning rate ({config.learning_rate})"
        )
    return watch.losses


def _trainer_class(model: SentenceTransformer | CrossEncoder) -> Any:
    return CrossEncoderTrainer if isinstance(model, CrossEncoder) else SentenceTransformerTrainer


def _arguments(model: SentenceTransformer | CrossEncoder, config: FineTuneConfig, seed: int, folder: str) -> Any:
    is_pair = isinstance(model, CrossEncoder)
    kind = CrossEncoderTrainingArguments if is_pair else SentenceTransformerTrainingArguments
    return kind(
        output_dir=folder,
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
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=False,
    )


class _Watch(TrainerCallback):
    """Shows a progress bar and notes the losses, in place of the library's own printing."""

    def __init__(self) -> None:
        self.losses: list[float] = []
        self._bar: Iterator[int] = iter(())

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        self._bar = progress(range(state.max_steps), "tuning", state.max_steps, unit="step")

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        next(self._bar, None)

    def on_log(self, args: Any, state: Any, control: Any, logs: Mapping[str, Any], **_: Any) -> None:  # noqa: ARG002
        if "loss" in logs:
            self.losses.append(float(logs["loss"]))

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        next(self._bar, None)  # the last step closes the bar


@contextmanager
def _borrowed_randomness() -> Iterator[None]:
    """Put the global generators, which the trainer seeds, back as they were."""
    python_state, numpy_state = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng():
            yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)
