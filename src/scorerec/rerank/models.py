"""Rerankers: two readings of Eq. 10 behind one interface."""

from __future__ import annotations

import json
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from sentence_transformers import CrossEncoder, SentenceTransformer

from scorerec.core.errors import ArtifactError, ConfigError, ModelError
from scorerec.nn.checkpoints import UNREADABLE
from scorerec.nn.contrastive import EncoderTask, Example, PairTask
from scorerec.nn.devices import choose_device
from scorerec.nn.encoders import count_tokens, embedded_folder, encode, load_encoder, quiet_loading, token_limit
from scorerec.nn.fine_tuning import fine_tune
from scorerec.rerank.config import SAREConfig
from scorerec.rerank.prompts import PromptReader
from scorerec.text.budget import Budget, TokenCounter

_MARK = "reranker.json"  # says which reading a saved model is for
_PAIRS_AT_ONCE = 65_536


class Reranker(ABC):
    """Says how useful a behaviour is to a recommendation prompt.

    Attributes:
        config: as it was loaded.
        reader: turns PROMPTS into what ``score`` reads.
    """

    config: SAREConfig
    reader: PromptReader

    @abstractmethod
    def score(self, prompts: Sequence[str], behaviours: Sequence[str]) -> npt.NDArray[np.float32]:
        """Score N pairs; higher is more useful.

        Args:
            prompts: P^b, N texts.
            behaviours: d(H(u)), N texts.

        Returns:
            (N,) float32: cosines, or probabilities.
        """

    @abstractmethod
    def tune(
        self, examples: Sequence[Example], texts: Mapping[str, str], seed: int, checkpoint: Path | None = None
    ) -> list[float]:
        """Tune in place by Eq. 12; return the mean loss of each epoch.

        Args:
            examples: prompts with one positive and the same number of negatives each.
            texts: behaviour_id -> d(H(u)).
            seed: decides order and dropout.
            checkpoint: folder for the state of a tuning that takes long, as in ``fine_tune``.
        """

    @abstractmethod
    def write(self, folder: Path) -> None:
        """Write the model's files."""

    def save(self, folder: Path) -> None:
        """Save for ``load_reranker``."""
        folder.mkdir(parents=True, exist_ok=True)
        self.write(folder)
        mark = json.dumps({"reading": self.config.reading}) + "\n"
        (folder / _MARK).write_text(mark, encoding="utf-8")


class BiEncoderReranker(Reranker):
    """Eq. 10 to the letter: prompt and behaviour encoded apart, compared by cosine."""

    def __init__(self, encoder: SentenceTransformer, config: SAREConfig):
        self.encoder, self.config = encoder, config
        limit = token_limit(encoder)
        tokens = None if limit is None else limit - encoder.tokenizer.num_special_tokens_to_add()
        budget = Budget(tokens=tokens, history_titles=config.history_titles)
        self.reader = PromptReader(budget, TokenCounter(lambda text: count_tokens(encoder, text)))

    def score(self, prompts: Sequence[str], behaviours: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return cosines; every distinct text is encoded once."""
        left, right = self._distinct(prompts), self._distinct(behaviours)
        scores = np.empty(len(prompts), np.float32)
        for start in range(0, len(prompts), _PAIRS_AT_ONCE):
            part = slice(start, start + _PAIRS_AT_ONCE)
            scores[part] = np.einsum("nd,nd->n", left[0][left[1][part]], right[0][right[1][part]])
        return scores

    def tune(
        self, examples: Sequence[Example], texts: Mapping[str, str], seed: int, checkpoint: Path | None = None
    ) -> list[float]:
        """Tune by Eq. 12, without in-batch negatives.

        Args:
            examples: prompts with one positive and the same number of negatives each.
            texts: behaviour_id -> d(H(u)).
            seed: decides order and dropout.
            checkpoint: folder for the state of a tuning that takes long; None keeps none.

        Returns:
            The mean loss of each epoch.
        """
        task = EncoderTask(texts, self.config.temperature, in_batch_negatives=False)
        return fine_tune(self.encoder, task, examples, self.config, seed, checkpoint)

    def write(self, folder: Path) -> None:
        """Write a sentence-transformers model."""
        self.encoder.save(str(folder), create_model_card=False)

    def _distinct(self, texts: Sequence[str]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
        """Vectors of the distinct texts, (M, d), and the place of each text among them, (N,)."""
        place = {text: index for index, text in enumerate(dict.fromkeys(texts))}
        return encode(self.encoder, list(place)), np.array([place[text] for text in texts], np.int64)


class CrossEncoderReranker(Reranker):
    """Prompt and behaviour read together; the score is a probability.

    Of ``max_length`` tokens the prompt gets at most half, so that neither side can push the other out.
    """

    def __init__(self, model: CrossEncoder, config: SAREConfig):
        self.model, self.config = model, config
        room = config.max_length - model.tokenizer.num_special_tokens_to_add(pair=True)
        budget = Budget(tokens=max(1, room // 2), history_titles=config.history_titles)
        self.reader = PromptReader(budget, TokenCounter(self._count_tokens))

    def score(self, prompts: Sequence[str], behaviours: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return probabilities."""
        if not prompts:
            return np.zeros(0, np.float32)
        scores: npt.NDArray[np.float32] = self.model.predict(
            list(zip(prompts, behaviours, strict=True)),
            activation_fn=torch.nn.Sigmoid(),
            show_progress_bar=sys.stderr.isatty(),
        ).astype(np.float32)
        if not np.isfinite(scores).all():
            raise ModelError("the reranker's scores are not numbers; lower sare.learning_rate and tune it again")
        return scores

    def tune(
        self, examples: Sequence[Example], texts: Mapping[str, str], seed: int, checkpoint: Path | None = None
    ) -> list[float]:
        """Tune by Eq. 12 on the sigmoid of the logit.

        Args:
            examples: prompts with one positive and the same number of negatives each.
            texts: behaviour_id -> d(H(u)).
            seed: decides order and dropout.
            checkpoint: folder for the state of a tuning that takes long; None keeps none.

        Returns:
            The mean loss of each epoch.
        """
        task = PairTask(texts, self.config.temperature)
        return fine_tune(self.model, task, examples, self.config, seed, checkpoint)

    def write(self, folder: Path) -> None:
        """Write a cross-encoder of sentence-transformers."""
        self.model.save_pretrained(str(folder), create_model_card=False)

    def _count_tokens(self, text: str) -> int:
        tokenizer = self.model.tokenizer
        return len(tokenizer(text, add_special_tokens=False, truncation=False, verbose=False)["input_ids"])


def load_reranker(name: str | Path, config: SAREConfig, device: str = "auto") -> Reranker:
    """Load a reranker.

    Args:
        name: what ``Reranker.save`` wrote, or the name of a model that is not tuned.
        config: the reading, and what is read.
        device: where it computes: auto, cpu, cuda, cuda:1, ...

    Raises:
        ArtifactError: the folder was saved for the other reading.
        ConfigError: a static encoder as a cross-encoder, or there is no such device.
        ModelError: the model cannot be loaded.
    """
    mark = Path(name) / _MARK
    if mark.is_file():
        saved = json.loads(mark.read_text(encoding="utf-8"))["reading"]
        if saved != config.reading:
            raise ArtifactError(f"{name}: wanted a {config.reading}, it holds a {saved}; tune SARE again")
    chosen = str(choose_device(device))
    if config.reading == "bi-encoder":
        return BiEncoderReranker(load_encoder(str(name), config.max_length, chosen), config)
    return CrossEncoderReranker(_load_cross_encoder(str(name), config.max_length, chosen), config)


def _load_cross_encoder(name: str, max_length: int, device: str) -> CrossEncoder:
    if name == "embedded:static":
        raise ConfigError("sare: a static encoder cannot read pairs; set sare.reading to bi-encoder")
    source = str(embedded_folder()) if name == "embedded:minilm" else name
    try:
        with torch.random.fork_rng(devices=[]), quiet_loading():
            torch.manual_seed(0)  # a model without a scoring head gets a random one: always the same
            return CrossEncoder(source, num_labels=1, max_length=max_length, device=device)
    except UNREADABLE as error:
        raise ModelError(
            f"{name!r}: cannot be loaded as a cross-encoder ({error}). Give a Hugging Face id that this "
            "machine can reach, or a local folder"
        ) from error
