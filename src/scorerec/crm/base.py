"""What every conventional recommender is: a vector for any history, and a probability for any item after it.

A new model says in ``recipes/`` what configuration has to know of it, without torch; its subclass here says how its
training batches look and what they cost. The rest is here and in ``train.py``.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from scorerec.core.config import validate
from scorerec.core.errors import ArtifactError, ConfigError, ModelError
from scorerec.crm.histories import Catalogue, Prefixes, Rows, whole_histories
from scorerec.crm.recipes.kind import Kind, ModelSettings

FORMAT = 1
_WEIGHTS = "model.safetensors"
_DESCRIPTION = "crm.json"


class ConventionalRecommender(nn.Module, ABC):
    """A model of who likes what, learned from interactions alone.

    It keeps no user: what it says about one follows from the history it is given, which may be anybody's,
    empty, or hold items that training never saw (they are skipped).

    Attributes:
        kind: what configuration knows of it.
        catalogue: the items of its training rows.
        settings: what it was made with.
    """

    kind: ClassVar[Kind]

    calibration: Tensor  # (2,): slope and offset from logit to log odds

    def __init__(self, catalogue: Catalogue, settings: ModelSettings):
        super().__init__()
        if not isinstance(settings, self.kind.settings):
            raise ConfigError(f"{self.kind.name}: wanted {self.kind.settings.__name__}, got {type(settings).__name__}")
        self.catalogue = catalogue
        self.settings = settings
        self.register_buffer("calibration", torch.tensor([1.0, 0.0]))

    @property
    def device(self) -> torch.device:
        """Where it computes; ``model.to(device)`` moves it."""
        return self.calibration.device

    # What a model says about itself.

    def prepare(self, rows: Rows) -> None:
        """Look at all training rows once, before the first epoch: a graph, the number of users."""

    def finish(self) -> None:
        """Drop what only training needed, after the last epoch: no user stays in a model."""

    @abstractmethod
    def batches(self, rows: Rows, batch_size: int, rng: np.random.Generator) -> Iterator[Any]:
        """Yield one epoch of training batches in an order drawn from ``rng``, each for one step.

        Args:
            rows: the training rows, of both labels; a recipe may leave some out.
            batch_size: about how many rows one step learns from.
            rng: decides the order, and any sampling.
        """

    @abstractmethod
    def loss(self, batch: Any) -> Tensor:
        """Return the mean loss over a batch's rows, ()."""

    @abstractmethod
    def vectors(self, prefixes: Prefixes) -> Tensor:
        """Return the vector of each prefix, (N, d) float32: u of Eq. 3."""

    @abstractmethod
    def logits(self, rows: Rows) -> Tensor:
        """Return how likely each row's item is to be liked, any increasing scale, (N,) float32."""

    @abstractmethod
    def catalogue_logits(self, prefixes: Prefixes) -> Tensor:
        """Return the logit of every item of the catalogue after each prefix, (N, n_items) float32.

        Column ``i`` is item number ``i + 1``; ``logits`` says the same of one item per row.
        """

    @abstractmethod
    def item_table(self) -> Tensor:
        """Return the vectors of unknown items (row 0) and of the catalogue, (1 + n_items, d) float32."""

    # What everybody else calls.

    @torch.inference_mode()
    def encode(self, histories: Sequence[Sequence[str]]) -> npt.NDArray[np.float32]:
        """Return the vector of each history, (N, d) float32.

        Args:
            histories: item ids, oldest first; unknown items are skipped, an empty history has a vector too.

        Raises:
            ModelError: a vector holds something that is not a number.
        """
        vectors = self.vectors(whole_histories(histories, self.catalogue)).cpu().numpy()
        self._require_finite(vectors, "vectors")
        return np.asarray(vectors, np.float32)

    @torch.inference_mode()
    def score(self, histories: Sequence[Sequence[str]], item_ids: Sequence[str]) -> npt.NDArray[np.float64]:
        """Return the probability that each item is liked after its history, (N,) float64 in [0, 1].

        An item that training never saw is scored as the average item of the catalogue.

        Args:
            histories: item ids, oldest first, N of them.
            item_ids: one per history.

        Raises:
            ModelError: the lengths differ, or a score is not a number.
        """
        if len(histories) != len(item_ids):
            raise ModelError(f"score: wanted one item per history, got {len(histories)} and {len(item_ids)}")
        prefixes = whole_histories(histories, self.catalogue)
        items = self.catalogue.numbers(item_ids)
        rows = Rows(prefixes, items, np.zeros(len(items), np.float32))
        logits = self.logits(rows).double().cpu().numpy()
        self._require_finite(logits, "scores")
        slope, offset = self.calibration.double().tolist()
        # tanh, and not 1 / (1 + exp(-x)), cannot overflow.
        return np.asarray(0.5 * (1 + np.tanh(0.5 * (slope * logits + offset))), np.float64)

    @torch.inference_mode()
    def states(self, prefixes: Prefixes) -> npt.NDArray[np.float32]:
        """Return ``vectors`` as an array, (N, d)."""
        return np.asarray(self.vectors(prefixes).cpu().numpy(), np.float32)

    @torch.inference_mode()
    def rank(self, prefixes: Prefixes) -> npt.NDArray[np.float32]:
        """Return ``catalogue_logits`` as an array: what items are ranked by.

        Raises:
            ModelError: a score is not a number.
        """
        scores = self.catalogue_logits(prefixes).cpu().numpy()
        self._require_finite(scores, "scores")
        return np.asarray(scores, np.float32)

    @torch.inference_mode()
    def item_vectors(self, item_ids: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return the vector of each item, (N, d) float32; an unknown item has the catalogue's average."""
        table = self.item_table()
        numbers = torch.from_numpy(self.catalogue.numbers(item_ids)).to(table.device)
        return np.asarray(table[numbers].cpu().numpy(), np.float32)

    def save(self, folder: Path) -> None:
        """Write weights (safetensors) and description (JSON) into ``folder``."""
        folder.mkdir(parents=True, exist_ok=True)
        weights = {name: tensor.detach().cpu().contiguous() for name, tensor in self.state_dict().items()}
        save_file(weights, folder / _WEIGHTS)
        description = {
            "format": FORMAT,
            "model": self.kind.name,
            "settings": self.settings.model_dump(mode="json"),
            "item_ids": self.catalogue.item_ids,
        }
        text = json.dumps(description, ensure_ascii=False, indent=1) + "\n"
        (folder / _DESCRIPTION).write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, device: str | torch.device = "cpu") -> Self:
        """Return the model that ``save`` left in ``folder``, ready to score.

        Raises:
            ArtifactError: a file is missing or damaged, or holds another model.
        """
        description = read_description(folder)
        if description["model"] != cls.kind.name:
            raise ArtifactError(f"{folder}: holds a {description['model']!r}, wanted {cls.kind.name!r}")
        settings = validate(cls.kind.settings, description["settings"], str(folder / _DESCRIPTION))
        model = cls(Catalogue(description["item_ids"]), settings)
        try:
            model.load_state_dict(load_file(folder / _WEIGHTS))
        except (OSError, SafetensorError, RuntimeError) as error:
            raise ArtifactError(f"{folder / _WEIGHTS}: cannot be read ({error}); train this model again") from None
        return model.to(device).eval()

    def _require_finite(self, values: npt.NDArray[np.floating], what: str) -> None:
        if not np.isfinite(values).all():
            raise ModelError(
                f"{self.kind.label}: {int((~np.isfinite(values)).sum())} of {values.size} numbers of its {what} "
                "are not finite; train it again with a lower learning rate"
            )


def read_description(folder: Path) -> dict[str, Any]:
    """Return what ``save`` wrote beside the weights: model, settings, item_ids.

    Raises:
        ArtifactError: it is missing, damaged, or of another format.
    """
    path = folder / _DESCRIPTION
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
        written = description["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtifactError(f"{path}: no usable description of a CRM ({error!r}); train it again") from None
    if written != FORMAT:
        raise ArtifactError(f"{path}: written in format {written}, this is {FORMAT}; train it again")
    return dict(description)
