"""Who teaches CAR: histories with their CRM neighbours, final ones and, as an option, earlier ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from scorerec.core.columns import BEHAVIOUR_ID, N_BEFORE, NEIGHBOUR_ID, QUERY_ID, RANK, SIMILARITY, USER_ID
from scorerec.core.errors import DataError
from scorerec.core.randomness import generator
from scorerec.core.tables import NEIGHBOURS
from scorerec.retrieve.neighbours import top_k
from scorerec.retrieve.vectors import vector_matrix


@dataclass(frozen=True)
class Anchor:
    """A history with its CRM neighbours.

    Attributes:
        text: d(H(u)).
        user_id: whose history it is.
        neighbours: behaviour ids, the most similar first.
        is_prefix: whether it is an earlier history, which nobody can retrieve.
    """

    text: str
    user_id: str
    neighbours: tuple[str, ...]
    is_prefix: bool


def read_anchors(neighbours: pa.Table, texts: Mapping[str, str]) -> dict[str, Anchor]:
    """Return anchor id -> anchor, in order of id.

    Args:
        neighbours: NEIGHBOURS, with two optional columns. ``user_id``: whose history the anchor is; without
            it, a behaviour is its own user. ``anchor_text``: the text of an anchor that is no behaviour.
        texts: behaviour_id -> d(H(u)).

    Raises:
        DataError: a behaviour has no text.
    """
    ordered = neighbours.sort_by([(BEHAVIOUR_ID, "ascending"), (RANK, "ascending")])
    anchors: dict[str, Anchor] = {}
    for row in ordered.to_pylist():
        name, own_text = row[BEHAVIOUR_ID], row.get("anchor_text")
        for behaviour in (row[NEIGHBOUR_ID], *([name] if own_text is None else [])):
            if behaviour not in texts:
                raise DataError(f"neighbours of {name!r}: behaviour {behaviour!r} has no text")
        earlier = anchors[name].neighbours if name in anchors else ()
        anchors[name] = Anchor(
            text=texts[name] if own_text is None else own_text,
            user_id=row.get("user_id") or name,
            neighbours=(*earlier, row[NEIGHBOUR_ID]),
            is_prefix=own_text is not None,
        )
    return anchors


def sample_prefixes(queries: pa.Table, n_per_user: int, seed: int) -> pa.Table:
    """Return up to ``n_per_user`` queries of each user that have a history, chosen at random.

    Args:
        queries: QUERIES of training rows.
        n_per_user: how many.
        seed: decides which; a user's draw does not depend on the other users.
    """
    by_user: dict[str, list[int]] = {}
    for place, (user_id, n_before) in enumerate(
        zip(queries[USER_ID].to_pylist(), queries[N_BEFORE].to_pylist(), strict=True)
    ):
        if n_before > 0:
            by_user.setdefault(user_id, []).append(place)
    chosen: list[int] = []
    for user_id, places in by_user.items():
        order = generator(seed, "car prefixes", user_id).permutation(len(places))[:n_per_user]
        chosen.extend(places[index] for index in order)
    return queries.take(sorted(chosen))


def prefix_neighbours(
    queries: pa.Table,
    texts: Mapping[str, str],
    query_vectors: pa.Table,
    behaviours: pa.Table,
    behaviour_vectors: pa.Table,
    n_neighbours: int,
) -> pa.Table:
    """Return the CRM neighbours of histories as they were at queries, for ``train_car``.

    A prefix is paired with the neighbours that the CRM gives to the prefix itself, not to the user's final
    history: measured on MovieLens-1M, the latter teaches less than no prefixes at all.

    Args:
        queries: QUERIES, see ``sample_prefixes``.
        texts: query_id -> d(history).
        query_vectors: the CRM's, keyed by query_id.
        behaviours: BEHAVIOURS that may be neighbours.
        behaviour_vectors: the CRM's, keyed by behaviour_id.
        n_neighbours: K_c.

    Returns:
        NEIGHBOURS, the query in place of the behaviour, with ``user_id`` and ``anchor_text``; concatenate it
        with the table of final behaviours (``promote_options="default"``).
    """
    query_ids, behaviour_ids = queries[QUERY_ID].to_pylist(), behaviours[BEHAVIOUR_ID].to_pylist()
    users = queries[USER_ID].to_pylist()
    found, similarity = top_k(
        vector_matrix(query_vectors, QUERY_ID, query_ids),
        vector_matrix(behaviour_vectors, BEHAVIOUR_ID, behaviour_ids),
        n_neighbours,
        query_owner=users,
        corpus_owner=behaviours[USER_ID].to_pylist(),
    )
    row, column = np.nonzero(found >= 0)  # -1 pads the rows that have fewer
    table = pa.table(
        {
            BEHAVIOUR_ID: [query_ids[index] for index in row],
            RANK: pa.array(column + 1, pa.int32()),
            NEIGHBOUR_ID: [behaviour_ids[index] for index in found[row, column]],
            SIMILARITY: pa.array(similarity[row, column], pa.float32()),
        }
    )
    checked = NEIGHBOURS.check(table)
    checked = checked.append_column(USER_ID, pa.array([users[index] for index in row], pa.string()))
    return checked.append_column("anchor_text", pa.array([texts[query_ids[index]] for index in row], pa.string()))
