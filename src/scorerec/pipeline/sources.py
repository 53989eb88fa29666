"""Ways of finding users that are set beside each other: those of SCORE, and those that know nothing of the user."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from scorerec.core.columns import BEHAVIOUR_ID, ITEM_ID, ITEM_IDS, QUERY_ID, RANK, TARGET_ID
from scorerec.core.randomness import generator
from scorerec.core.tables import BEHAVIOURS, NEIGHBOURS
from scorerec.retrieve.candidates import search_once
from scorerec.retrieve.item_sets import ItemSets
from scorerec.retrieve.neighbours import find_neighbours
from scorerec.retrieve.vectors import vector_table

Floats = npt.NDArray[np.float32]

RANDOM, BUSY = "random users", "most active users"
ITEM_SETS = "cosine of item sets"
BLIND = (RANDOM, BUSY)  # they know nothing of who asks
_RANDOM_DIMENSION = 16


@dataclass(frozen=True)
class Source:
    """Finds users by the inner product of two tables of vectors.

    Attributes:
        name: as tables show it.
        behaviours: BEHAVIOURS -> vectors.
        queries: QUERIES -> vectors.
        alike: BEHAVIOURS -> vectors that say who is alike, whatever a behaviour holds; None: ``behaviours``.
    """

    name: str
    behaviours: Callable[[pa.Table], pa.Table]
    queries: Callable[[pa.Table], pa.Table]
    alike: Callable[[pa.Table], pa.Table] | None = None

    def find(self, queries: pa.Table, behaviours: pa.Table, count: int) -> pa.Table:
        """Return the most similar users of each query (CANDIDATES).

        Args:
            queries: QUERIES.
            behaviours: BEHAVIOURS.
            count: how many users each query gets; fewer where fewer can be seen.
        """
        return search_once(queries, self.queries(queries), behaviours, self.behaviours(behaviours), count)

    def neighbours(self, behaviours: pa.Table, count: int) -> pa.Table:
        """Return the most similar users of each behaviour (NEIGHBOURS); one behaviour per user."""
        vectors = (self.alike or self.behaviours)(BEHAVIOURS.check(behaviours))
        return NEIGHBOURS.check(find_neighbours(vectors, behaviours, count))


def random_users(seed: int) -> Source:
    """Return a source of random users."""

    def draw(table: pa.Table, key: str) -> pa.Table:
        ids = table[key].to_pylist()
        vectors = generator(seed, "random users", key).standard_normal((len(ids), _RANDOM_DIMENSION))
        return vector_table(key, ids, (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32))

    return Source(RANDOM, lambda table: draw(table, BEHAVIOUR_ID), lambda table: draw(table, QUERY_ID))


def busy_users() -> Source:
    """Return a source of the users who liked most: the same ones for everybody."""

    def count(table: pa.Table) -> pa.Table:
        numbers = np.array([[len(items)] for items in table[ITEM_IDS].to_pylist()], np.float32).reshape(-1, 1)
        return vector_table(BEHAVIOUR_ID, table[BEHAVIOUR_ID].to_pylist(), numbers)

    def ask(table: pa.Table) -> pa.Table:
        return vector_table(QUERY_ID, table[QUERY_ID].to_pylist(), np.ones((table.num_rows, 1), np.float32))

    return Source(BUSY, count, ask)


def item_sets(behaviours: pa.Table, queries: pa.Table) -> Source | None:
    """Return a source by the cosine of what two users liked, or None where its vectors would not fit into memory."""
    sets = ItemSets(behaviours)
    if not sets.fits(max(behaviours.num_rows, queries.num_rows)):
        return None

    def vectors(table: pa.Table, key: str) -> pa.Table:
        return vector_table(key, table[key].to_pylist(), sets.vectors(table[ITEM_IDS].to_pylist()))

    return Source(ITEM_SETS, lambda table: vectors(table, BEHAVIOUR_ID), lambda table: vectors(table, QUERY_ID))


def liked_targets(
    targets: pa.Table, found: pa.Table, behaviours: pa.Table, count: int, newest: int | None = None
) -> npt.NDArray[np.bool_]:
    """Return whether the user of each rank liked the target, (targets, count); False where nobody was found.

    Args:
        targets: TARGETS.
        found: CANDIDATES or CONTEXTS.
        behaviours: BEHAVIOURS.
        count: ranks.
        newest: items of a behaviour that are looked at; None: all.
    """
    key = TARGET_ID if TARGET_ID in found.column_names else QUERY_ID
    column = behaviours[ITEM_IDS].to_pylist()
    items = {
        name: frozenset(ids if newest is None else ids[max(0, len(ids) - newest) :])
        for name, ids in zip(behaviours[BEHAVIOUR_ID].to_pylist(), column, strict=True)
    }
    ranked: dict[str, list[frozenset[str]]] = {}
    ordered = found.sort_by([(key, "ascending"), (RANK, "ascending")])
    for name, behaviour in zip(ordered[key].to_pylist(), ordered[BEHAVIOUR_ID].to_pylist(), strict=True):
        ranked.setdefault(name, []).append(items[behaviour])
    liked = np.zeros((targets.num_rows, count), bool)
    asked = zip(targets[key].to_pylist(), targets[ITEM_ID].to_pylist(), strict=True)
    for row, (name, item) in enumerate(asked):
        for rank, held in enumerate(ranked.get(name, ())[:count]):
            liked[row, rank] = item in held
    return liked


def closeness(
    targets: pa.Table, found: pa.Table, behaviours: pa.Table, item_vectors: Mapping[str, Floats], newest: int
) -> float:
    """Return how close the titles shown come to the target: their mean cosine, over targets that are shown some.

    Args:
        targets: TARGETS.
        found: CONTEXTS, or CANDIDATES of no more users than are shown.
        behaviours: BEHAVIOURS.
        item_vectors: item_id -> vector of length 1.
        newest: items of a behaviour that are shown.
    """
    key = TARGET_ID if TARGET_ID in found.column_names else QUERY_ID
    shown = {
        name: np.mean([item_vectors[item] for item in ids[max(0, len(ids) - newest) :]], axis=0)
        for name, ids in zip(behaviours[BEHAVIOUR_ID].to_pylist(), behaviours[ITEM_IDS].to_pylist(), strict=True)
        if ids
    }
    chosen: dict[str, list[Floats]] = {}
    for name, behaviour in zip(found[key].to_pylist(), found[BEHAVIOUR_ID].to_pylist(), strict=True):
        chosen.setdefault(name, []).append(shown[behaviour])
    cosines = [
        float(np.mean(chosen[name], axis=0) @ item_vectors[item])
        for name, item in zip(targets[key].to_pylist(), targets[ITEM_ID].to_pylist(), strict=True)
        if name in chosen
    ]
    return float(np.mean(cosines)) if cosines else 0.0
