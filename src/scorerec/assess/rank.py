"""Orders candidates for SARE to learn from: by the assessment (Eq. 8-9), by titles, or by what helped the answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pyarrow as pa

from scorerec.core.columns import BEHAVIOUR_ID, ITEM_ID, QUERY_ID, RANK, RELEVANCE, REPLY, TARGET_ID
from scorerec.core.errors import DataError, ModelError
from scorerec.core.tables import RANKINGS

Embed = Callable[[list[str]], np.ndarray]

_CLOSEST = 3  # items of a behaviour that speak for it
_PAIRS_AT_ONCE = 65_536  # (assessment, candidate) pairs whose vectors are multiplied together: flat memory


def rank(
    assessments: pa.Table,
    targets: pa.Table,
    candidates: pa.Table,
    behaviour_texts: Mapping[str, str],
    embed: Embed,
) -> pa.Table:
    """Return the order O of each assessed target's candidates, the best first.

    Eq. 8: both the reply r_t and each behaviour d(H(u_i)) are embedded by TxtEmb; every distinct text once.
    Eq. 9: candidates are ordered by the cosine of the two, ties by their rank as candidates.

    Args:
        assessments: ASSESSMENTS.
        targets: TARGETS; names each assessed target's query.
        candidates: CANDIDATES; a target whose query has none gets no rows.
        behaviour_texts: behaviour_id -> d(H(u)).
        embed: TxtEmb: N texts -> (N, d) float32.

    Returns:
        RANKINGS, targets in the order of ``assessments``; ``relevance`` is the cosine.

    Raises:
        DataError: a target or the text of a behaviour is missing.
        ModelError: the embedder returned another shape, or numbers that are not finite.
    """
    target_ids, behaviour_ids, order, sources = _pairs(assessments, targets, candidates)
    replies = dict(zip(assessments[TARGET_ID].to_pylist(), assessments[REPLY].to_pylist(), strict=True))
    missing = sorted(set(behaviour_ids) - behaviour_texts.keys())
    if missing:
        raise DataError(f"{len(missing)} candidates have no text, the first is behaviour {missing[0]!r}")
    questions = [replies[target_id] for target_id in target_ids]
    answers = [behaviour_texts[behaviour_id] for behaviour_id in behaviour_ids]
    place = {text: index for index, text in enumerate(dict.fromkeys([*questions, *answers]))}
    vectors = _unit_vectors(list(place), embed)  # (n_texts, d) f32
    relevance = _cosines(vectors, [place[text] for text in questions], [place[text] for text in answers])
    return _ranked(target_ids, behaviour_ids, (order, sources), relevance)


def rank_by_titles(
    asked: pa.Table,
    targets: pa.Table,
    candidates: pa.Table,
    behaviours: Mapping[str, Sequence[str]],
    item_vectors: Mapping[str, np.ndarray],
) -> pa.Table:
    """Return another order of each target's candidates: who liked the target itself, or items like it, first.

    The relevance of a behaviour is the mean of its three largest cosines between an item of it and the target.

    Args:
        asked: target_id of the targets that are ranked.
        targets: TARGETS.
        candidates: CANDIDATES; a target whose query has none gets no rows.
        behaviours: behaviour_id -> item ids.
        item_vectors: item_id -> vector of its description, (d,) float32.

    Returns:
        RANKINGS, targets in the order of ``asked``.

    Raises:
        DataError: a target or an item of a behaviour is missing.
    """
    target_ids, behaviour_ids, order, sources = _pairs(asked, targets, candidates)
    place = {item: number for number, item in enumerate(item_vectors)}
    matrix = np.stack([np.asarray(vector, np.float32) for vector in item_vectors.values()])
    matrix = matrix / np.maximum(np.linalg.norm(matrix, axis=1, keepdims=True), 1e-12)
    wanted = dict(zip(targets[TARGET_ID].to_pylist(), targets[ITEM_ID].to_pylist(), strict=True))
    try:
        held = {name: np.array([place[item] for item in behaviours[name]], np.int64) for name in set(behaviour_ids)}
        asking = [place[wanted[target_id]] for target_id in target_ids]
    except KeyError as error:
        raise DataError(f"ranking by titles: {error.args[0]!r} has no items, or no description") from None
    relevance = np.empty(len(target_ids), np.float32)
    for number, (item, name) in enumerate(zip(asking, behaviour_ids, strict=True)):
        cosines = matrix[held[name]] @ matrix[item]
        relevance[number] = np.sort(cosines)[-_CLOSEST:].mean() if len(cosines) else -1.0
    return _ranked(target_ids, behaviour_ids, (order, sources), relevance)


def rank_by_gain(
    asked: pa.Table, targets: pa.Table, candidates: pa.Table, gain: Callable[[Sequence[str], Sequence[str]], np.ndarray]
) -> pa.Table:
    """Return the order of each target's candidates by what they do for the answer, the best first.

    Args:
        asked: target_id of the targets that are ranked.
        targets: TARGETS.
        candidates: CANDIDATES; a target whose query has none gets no rows.
        gain: P target ids and P behaviour ids -> what each behaviour adds to the log-likelihood of the label, (P,).

    Returns:
        RANKINGS, targets in the order of ``asked``.

    Raises:
        DataError: a target is missing.
    """
    target_ids, behaviour_ids, order, sources = _pairs(asked, targets, candidates)
    relevance = np.asarray(gain(target_ids, behaviour_ids), np.float32)
    return _ranked(target_ids, behaviour_ids, (order, sources), relevance)


def _ranked(
    target_ids: Sequence[str],
    behaviour_ids: Sequence[str],
    places: tuple[np.ndarray, np.ndarray],
    relevance: np.ndarray,
) -> pa.Table:
    """Return RANKINGS by relevance; ``places``: rank as candidate, which decides ties, and number of the target."""
    order, sources = places
    best_first = np.lexsort((order, -relevance, sources))  # the last key is the first to decide
    sources = sources[best_first]
    first = np.flatnonzero(np.r_[True, sources[1:] != sources[:-1]]) if len(sources) else sources
    rank_in_target = np.arange(len(sources)) - np.repeat(first, np.diff(np.r_[first, len(sources)])) + 1
    columns = {
        TARGET_ID: pa.array(target_ids, pa.string()).take(pa.array(best_first)),
        RANK: rank_in_target,
        BEHAVIOUR_ID: pa.array(behaviour_ids, pa.string()).take(pa.array(best_first)),
        RELEVANCE: relevance[best_first],
    }
    return RANKINGS.check(pa.table(columns))


def _pairs(
    assessments: pa.Table, targets: pa.Table, candidates: pa.Table
) -> tuple[list[str], list[str], np.ndarray, np.ndarray]:
    """Return target id, behaviour id, candidate rank and row of the assessment, for each pair."""
    queries = dict(zip(targets[TARGET_ID].to_pylist(), targets[QUERY_ID].to_pylist(), strict=True))
    of_query: dict[str, list[tuple[int, str]]] = {}
    columns = (candidates[name].to_pylist() for name in (QUERY_ID, RANK, BEHAVIOUR_ID))
    for query_id, candidate_rank, behaviour_id in zip(*columns, strict=True):
        of_query.setdefault(query_id, []).append((candidate_rank, behaviour_id))
    target_ids: list[str] = []
    behaviour_ids: list[str] = []
    order: list[int] = []
    sources: list[int] = []
    for source, target_id in enumerate(assessments[TARGET_ID].to_pylist()):
        if target_id not in queries:
            raise DataError(f"assessed target {target_id!r} is not in the table of targets")
        for candidate_rank, behaviour_id in of_query.get(queries[target_id], []):
            target_ids.append(target_id)
            behaviour_ids.append(behaviour_id)
            order.append(candidate_rank)
            sources.append(source)
    return target_ids, behaviour_ids, np.array(order, np.int64), np.array(sources, np.int64)


def _unit_vectors(texts: list[str], embed: Embed) -> np.ndarray:
    """Embed texts and scale each vector to length 1, so that inner products are cosines."""
    if not texts:
        return np.zeros((0, 1), np.float32)
    vectors = np.asarray(embed(texts), np.float32)
    if vectors.ndim != 2 or len(vectors) != len(texts) or not np.isfinite(vectors).all():
        raise ModelError(
            f"the text embedder returned shape {vectors.shape} for {len(texts)} texts, or numbers "
            "that are not finite; wanted one finite vector per text"
        )
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)  # (n_texts, 1)
    return np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)


def _cosines(vectors: np.ndarray, left: Sequence[int], right: Sequence[int]) -> np.ndarray:
    """Return the inner products of pairs of rows, (n_pairs,) float32."""
    left_rows, right_rows = np.array(left, np.int64), np.array(right, np.int64)
    result = np.empty(len(left_rows), np.float32)
    for start in range(0, len(result), _PAIRS_AT_ONCE):
        chunk = slice(start, start + _PAIRS_AT_ONCE)
        result[chunk] = np.einsum("nd,nd->n", vectors[left_rows[chunk]], vectors[right_rows[chunk]])
    return result
