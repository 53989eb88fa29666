"""The vectors by which similar users are found: CAR's alone, as in the paper, or the recommender's beside them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from scorerec.core.columns import BEHAVIOUR_ID, ITEM_IDS, QUERY_ID
from scorerec.crm.base import ConventionalRecommender
from scorerec.pipeline.config import FindingConfig
from scorerec.pipeline.prompting import Prompter, Reader
from scorerec.retrieve.item_sets import blended
from scorerec.retrieve.similarity import Similarity, weighted
from scorerec.retrieve.vectors import vector_table
from scorerec.text.budget import TokenCounter

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Finder:
    """Turns behaviours and queries into vectors whose inner product says who is alike.

    Attributes:
        prompter: writes behaviours as texts.
        load: loads CAR, which takes seconds: not before it is asked for something.
        config: how the two are blended.
        crm: the recommender and its similarity; None where it has no share.
    """

    prompter: Prompter
    load: Callable[[], SentenceTransformer]
    config: FindingConfig = field(default_factory=FindingConfig)
    crm: tuple[ConventionalRecommender, Similarity] | None = None

    @cached_property
    def encoder(self) -> SentenceTransformer:
        """CAR."""
        return self.load()

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits that differ where vectors must not be mixed."""
        from scorerec.nn.encoders import encoder_fingerprint

        own = encoder_fingerprint(self.encoder)
        if self.crm is None and self.config == FindingConfig():
            return own
        digest = hashlib.sha256((own + self.config.model_dump_json()).encode())
        if self.crm is not None:
            model, similarity = self.crm
            digest.update(similarity.mean.tobytes() + similarity.config.model_dump_json().encode())
            for name, tensor in sorted(model.state_dict().items()):
                digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]

    @property
    def plain(self) -> Finder:
        """The same, whatever a behaviour holds."""
        return replace(self, load=lambda: self.encoder, config=self.config.model_copy(update={"activity": 0.0}))

    def behaviours(self, table: pa.Table) -> pa.Table:
        """Return the vectors of BEHAVIOURS, keyed by behaviour_id."""
        vectors = self._vectors(table, BEHAVIOUR_ID)
        n_items = np.array([len(items) for items in table[ITEM_IDS].to_pylist()], np.int64)
        vectors = weighted(vectors, n_items, self.config.activity)
        return vector_table(BEHAVIOUR_ID, table[BEHAVIOUR_ID].to_pylist(), vectors)

    def queries(self, table: pa.Table) -> pa.Table:
        """Return the vectors of QUERIES, keyed by query_id."""
        return vector_table(QUERY_ID, table[QUERY_ID].to_pylist(), self._vectors(table, QUERY_ID))

    def _vectors(self, table: pa.Table, key: str) -> Floats:
        """Return vectors whose inner products are the blended similarity, (N, d)."""
        from scorerec.nn.encoders import encode

        by_text = encode(self.encoder, list(encoder_texts(self.prompter, self.encoder, table, key).values()))
        if self.crm is None:
            return by_text
        model, similarity = self.crm
        by_taste = similarity.prepare(model.encode(table[ITEM_IDS].to_pylist()))
        return blended(by_text, by_taste, self.config.crm_share)


@dataclass(frozen=True)
class TasteFinder:
    """Finds users by a recommender alone: Eq. 4 between a query's own prefix and behaviours.

    Attributes:
        model: the recommender.
        similarity: what is done to its vectors.
        fingerprint: differs where vectors must not be mixed.
        activity: see ``FindingConfig``.
    """

    model: ConventionalRecommender
    similarity: Similarity
    fingerprint: str
    activity: float = 0.0

    @property
    def plain(self) -> TasteFinder:
        """The same, whatever a behaviour holds."""
        return replace(self, activity=0.0)

    def behaviours(self, table: pa.Table) -> pa.Table:
        """Return the vectors of BEHAVIOURS, keyed by behaviour_id."""
        items = table[ITEM_IDS].to_pylist()
        n_items = np.array([len(one) for one in items], np.int64)
        vectors = weighted(self.similarity.prepare(self.model.encode(items)), n_items, self.activity)
        return vector_table(BEHAVIOUR_ID, table[BEHAVIOUR_ID].to_pylist(), vectors)

    def queries(self, table: pa.Table) -> pa.Table:
        """Return the vectors of QUERIES, keyed by query_id."""
        vectors = self.similarity.prepare(self.model.encode(table[ITEM_IDS].to_pylist()))
        return vector_table(QUERY_ID, table[QUERY_ID].to_pylist(), vectors)


def encoder_texts(prompter: Prompter, encoder: SentenceTransformer, table: pa.Table, key: str) -> dict[str, str]:
    """Return the behaviours in BEHAVIOURS or QUERIES as texts that the encoder reads to their end.

    Args:
        prompter: writes them.
        encoder: says how much it reads.
        table: BEHAVIOURS or QUERIES.
        key: its column of ids: behaviour_id or query_id.

    Returns:
        id -> text.
    """
    from scorerec.nn.encoders import count_tokens, token_limit

    limit = token_limit(encoder)
    if limit is not None:
        limit -= encoder.tokenizer.num_special_tokens_to_add()
    reader = Reader(limit, TokenCounter(lambda text: count_tokens(encoder, text)))
    return prompter.behaviour_texts(table, key, reader)
