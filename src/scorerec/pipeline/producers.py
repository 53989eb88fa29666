"""Other ways to choose whose behaviours a prompt shows: ablations, controls, and a bound. Each writes CONTEXTS.

All of them keep the rule of no peeking: never the user's own behaviour, never one that the query's snapshot hides.
The oracle alone looks at labels, which is what makes it a bound and not a method.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from scorerec.core.columns import (
    BEHAVIOUR_ID,
    ITEM_ID,
    ITEM_IDS,
    LABEL,
    QUERY_ID,
    SEGMENTS,
    SNAPSHOT,
    SPLIT,
    TARGET_ID,
    USER_ID,
    VALID_FROM,
    VALID_TO,
)
from scorerec.core.randomness import generator
from scorerec.core.tables import BEHAVIOURS, CANDIDATES, CONTEXTS, PROMPTS, QUERIES, SEGMENT, TARGETS, TableSchema
from scorerec.pipeline.prompting import ranked
from scorerec.text import prompts as texts
from scorerec.text.segments import from_rows, to_rows
from scorerec.text.verdicts import without_numbers
from scorerec.text.wording import DomainWords

_TRIES = 50  # draws per behaviour wanted
_BLOCK = 20_000  # prompts at a time


def first_candidates(targets: pa.Table, candidates: pa.Table, n_context_users: int) -> pa.Table:
    """Return the K_s most similar candidates of each target's query, as they were retrieved.

    Args:
        targets: TARGETS.
        candidates: CANDIDATES.
        n_context_users: K_s.
    """
    found = ranked(CANDIDATES.check(candidates), QUERY_ID)
    return _contexts((target, found.get(query, [])[:n_context_users]) for target, query in _asked(targets))


def random_contexts(
    targets: pa.Table, queries: pa.Table, behaviours: pa.Table, n_context_users: int, seed: int
) -> pa.Table:
    """Return K_s behaviours of other users drawn at random for each target, among those that it may see.

    Args:
        targets: TARGETS.
        queries: QUERIES. One without history gets nothing, as elsewhere.
        behaviours: BEHAVIOURS.
        n_context_users: K_s.
        seed: decides the draw, row by row.
    """
    visible = _Visible(queries, behaviours)
    rows = []
    for target, query in _asked(targets):
        rng = generator(seed, "random contexts", target)
        rows.append((target, visible.draw(query, rng, n_context_users)))
    return _contexts(rows)


def shuffled_contexts(
    targets: pa.Table, queries: pa.Table, behaviours: pa.Table, contexts: pa.Table, seed: int
) -> pa.Table:
    """Return the contexts of SCORE, each given to another row of the same split.

    What fits no longer (a behaviour of the row's own user, or one it may not see) is left out.

    Args:
        targets: TARGETS.
        queries: QUERIES.
        behaviours: BEHAVIOURS.
        contexts: CONTEXTS of the targets.
        seed: decides who gets whose.
    """
    visible = _Visible(queries, behaviours)
    chosen = ranked(CONTEXTS.check(contexts), TARGET_ID)
    asked = list(_asked(targets))
    rows: list[tuple[str, list[str]]] = []
    for place, giver in _givers(targets, seed, "shuffled contexts"):
        target, query = asked[place]
        given = chosen.get(asked[giver][0], [])
        rows.append((target, [name for name in given if visible.allows(query, name)]))
    return _contexts(rows)


def shuffled(targets: pa.Table, table: pa.Table, schema: TableSchema, seed: int) -> pa.Table:
    """Return what a table says of the targets, each given to another row of the same split.

    Every table but that of contexts is shuffled alike: a row gets what is said of the target from one other row. It
    may count the user's own rating then, as it may of the other row's target.

    Args:
        targets: TARGETS.
        table: of a schema with target_id; any number of rows of each.
        schema: of the table.
        seed: decides who gets whose.
    """
    names = np.array(targets[TARGET_ID].to_pylist(), dtype=object)
    gets = {names[giver]: names[place] for place, giver in _givers(targets, seed, "shuffled verdicts")}
    given = pa.array([gets.get(name) for name in table[TARGET_ID].to_pylist()], pa.string())
    place = table.schema.get_field_index(TARGET_ID)
    return schema.check(table.set_column(place, TARGET_ID, given).filter(given.is_valid()))


def _givers(targets: pa.Table, seed: int, purpose: str) -> Iterator[tuple[int, int]]:
    """Yield the place of each target, and of another one of its split."""
    splits = np.array(targets[SPLIT].to_pylist(), dtype=object)
    for split in sorted({split for split in splits if split is not None}):
        members = np.flatnonzero(splits == split)
        order = members[generator(seed, purpose, split).permutation(len(members))]
        # Neighbours in a random order: nobody keeps their own.
        yield from zip(order, np.roll(order, 1), strict=True)


def oracle_contexts(targets: pa.Table, candidates: pa.Table, behaviours: pa.Table, n_context_users: int) -> pa.Table:
    """Return the K_s candidates that agree with the label: with the target where it is liked, without it where not.

    Ties go to the better candidate. It knows the answer: what it reaches is a bound on what choosing among the
    candidates can win, for a model that counts how often the target is shown.

    Args:
        targets: TARGETS with labels.
        candidates: CANDIDATES.
        behaviours: BEHAVIOURS.
        n_context_users: K_s.
    """
    items = {
        name: set(ids)
        for name, ids in zip(behaviours[BEHAVIOUR_ID].to_pylist(), behaviours[ITEM_IDS].to_pylist(), strict=True)
    }
    found = ranked(CANDIDATES.check(candidates), QUERY_ID)
    labels = zip(targets[ITEM_ID].to_pylist(), targets[LABEL].to_pylist(), strict=True)
    rows = []
    for (target, query), (item, label) in zip(_asked(targets), labels, strict=True):
        agreeing = sorted(found.get(query, []), key=lambda name: (item in items[name]) != (label == 1))
        rows.append((target, agreeing[:n_context_users]))
    return _contexts(rows)


def without_content(prompts: pa.Table, words: DomainWords) -> pa.Table:
    """Return the same prompts with one word for every title of the evidence, such as "movie", and no verdict's numbers.

    So there are as many users, and nothing is said.
    """
    column = prompts[SEGMENTS].combine_chunks()
    segments = column.flatten()
    fields = {field.name: segments.field(field.name) for field in SEGMENT}
    # Column by column: a Python object per segment would take minutes.
    is_verdict = pc.equal(fields["kind"], "verdict").to_numpy(zero_copy_only=False)
    is_further = is_verdict & np.concatenate([[False], is_verdict[:-1]])  # they stand in a row: one sentence is enough
    is_title = pc.equal(fields["kind"], "evidence")
    for which, text in ((is_title, words.singular), (is_verdict, without_numbers(words)), (is_further, "")):
        fields["text"] = pc.if_else(which, text, fields["text"])
    structs = pa.StructArray.from_arrays(list(fields.values()), fields=list(SEGMENT))
    emptied = pa.ListArray.from_arrays(column.offsets, structs)
    return PROMPTS.check(prompts.set_column(prompts.schema.get_field_index(SEGMENTS), SEGMENTS, emptied))


class _Visible:
    """Which behaviours a query may be shown."""

    def __init__(self, queries: pa.Table, behaviours: pa.Table):
        known, asking = BEHAVIOURS.check(behaviours), QUERIES.check(queries)
        self.behaviour_ids: list[str] = known[BEHAVIOUR_ID].to_pylist()
        self._from, self._to = (known[name].to_numpy() for name in (VALID_FROM, VALID_TO))
        self._at: dict[int, npt.NDArray[np.int64]] = {}  # snapshot -> places of the behaviours that are valid then
        columns = (known[name].to_pylist() for name in (USER_ID, VALID_FROM, VALID_TO))
        self._behaviours = dict(zip(self.behaviour_ids, zip(*columns, strict=True), strict=True))
        columns = (asking[name].to_pylist() for name in (USER_ID, SNAPSHOT, ITEM_IDS))
        self._queries = dict(zip(asking[QUERY_ID].to_pylist(), zip(*columns, strict=True), strict=True))

    def allows(self, query_id: str, behaviour_id: str) -> bool:
        """Whether a query that has a history may be shown the behaviour."""
        user, snapshot, history = self._queries[query_id]
        owner, valid_from, valid_to = self._behaviours[behaviour_id]
        return bool(history) and user != owner and valid_from <= snapshot < valid_to

    def draw(self, query_id: str, rng: np.random.Generator, count: int) -> list[str]:
        """Return ``count`` behaviours that a query may be shown; fewer where hardly any may be."""
        found: dict[str, None] = {}
        # Among those of its own time: how many there will be later, which test labels decide, must not move the draw.
        places = self._places_at(self._queries[query_id][1])
        for number in rng.integers(len(places), size=_TRIES * count) if len(places) else ():
            name = self.behaviour_ids[places[number]]
            if len(found) < count and self.allows(query_id, name):
                found[name] = None
        return list(found)

    def _places_at(self, snapshot: int) -> npt.NDArray[np.int64]:
        if snapshot not in self._at:
            self._at[snapshot] = np.flatnonzero((self._from <= snapshot) & (snapshot < self._to))
        return self._at[snapshot]


def _asked(targets: pa.Table) -> Iterable[tuple[str, str]]:
    checked = TARGETS.check(targets)
    return zip(checked[TARGET_ID].to_pylist(), checked[QUERY_ID].to_pylist(), strict=True)


def _contexts(rows: Iterable[tuple[str, Sequence[str]]]) -> pa.Table:
    """Return CONTEXTS from (target_id, behaviour ids, best first); the score falls with the rank."""
    flat = [(target, rank, name, -float(rank)) for target, names in rows for rank, name in enumerate(names, start=1)]
    columns = CONTEXTS.columns.names
    return CONTEXTS.check(
        pa.Table.from_pylist([dict(zip(columns, row, strict=True)) for row in flat], CONTEXTS.columns)
    )


def without_behaviours(table: pa.Table, behaviour_ids: Collection[str]) -> tuple[pa.Table, int]:
    """Return PROMPTS without some behaviours, and how many prompts that changed; any other table as it is.

    Args:
        table: PROMPTS, or a table without segments.
        behaviour_ids: the behaviours that leave.
    """
    if SEGMENTS not in table.column_names:
        return table, 0
    gone, chunks, n_changed = pa.array(behaviour_ids, pa.string()), [], 0
    for batch in table.select([SEGMENTS]).to_batches(max_chunksize=_BLOCK):
        column = batch.column(0)
        shown = pc.is_in(column.flatten().field(BEHAVIOUR_ID), gone)
        changed = pc.unique(pc.list_parent_indices(column).filter(shown)).to_numpy()
        left = [
            to_rows(texts.without_behaviours(from_rows(segments), behaviour_ids))
            for segments in column.take(pa.array(changed)).to_pylist()
        ]
        order = np.arange(len(column))
        order[changed] = len(column) + np.arange(len(changed))
        chunks.append(pa.concat_arrays([column, pa.array(left, column.type)]).take(pa.array(order)))
        n_changed += len(changed)
    place = table.schema.get_field_index(SEGMENTS)
    return table.set_column(place, SEGMENTS, pa.chunked_array(chunks, pa.list_(SEGMENT))), n_changed
