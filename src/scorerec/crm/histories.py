"""Interactions as arrays: numbered items, each user's positives once, and rows that read a prefix of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import scipy.sparse as sp

from scorerec.core.columns import ITEM_ID, LABEL, N_BEFORE, ROW_ID, SPLIT, USER_ID
from scorerec.core.errors import DataError
from scorerec.core.randomness import derived_seed
from scorerec.core.tables import INTERACTIONS

Integers = npt.NDArray[np.int64]
Chosen = npt.NDArray[np.bool_] | npt.NDArray[np.int64]

UNKNOWN = 0  # the number of every item that the catalogue lacks; also padding


class Catalogue:
    """The items that a model knows, numbered from 1 on.

    >>> Catalogue(["a", "b"]).numbers(["b", "z"]).tolist()
    [2, 0]
    """

    def __init__(self, item_ids: Sequence[str]):
        self.item_ids = tuple(item_ids)
        self._numbers = {item_id: number for number, item_id in enumerate(self.item_ids, start=1)}
        if len(self._numbers) < len(self.item_ids):
            raise DataError(f"catalogue: {len(self.item_ids) - len(self._numbers)} item ids occur twice")

    def __len__(self) -> int:
        return len(self.item_ids)

    def numbers(self, item_ids: Sequence[str]) -> Integers:
        """Return each item's number, 0 where it is unknown, (N,) int64."""
        return np.array([self._numbers.get(item_id, UNKNOWN) for item_id in item_ids], np.int64)


@dataclass(frozen=True)
class Prefixes:
    """N prefixes of H histories; a history that many rows read stands here once.

    Attributes:
        items: numbers of known items, oldest first, one block per history, (P,) int64.
        starts: where each block begins, and the end of the last one, (H + 1,) int64.
        history: which history a prefix is of, (N,) int64.
        length: how many of its items the prefix holds, (N,) int64.
    """

    items: Integers
    starts: Integers
    history: Integers
    length: Integers

    def __len__(self) -> int:
        return len(self.history)

    def take(self, chosen: Chosen) -> Prefixes:
        """Return the prefixes that a mask (N,) or numbers choose."""
        return Prefixes(self.items, self.starts, self.history[chosen], self.length[chosen])

    def compact(self) -> Prefixes:
        """Return the same prefixes without the histories, and the ends of histories, that none of them reads."""
        used, history = np.unique(self.history, return_inverse=True)
        longest = np.zeros(len(used), np.int64)
        np.maximum.at(longest, history, self.length)
        starts = np.concatenate([[0], np.cumsum(longest)])
        places = np.arange(starts[-1]) + np.repeat(self.starts[used] - starts[:-1], longest)
        return Prefixes(self.items[places], starts, history.astype(np.int64), self.length)


@dataclass(frozen=True)
class Rows:
    """N interactions, each with what its user had liked before it.

    Attributes:
        prefixes: N prefixes; the history number is the user's, and no history goes beyond its longest prefix.
        item: (N,) int64, 0 = unknown.
        label: (N,) float32, 0 or 1.
    """

    prefixes: Prefixes
    item: Integers
    label: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.item)

    def take(self, chosen: Chosen) -> Rows:
        """Return the rows that a mask (N,) or numbers choose."""
        return Rows(self.prefixes.take(chosen), self.item[chosen], self.label[chosen])


def training_catalogue(interactions: pa.Table) -> Catalogue:
    """Return the items of the training rows, in order of their id."""
    is_training = pc.equal(interactions[SPLIT], "train")
    return Catalogue(sorted(pc.unique(interactions[ITEM_ID].filter(is_training)).to_pylist()))


def training_likes(interactions: pa.Table, most_items: int | None = None) -> tuple[list[str], Catalogue, sp.csr_matrix]:
    """Return who likes what in training: users, items by how many like them, and ones, (users, 1 + items).

    Args:
        interactions: INTERACTIONS.
        most_items: how many of the most liked items are numbered; None: all. Others are in column 0.
    """
    liked = interactions.filter(pc.and_(pc.equal(interactions[SPLIT], "train"), pc.equal(interactions[LABEL], 1)))
    counts = liked.group_by(ITEM_ID).aggregate([([], "count_all")])
    order = counts.sort_by([("count_all", "descending"), (ITEM_ID, "ascending")])
    catalogue = Catalogue(order[ITEM_ID].to_pylist()[:most_items])
    owners = liked[USER_ID].to_pylist()
    users = sorted(set(owners))
    numbers = {user: number for number, user in enumerate(users)}
    rows = np.array([numbers[user] for user in owners], np.int64)
    columns = catalogue.numbers(liked[ITEM_ID].to_pylist())
    likes = sp.csr_matrix((np.ones(len(rows)), (rows, columns)), (len(users), len(catalogue) + 1))
    likes.data[:] = 1.0
    return users, catalogue, likes


def fold_of(user: str, n_folds: int, purpose: str) -> int:
    """Return which fold of users somebody is in: what learned from the others has not seen them.

    Args:
        user: who.
        n_folds: how many there are.
        purpose: of the folds, which are others for each.
    """
    return derived_seed(0, purpose, user) % n_folds


def split_rows(interactions: pa.Table, catalogue: Catalogue, split: str) -> Rows:
    """Return the rows of one split, in order of row_id, each with its user's first ``n_before`` positives.

    They may be of an earlier split; items that the catalogue lacks are skipped.

    Args:
        interactions: INTERACTIONS of all splits.
        catalogue: numbers the items.
        split: train, valid or test.

    Raises:
        DataError: ``n_before`` counts more positives than stand before the row.
    """
    table = INTERACTIONS.check(interactions).sort_by(ROW_ID).combine_chunks()
    user = _as_numbers(table[USER_ID].combine_chunks().dictionary_encode().indices)
    found = pc.index_in(table[ITEM_ID].combine_chunks(), value_set=pa.array(catalogue.item_ids, pa.string()))
    item = _as_numbers(found.fill_null(-1)) + 1
    label = table[LABEL].to_numpy()
    positive = np.flatnonzero(label == 1)
    positive = positive[np.argsort(user[positive], kind="stable")]  # one block per user, oldest first
    chosen = np.flatnonzero(pc.equal(table[SPLIT], split).to_numpy())
    # A prefix is positive[first:last].
    blocks = np.searchsorted(user[positive], np.arange(user.max(initial=-1) + 2))
    first = blocks[user[chosen]]
    last = first + table[N_BEFORE].to_numpy()[chosen]
    n_rows = len(user)
    limit = np.searchsorted(user[positive] * n_rows + positive, user[chosen] * n_rows + chosen)
    if (last > limit).any():
        row = int(chosen[np.argmax(last > limit)])
        raise DataError(
            f"interactions: row {table[ROW_ID][row]} has n_before = {table[N_BEFORE][row]}, and fewer "
            "positives of its user stand before it; prepare the data again"
        )
    known_before = np.concatenate([[0], np.cumsum(item[positive] != UNKNOWN)])
    length = known_before[last] - known_before[first]
    longest = np.zeros(len(blocks) - 1, np.int64)
    np.maximum.at(longest, user[chosen], length)
    known = positive[item[positive] != UNKNOWN]
    place = np.arange(len(known)) - known_before[blocks[user[known]]]
    kept = item[known[place < longest[user[known]]]]
    prefixes = Prefixes(kept, np.concatenate([[0], np.cumsum(longest)]), user[chosen], length)
    return Rows(prefixes, item[chosen], label[chosen].astype(np.float32))


def whole_histories(histories: Sequence[Sequence[str]], catalogue: Catalogue) -> Prefixes:
    """Return histories of item ids, oldest first, as prefixes of full length; equal histories stand once."""
    distinct: dict[tuple[str, ...], int] = {}
    history = np.array([distinct.setdefault(tuple(ids), len(distinct)) for ids in histories], np.int64)
    numbers = [catalogue.numbers(ids) for ids in distinct]
    known = [block[block != UNKNOWN] for block in numbers]
    lengths = np.array([len(block) for block in known], np.int64)
    items = np.concatenate([*known, np.zeros(0, np.int64)])
    return Prefixes(items, np.concatenate([[0], np.cumsum(lengths)]), history, lengths[history])


def whole_likes(train: Rows) -> Prefixes:
    """Return everything that each user of the training rows liked there: a row's item as well as its prefix."""
    liked = train.take(train.label == 1)
    order = np.argsort(liked.prefixes.history, kind="stable")
    n_users = len(train.prefixes.starts) - 1
    users, items = liked.prefixes.history[order], liked.item[order]
    starts = np.searchsorted(users, np.arange(n_users + 1))
    return Prefixes(items, starts, np.arange(n_users), np.diff(starts))


def as_matrix(prefixes: Prefixes, n_items: int) -> sp.csr_matrix:
    """Return which items each prefix holds, (N, 1 + n_items), as ones."""
    first = prefixes.starts[prefixes.history]
    ends = np.concatenate([[0], np.cumsum(prefixes.length)])
    places = np.arange(ends[-1]) + np.repeat(first - ends[:-1], prefixes.length)
    matrix = sp.csr_matrix(
        (np.ones(len(places), np.float32), prefixes.items[places], ends), shape=(len(prefixes), n_items + 1)
    )
    matrix.sum_duplicates()
    matrix.data[:] = 1.0
    return matrix


def _as_numbers(array: pa.Array) -> Integers:
    return np.asarray(array.to_numpy(zero_copy_only=False), np.int64)
