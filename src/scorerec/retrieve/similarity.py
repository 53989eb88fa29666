"""How alike two users are to a recommender: the inner product of Eq. 4, over vectors that may be prepared for it.

Raw states of a recommender share a direction, that of what everybody likes, and some are much longer than others:
then the same few users are everybody's neighbours. Centred states of length 1 tell who differs from others alike.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from scorerec.core.errors import ArtifactError
from scorerec.retrieve.config import SimilarityConfig

Floats = npt.NDArray[np.float32]
_FILE = "similarity.json"


@dataclass(frozen=True)
class Similarity:
    """A ``SimilarityConfig`` on the vectors of one recommender.

    Attributes:
        config: what is done.
        mean: of the training behaviours' vectors, (d,).
    """

    config: SimilarityConfig
    mean: Floats

    @classmethod
    def of(cls, vectors: Floats, config: SimilarityConfig) -> Similarity:
        """Learn from the training behaviours' vectors, (N, d)."""
        return cls(config, np.asarray(vectors.mean(0), np.float32))

    def prepare(self, vectors: Floats) -> Floats:
        """Return vectors, (N, d), whose inner products say who is alike."""
        prepared = vectors - self.mean if self.config.centre else np.asarray(vectors, np.float32)
        if not self.config.unit:
            return prepared
        lengths = np.linalg.norm(prepared, axis=1, keepdims=True)
        return np.divide(prepared, lengths, out=np.zeros_like(prepared), where=lengths > 0)

    def save(self, folder: Path) -> None:
        """Write the file that ``load`` reads."""
        told = {"config": self.config.model_dump(mode="json"), "mean": self.mean.tolist()}
        (folder / _FILE).write_text(json.dumps(told) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Similarity:
        """Return what ``save`` left in ``folder``.

        Raises:
            ArtifactError: it is not there, or damaged.
        """
        path = folder / _FILE
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
            return cls(SimilarityConfig.model_validate(told["config"]), np.array(told["mean"], np.float32))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ArtifactError(f"{path}: cannot be read ({error!r}); run the experiment again") from None


def weighted(vectors: Floats, n_items: npt.NDArray[np.int64], activity: float) -> Floats:
    """Return behaviours' vectors times the number of their items to the power ``activity``, (N, d).

    Args:
        vectors: (N, d).
        n_items: of each behaviour, (N,); 0 counts as 1.
        activity: the power, at least 0; 0 leaves vectors as they are.

    >>> weighted(np.ones((1, 2), np.float32), np.array([16]), 0.25).tolist()
    [[2.0, 2.0]]
    """
    if not activity:
        return vectors
    return np.asarray(vectors * np.maximum(n_items, 1).astype(np.float32)[:, None] ** np.float32(activity), np.float32)
