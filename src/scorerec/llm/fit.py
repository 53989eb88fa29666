"""The training loop of Eq. 13: steps over batches or packs of prompts, selection on validation AUC."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from scorerec.core.metrics import auc
from scorerec.core.progress import progress
from scorerec.core.randomness import derived_seed, generator
from scorerec.llm.augment import sample_alike, sample_evidence, sample_history
from scorerec.llm.backbone import Backbone
from scorerec.llm.config import LLMConfig
from scorerec.llm.encode import Encoded
from scorerec.llm.optimise import Optimiser
from scorerec.llm.rows import LabelledPrompts
from scorerec.llm.score import Scorer
from scorerec.nn.checkpoints import Checkpoint, TrainingTensors
from scorerec.nn.selection import Best


@dataclass
class Course:
    """What happened in training.

    Attributes:
        losses: mean training loss before each selection, as far back as the one before it or the start of its epoch.
        aucs: validation AUC at each selection.
        best: number of the selection whose weights are kept.
        mean_tokens: mean length of a training prompt.
        rows_seen: training rows that went through the model.
    """

    losses: list[float] = field(default_factory=list)
    aucs: list[float] = field(default_factory=list)
    best: int = -1
    mean_tokens: float = 0.0
    rows_seen: int = 0


@dataclass
class Place:
    """Where a training stands.

    Attributes:
        epoch: the number of the pass over the rows.
        step: steps of it that were made.
        losses: of the steps since the last selection.
    """

    epoch: int = 0
    step: int = 0
    losses: list[float] = field(default_factory=list)


class Trainer:
    """Trains one model on one set of rows.

    Args:
        backbone: its model has the weights to be trained set to require gradients.
        config: the settings.
        train: rows that are learned.
        valid: rows that select.
        seed: decides the order of the rows and augmentation.
    """

    def __init__(
        self, backbone: Backbone, config: LLMConfig, train: LabelledPrompts, valid: LabelledPrompts, seed: int
    ):
        self.backbone, self.config, self.train, self.seed = backbone, config, train, seed
        self.scorer = Scorer(backbone, config)
        self.valid_rows = self.scorer.encoder.encode(valid.prompts).tokens
        self.valid_labels = valid.labels
        rows_per_step = config.batch_size * config.gradient_accumulation
        n_steps = config.epochs * -(-len(train.prompts) // rows_per_step)
        plus_ratio = config.lora.plus_ratio if config.tune == "lora" else None
        self.optimiser = Optimiser(backbone.model, config, n_steps, plus_ratio)
        weights = {str(index): weight for index, weight in enumerate(self.optimiser.weights)}
        self.best = Best(weights, config.patience)
        self.course, self.place = Course(), Place()
        self._tensors = TrainingTensors(weights, self.optimiser.adam, backbone.device)
        self._whole: Encoded | None = None

    @property
    def identity(self) -> dict[str, Any]:
        """What decides the training, for its checkpoint."""
        read: list[npt.NDArray[Any]] = [self.train.labels, self.valid_labels, *self.valid_rows]
        if self.config.teacher:
            read.append(np.round(1e6 * self._wanted))
        return {
            "backbone": self.backbone.name,
            "config": self.config.model_dump(mode="json"),
            "seed": self.seed,
            "rows": hashlib.sha256(np.concatenate(read).astype(np.int64).tobytes()).hexdigest(),
        }

    def run(self, checkpoint: Checkpoint | None = None) -> Course:
        """Train to the end, or until patience is used up; the model is left in its best state.

        Args:
            checkpoint: keeps the state now and then; what it holds at the start is gone on from.
        """
        if checkpoint is not None:
            self._resume(checkpoint)
        while self.place.epoch < self.config.epochs and not self.best.is_over:
            self._epoch(checkpoint)
            self.place = Place(self.place.epoch + 1)
        self.best.restore()
        self.backbone.model.eval()
        return self.course

    def _epoch(self, checkpoint: Checkpoint | None) -> None:
        """Make the steps of an epoch that are left."""
        place = self.place
        rows = self._encoded(place.epoch)
        self.course.mean_tokens = float(rows.lengths.mean())
        steps = self.scorer.reading.steps(rows.tokens, generator(self.seed, "llm", "order", place.epoch))
        is_last = place.epoch == self.config.epochs - 1
        parts = self.config.selections_per_epoch or int(is_last)
        select_after = {round(len(steps) * (part + 1) / parts) for part in range(parts)}
        left = steps[place.step :]
        for step in progress(left, f"tuning, epoch {place.epoch + 1}", len(left), unit="step"):
            place.losses.append(self._step(rows, step))
            place.step += 1
            if place.step in select_after:
                self._select(place.losses)
                place.losses = []
                if self.best.is_over:
                    return
            if checkpoint is not None and checkpoint.is_due and self.backbone.processes.is_first:
                self._keep(checkpoint)

    def _keep(self, checkpoint: Checkpoint) -> None:
        kept, best = self.best.read()
        facts = {
            "place": asdict(self.place),
            "course": asdict(self.course),
            "best": best,
            "steps": self.optimiser.n_done,
        }
        checkpoint.save({**self._tensors.read(), **kept}, facts)

    def _resume(self, checkpoint: Checkpoint) -> None:
        state = checkpoint.load()
        if state is None:
            return
        tensors, facts = state
        self._tensors.restore(tensors)
        self.optimiser.resume(facts["steps"])
        self.place, self.course = Place(**facts["place"]), Course(**facts["course"])
        self.best.resume(tensors, facts["best"])
        processes = self.backbone.processes
        if not processes.is_first:  # the generator that was kept is that of the first one
            torch.manual_seed(derived_seed(self.seed, "llm", processes.index, facts["steps"]))

    def _encoded(self, epoch: int) -> Encoded:
        """The training rows as this epoch sees them."""
        encoder = self.scorer.encoder
        prompts, config = self.train.prompts, self.config
        alike = self.scorer.why_whole is None  # were each row to draw titles of its own, rows would share nothing
        if config.history_augmentation:
            rng = generator(self.seed, "llm", "augmentation", epoch)
            if alike:
                prompts = sample_alike(prompts, "history", config.history_titles, rng)
                prompts = sample_alike(prompts, "dislike", None, rng)
            else:
                prompts = [sample_history(segments, config.history_titles, rng) for segments in prompts]
        if config.evidence_augmentation:
            rng = generator(self.seed, "llm", "evidence augmentation", epoch)
            if alike:
                prompts = sample_alike(prompts, "evidence", config.evidence_titles, rng)
            else:
                prompts = [sample_evidence(segments, config.evidence_titles, rng) for segments in prompts]
        if prompts is not self.train.prompts:
            return encoder.encode(prompts)
        if self._whole is None:
            self._whole = encoder.encode(prompts)
        return self._whole

    def _step(self, rows: Encoded, step: Any) -> float:
        self.backbone.model.train()
        n_rows = self.scorer.reading.n_rows(step)
        total = torch.zeros((), device=self.backbone.device)
        for batch in self.scorer.reading.batches(step):
            loss = self._loss(rows, batch) / n_rows
            loss.backward()
            total += loss.detach()
        self.backbone.processes.sum([total, *self.optimiser.gradients()])
        self.course.rows_seen += n_rows
        return self.optimiser.step(total.item())

    def _loss(self, rows: Encoded, batch: Any) -> Tensor:
        """The summed cross-entropy of the answers of one batch."""
        places, logits = self.scorer.reading.logits(rows.tokens, batch, again=self._comes_again)
        answers = self.scorer.encoder.answers
        pair = [answers.no, answers.yes]
        if self.config.loss == "two-logit":
            logits, pair = logits[:, pair], [0, 1]
        logits = logits.float()
        if not self.config.teacher:
            right = torch.tensor(pair, device=logits.device)[torch.from_numpy(self.train.labels[places])]  # (B,)
            return cross_entropy(logits, right, reduction="sum")
        p_yes = torch.from_numpy(self._wanted[places]).to(logits)  # (B,)
        wanted = torch.stack([1 - p_yes, p_yes], dim=1)  # (B, 2)
        return -(wanted * logits.log_softmax(dim=1)[:, pair]).sum()

    @cached_property
    def _wanted(self) -> npt.NDArray[np.float64]:
        """How probable Yes is for each training row, by its label and its teacher together, (N,)."""
        return self.train.wanted(self.config.teacher)

    @property
    def _comes_again(self) -> bool:
        """Whether each epoch shows the same rows, and embeds them alike."""
        config = self.config
        return not (config.history_augmentation or config.evidence_augmentation or config.embedding_dropout)

    def _select(self, losses: Sequence[float]) -> None:
        quality = auc(self.valid_labels, self.scorer.p_yes(self.valid_rows, again=True))
        self.course.losses.append(float(np.mean(losses)))
        self.course.aucs.append(quality)
        if self.best.offer(quality):
            self.course.best = len(self.course.aucs) - 1
