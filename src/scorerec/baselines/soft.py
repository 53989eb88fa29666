"""What LLaRA and CoLLM share: marks and vectors of the recommender, their rows, and how a projector is noted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from scorerec.baselines.base import Inputs
from scorerec.baselines.virtual_tokens import mark
from scorerec.core.columns import QUERY_ID
from scorerec.core.errors import ArtifactError
from scorerec.core.tables import PROMPTS
from scorerec.crm.registry import load_crm
from scorerec.llm.backbone import Backbone
from scorerec.llm.config import LLMConfig
from scorerec.llm.rows import LabelledPrompts, draw_of, labelled_prompts

_SHAPE = "projector.json"
Own = TypeVar("Own")


class SoftConfigs(NamedTuple, Generic[Own]):
    """How a method that projects vectors is trained.

    Attributes:
        lm: how the LM is tuned.
        own: the section of the method.
    """

    lm: LLMConfig
    own: Own


class Material(NamedTuple):
    """What such a method learns from.

    Attributes:
        prompts: PROMPTS with marks (see ``virtual_tokens``).
        labels: target_id, label and split.
        vectors: (N, d) float32, about unit deviation, so that one learning rate suits every recommender; a mark names
            a row.
    """

    prompts: pa.Table
    labels: pa.Table
    vectors: npt.NDArray[np.float32]

    def rows(self, config: LLMConfig, seed: int) -> tuple[LabelledPrompts, LabelledPrompts]:
        """Return the training and the validation rows."""
        table = PROMPTS.check(self.prompts)
        return (
            labelled_prompts(table, self.labels, "train", draw_of(config, "train"), seed),
            labelled_prompts(table, self.labels, "valid", draw_of(config, "valid"), seed),
        )


def marks(inputs: Inputs) -> tuple[dict[str, str], dict[str, str]]:
    """Return the mark of each query's user and of each item: items come first."""
    items, queries = inputs.item_ids, inputs.queries[QUERY_ID].to_pylist()
    users = {query: mark(len(items) + place) for place, query in enumerate(queries)}
    return users, {item: mark(place) for place, item in enumerate(items)}


def crm_vectors(inputs: Inputs, with_users: bool) -> npt.NDArray[np.float32]:
    """Return the CRM's vectors in the order of the marks, each kind centred and of one size.

    Items are those of the catalogue. Where users' vectors lie, and how large they are, the training rows alone tell.
    """
    model = load_crm(inputs.model("crm"))
    items = model.item_vectors(inputs.item_ids)
    parts = [one_size(items, items)]
    if with_users:
        users = inputs.of_queries(model.encode)
        parts.append(one_size(users, users[inputs.parts_of_queries()[0]]))
    return np.concatenate(parts)


def one_size(vectors: npt.NDArray[np.float32], known: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return vectors less the mean of those that are known from training, over the deviation of all their values.

    Args:
        vectors: (N, d).
        known: (M, d); what decides mean and deviation.

    >>> one_size(np.array([[1.0], [3.0], [7.0]]), np.array([[1.0], [3.0]])).tolist()
    [[-1.0], [1.0], [5.0]]
    """
    middle = known.mean(0)
    return np.asarray((vectors - middle) / max(float((known - middle).std()), 1e-12), np.float32)


def width(backbone: Backbone) -> int:
    """Return the length of the model's embeddings."""
    return int(backbone.model.get_input_embeddings().weight.shape[1])


def note_shape(folder: Path, shape: dict[str, Any]) -> None:
    """Write down what is needed to build the projector again."""
    (folder / _SHAPE).write_text(json.dumps(shape, indent=1) + "\n", encoding="utf-8")


def read_shape(folder: Path) -> dict[str, Any]:
    """Return what ``note_shape`` wrote.

    Raises:
        ArtifactError: it is missing or damaged.
    """
    try:
        return dict(json.loads((folder / _SHAPE).read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{folder / _SHAPE}: cannot be read ({error}); train this method again") from None
