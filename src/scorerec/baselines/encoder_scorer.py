"""How an encoder is tuned to answer Yes or No: a sigmoid over the mean of its token states."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits
from transformers import AutoModel, AutoTokenizer

from scorerec.baselines.config import EncoderScorerConfig
from scorerec.core.columns import N_TOKENS, P_YES, TARGET_ID
from scorerec.core.errors import ModelError
from scorerec.core.metrics import auc
from scorerec.core.progress import progress
from scorerec.core.randomness import derived_seed, generator
from scorerec.core.tables import PROMPTS
from scorerec.llm.encode import read_prompts
from scorerec.llm.optimise import Optimiser
from scorerec.llm.quiet import quiet_transformers
from scorerec.llm.rows import Draw, labelled_prompts
from scorerec.nn.batching import batches_by_length, pad
from scorerec.nn.checkpoints import UNREADABLE
from scorerec.nn.devices import choose_device
from scorerec.nn.encoders import embedded_folder
from scorerec.nn.selection import Best
from scorerec.text.budget import Budget, TokenCounter, fit
from scorerec.text.segments import Segment, render

_HEAD = "head.safetensors"


class EncoderScorer(nn.Module):
    """An encoder, the mean of its token states, and a layer on top.

    Args:
        folder: id or folder of the encoder.
        config: how it reads.
        budget: titles that are shown.
        device: where it computes: auto, cpu, cuda, cuda:1, ...
    """

    def __init__(self, folder: str | Path, config: EncoderScorerConfig, budget: Budget, device: str = "auto"):
        super().__init__()
        place = choose_device(device)  # first: nothing is loaded in vain
        try:
            with quiet_transformers():
                self.tokenizer = AutoTokenizer.from_pretrained(str(folder))
                self.encoder = AutoModel.from_pretrained(str(folder))
        except UNREADABLE as error:
            raise ModelError(
                f"{str(folder)!r}: cannot be loaded as an encoder ({error}). Give a folder or an id"
            ) from error
        longest = min(self.tokenizer.model_max_length, getattr(self.encoder.config, "max_position_embeddings", 10**9))
        if config.max_tokens > longest:
            raise ModelError(
                f"max_tokens is {config.max_tokens}, and {str(folder)!r} reads at most {longest}; lower "
                "baselines.encoder.max_tokens"
            )
        self.head = nn.Linear(self.encoder.config.hidden_size, 1)
        self._config = config
        room = config.max_tokens - self.tokenizer.num_special_tokens_to_add()
        self._budget = budget.model_copy(update={"tokens": room})
        self._count = TokenCounter(lambda text: len(self._ids([text])[0]))
        self.to(place)

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.head.weight.device

    def forward(self, rows: Sequence[npt.NDArray[np.int64]]) -> Tensor:
        """Return one logit per row of token ids, (N,)."""
        batch = pad(rows, side="right")
        tokens = torch.from_numpy(batch.tokens).to(self.device)
        mask = torch.from_numpy(batch.mask).to(self.device, torch.int64)
        states = self.encoder(input_ids=tokens, attention_mask=mask).last_hidden_state  # (B, T, H)
        weight = mask[..., None].to(states.dtype)
        logits: Tensor = self.head((states * weight).sum(1) / weight.sum(1))[:, 0]
        return logits

    def rows(self, prompts: Sequence[Sequence[Segment]]) -> list[npt.NDArray[np.int64]]:
        """Return the token ids of prompts, each fitted to the budget."""
        texts = [render(fit(segments, self._budget, self._count).segments) for segments in prompts]
        return [np.array(ids, np.int64) for ids in self.tokenizer(texts, truncation=False, verbose=False)["input_ids"]]

    @torch.inference_mode()
    def p_yes(self, rows: Sequence[npt.NDArray[np.int64]]) -> npt.NDArray[np.float64]:
        """Return the probability of Yes for each row of token ids, (N,)."""
        self.eval()
        found = np.zeros(len(rows))
        batches = batches_by_length([len(row) for row in rows], batch_size=self._config.batch_size)
        for batch in progress(batches, "scoring", len(batches), unit="batch"):
            found[batch] = torch.sigmoid(self([rows[place] for place in batch]).double()).cpu().numpy()
        if not np.isfinite(found).all():
            raise ModelError("the encoder's scores are not numbers; lower its learning rate and tune it again")
        return found

    def trainable(self) -> list[nn.Parameter]:
        """Freeze what is not tuned; return the rest."""
        if count := self._config.frozen_layers:
            layers = self._layers()
            if count > len(layers):
                raise ModelError(f"frozen_layers is {count}, and the encoder has {len(layers)} layers")
            for part in (
                self.encoder.get_input_embeddings(),
                getattr(self.encoder, "embeddings", None),
                *layers[:count],
            ):
                if part is not None:
                    part.requires_grad_(False)
        return [weight for weight in self.parameters() if weight.requires_grad]

    def _layers(self) -> nn.ModuleList:
        """Return the layers, wherever the model has them."""
        deepest = self.encoder.config.num_hidden_layers
        for part in self.encoder.modules():
            if isinstance(part, nn.ModuleList) and len(part) == deepest:
                return part
        raise ModelError("cannot tell the layers of this encoder apart; set baselines.encoder.frozen_layers=0")

    def save(self, folder: Path) -> None:
        """Write encoder, tokenizer and layer."""
        with quiet_transformers():
            self.encoder.save_pretrained(str(folder))
            self.tokenizer.save_pretrained(str(folder))
        save_file({name: weight.contiguous() for name, weight in self.head.state_dict().items()}, folder / _HEAD)

    def _ids(self, texts: list[str]) -> list[list[int]]:
        return self.tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]


def load_encoder_scorer(
    folder: Path, config: EncoderScorerConfig, budget: Budget, device: str = "auto"
) -> EncoderScorer:
    """Return what ``train_encoder_scorer`` saved.

    Args:
        folder: what was saved.
        config: as it was trained.
        budget: titles that a prompt may show; its tokens are ``config.max_tokens``.
        device: where it computes: auto, cpu, cuda, cuda:1, ...
    """
    model = EncoderScorer(folder, config, budget, device)
    model.head.load_state_dict(load_file(folder / _HEAD))
    return model.eval()


class EncoderConfigs(NamedTuple):
    """How an encoder is tuned, and on what.

    Attributes:
        tuning: its section of the configuration.
        budget: titles that a prompt may show.
    """

    tuning: EncoderScorerConfig
    budget: Budget


def train_encoder_scorer(
    prompts: pa.Table,
    labels: pa.Table,
    configs: EncoderConfigs,
    out: Path,
    seed: int,
    device: str = "auto",
) -> dict[str, Any]:
    """Tune an encoder on the training rows by binary cross-entropy; the epoch with the best validation AUC is kept.

    Args:
        prompts: PROMPTS.
        labels: target_id, label and split.
        configs: how, and the titles that are shown.
        out: folder of the result.
        seed: decides the layer on top, dropout, and the order of the rows.
        device: where it computes: auto, cpu, cuda, cuda:1, ...

    Returns:
        Facts for the manifest.

    Raises:
        DataError: a part lacks rows of a class, or a row lacks its prompt.
        ModelError: the encoder cannot be loaded, or computed something that is not a number.
    """
    config, start = configs.tuning, time.perf_counter()
    table = PROMPTS.check(prompts)
    train = labelled_prompts(table, labels, "train", Draw(config.max_train_rows), seed)
    valid = labelled_prompts(table, labels, "valid", Draw(config.max_valid_rows), seed)
    with torch.random.fork_rng():
        torch.manual_seed(derived_seed(seed, "encoder scorer"))
        folder = embedded_folder() if config.model == "embedded:minilm" else config.model
        model = EncoderScorer(folder, config, configs.budget, device)
        rows, judged = model.rows(train.prompts), model.rows(valid.prompts)
        model.trainable()
        lengths = [len(row) for row in rows]
        optimiser = Optimiser(model, config, config.epochs * -(-len(rows) // config.batch_size))
        losses, aucs, best = list[float](), list[float](), Best(model.state_dict())
        rng = generator(seed, "encoder scorer", "order")
        for epoch in range(config.epochs):
            model.train()
            total = 0.0
            batches = batches_by_length(lengths, batch_size=config.batch_size, rng=rng)
            for batch in progress(batches, f"tuning the encoder, epoch {epoch + 1}", len(batches), unit="step"):
                answers = torch.from_numpy(train.labels[batch]).float().to(model.device)
                loss = binary_cross_entropy_with_logits(model([rows[place] for place in batch]), answers)
                loss.backward()
                total += optimiser.step(loss.item()) * len(batch)
            losses.append(total / len(rows))
            aucs.append(auc(valid.labels, model.p_yes(judged)))
            best.offer(aucs[-1])
    best.restore()
    model.save(out)
    return {
        "encoder": config.model,
        "training_rows": len(rows),
        "rows_seen": len(rows) * config.epochs,
        "mean_tokens": round(float(np.mean(lengths)), 1),
        "training_losses": [round(loss, 4) for loss in losses],
        "validation_aucs": [round(value, 4) for value in aucs],
        "best_selection": best.number,
        "seconds": round(time.perf_counter() - start, 1),
    }


def score_with_encoder(model: EncoderScorer, prompts: pa.Table) -> pa.Table:
    """Score PROMPTS; returns target_id, p_yes (float64) and n_tokens (int32), in the same order."""
    rows = model.rows(read_prompts(PROMPTS.check(prompts)))
    lengths = pa.array([len(row) for row in rows], pa.int32())
    columns = [prompts[TARGET_ID], pa.array(model.p_yes(rows), pa.float64()), lengths]
    return pa.table(columns, names=[TARGET_ID, P_YES, N_TOKENS])
