"""A few rows with everything that led to their score, for readers who want to see the evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from scorerec.core.columns import BEHAVIOUR_ID, ITEM_ID, ITEM_IDS, LABEL, QUERY_ID, RANK, SEGMENTS, TARGET_ID
from scorerec.core.errors import DataError
from scorerec.evaluate.rows import JudgedRows
from scorerec.text.segments import Segment, from_rows

T = TypeVar("T")


@dataclass(frozen=True)
class EvidenceUser:
    """One similar user's behaviour.

    Attributes:
        behaviour_id: the behaviour.
        titles: what the user liked, oldest first.
        score: the retriever's similarity, or the reranker's score.
        has_target: whether the target is among the titles.
    """

    behaviour_id: str
    titles: tuple[str, ...]
    score: float
    has_target: bool


@dataclass(frozen=True)
class Example:
    """One row: what was known, what was retrieved, what was chosen, what the model read and said.

    Attributes:
        target_id: the row's target.
        user_id: the user.
        title: the target item's title.
        label: 1 = liked; None where it is not known.
        scores: method -> score.
        history: titles of the user's positives before the row, oldest first.
        candidates: similar users in the retriever's order (before SARE).
        contexts: the users chosen, in the reranker's order (after SARE).
        prompt: the prompt exactly as the model read it.
    """

    target_id: str
    user_id: str
    title: str
    label: int | None
    scores: Mapping[str, float]
    history: tuple[str, ...]
    candidates: tuple[EvidenceUser, ...]
    contexts: tuple[EvidenceUser, ...]
    prompt: tuple[Segment, ...]

    def verdict(self, method: str) -> str | None:
        """Return whether a method's score is on the label's side of 0.5: right or wrong; None without one of them."""
        if self.label is None or method not in self.scores:
            return None
        return "right" if (self.scores[method] > 0.5) == bool(self.label) else "wrong"

    def reads_target_of(self, behaviour_id: str) -> bool:
        """Return whether the target is among the titles of a behaviour that the model read."""
        targets = {part.item_id for part in self.prompt if part.kind == "target"}
        read = (part for part in self.prompt if part.kind == "evidence" and part.behaviour_id == behaviour_id)
        return any(part.item_id in targets for part in read)

    def rank_before(self, behaviour_id: str) -> int | None:
        """Return a behaviour's place in the retriever's order, from 1; None where it is not there."""
        order = [user.behaviour_id for user in self.candidates]
        return order.index(behaviour_id) + 1 if behaviour_id in order else None


@dataclass(frozen=True)
class EvidenceTables:
    """The tables of one run that examples are read from.

    Attributes:
        targets: TARGETS.
        queries: QUERIES.
        behaviours: BEHAVIOURS.
        candidates: CANDIDATES.
        contexts: CONTEXTS.
        prompts: PROMPTS, as the model read them (after its budget).
        titles: item_id -> title.
    """

    targets: pa.Table
    queries: pa.Table
    behaviours: pa.Table
    candidates: pa.Table
    contexts: pa.Table
    prompts: pa.Table
    titles: Mapping[str, str]


def choose_examples(rows: JudgedRows, method: str, n_examples: int) -> list[str]:
    """Return target ids spread evenly over the method's scores, from the surest yes to the surest no.

    Args:
        rows: what was judged.
        method: its key.
        n_examples: how many; fewer where there are fewer rows.

    Raises:
        DataError: the method has no scores.
    """
    if method not in rows.scores:
        raise DataError(f"method {method!r} has no scores; those that have: {', '.join(rows.scores)}")
    order = np.argsort(-rows.scores[method], kind="stable")
    places = np.unique(np.linspace(0, len(order) - 1, min(n_examples, len(order))).round().astype(int))
    return [rows.target_ids[order[place]] for place in places]


def read_examples(tables: EvidenceTables, rows: JudgedRows, target_ids: Sequence[str]) -> list[Example]:
    """Return the story of each of some rows.

    Args:
        tables: where the evidence is.
        rows: the judged rows, for users and scores.
        target_ids: which of them, in this order.

    Raises:
        DataError: a target, its query, its prompt, or a behaviour that it was shown is in none of the tables.
    """
    targets = _rows(tables.targets, "target_id", target_ids)
    queries = _rows(tables.queries, "query_id", [row[QUERY_ID] for row in targets.values()])
    prompts = _rows(tables.prompts, "target_id", target_ids)
    candidates = _ranked(tables.candidates, QUERY_ID, list(queries))
    contexts = _ranked(tables.contexts, TARGET_ID, target_ids)
    parts = [*candidates.values(), *contexts.values()]
    shown = [row[BEHAVIOUR_ID] for part in parts for row in part]
    behaviours = _rows(tables.behaviours, "behaviour_id", shown)
    places = {target_id: place for place, target_id in enumerate(rows.target_ids)}
    examples = []
    for target_id, target in targets.items():
        item_id, query_id = target[ITEM_ID], target[QUERY_ID]
        users = _EvidenceReader(behaviours, tables.titles, item_id)
        place = _found(places, target_id, "the judged rows")
        examples.append(
            Example(
                target_id=target_id,
                user_id=rows.user_ids[place],
                title=tables.titles.get(item_id, item_id),
                label=target[LABEL],
                scores={method: float(scores[place]) for method, scores in rows.scores.items()},
                history=users.names(queries[query_id][ITEM_IDS]),
                candidates=users.read(candidates.get(query_id, []), "similarity"),
                contexts=users.read(contexts.get(target_id, []), "score"),
                prompt=tuple(from_rows(prompts[target_id][SEGMENTS])),
            )
        )
    return examples


@dataclass(frozen=True)
class _EvidenceReader:
    """Turns ranked rows into the users behind them, for one target item."""

    behaviours: Mapping[str, Mapping[str, Any]]
    titles: Mapping[str, str]
    item_id: str

    def read(self, ranked: Sequence[Mapping[str, Any]], score: str) -> tuple[EvidenceUser, ...]:
        users = []
        for row in ranked:
            item_ids = self.behaviours[row[BEHAVIOUR_ID]][ITEM_IDS]
            has_target = self.item_id in item_ids
            users.append(EvidenceUser(row[BEHAVIOUR_ID], self.names(item_ids), row[score], has_target))
        return tuple(users)

    def names(self, item_ids: Sequence[str]) -> tuple[str, ...]:
        return tuple(self.titles.get(item_id, item_id) for item_id in item_ids)


def _rows(table: pa.Table, key: str, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return name -> row for the names wanted, in their order."""
    part = table.filter(pc.is_in(table[key], pa.array(names, pa.string()))).to_pylist()
    found = {row[key]: row for row in part}
    return {name: _found(found, name, f"the table keyed by {key}") for name in names}


def _ranked(table: pa.Table, key: str, names: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """Return name -> its rows in order of rank; a name without evidence is not there."""
    part = table.filter(pc.is_in(table[key], pa.array(names, pa.string())))
    result: dict[str, list[dict[str, Any]]] = {}
    for row in part.sort_by(RANK).to_pylist():
        result.setdefault(row[key], []).append(row)
    return result


def _found(mapping: Mapping[str, T], name: str, place: str) -> T:
    if name not in mapping:
        raise DataError(f"example {name!r} is not in {place}; give the tables of the same run")
    return mapping[name]
