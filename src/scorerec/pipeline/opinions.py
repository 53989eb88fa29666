"""Who rated what and when, so arranged that what is known at a row's moment is read off.

- Corpus ``train``: the training part. A training row sees what is earlier than its own second, as later rows see what
  is earlier than they are; every other row sees that part as it was at its end.
- Corpus ``as-of``: rows of any part that are earlier than the query's snapshot.

Of several ratings of one user for one item the last one counts that is known at the moment.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from scorerec.core.columns import (
    ITEM_ID,
    ITEM_IDS,
    LABEL,
    QUERY_ID,
    RATING,
    ROW_ID,
    SNAPSHOT,
    SPLIT,
    TIMESTAMP,
    USER_ID,
)
from scorerec.core.tables import INTERACTIONS, QUERIES, TARGETS

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_END = np.iinfo(np.int64).max  # a second after all others


class Opinions:
    """Who rated what, so arranged that what was known of an item at a moment is read off.

    A moment is the number of distinct seconds before it. A rating is known at the moments ``since < moment <= until``:
    until its user rated the item again.

    Args:
        interactions: INTERACTIONS that may count.

    Attributes:
        user: number of the user of each rating, (R,) int64; the ratings of an item are one block, oldest first.
        liked: whether they liked the item, (R,).
        rating: what they gave it, NaN where that is not known, (R,).
    """

    def __init__(self, interactions: pa.Table):
        table = INTERACTIONS.check(interactions).sort_by(ROW_ID)
        self._users, user = _numbered(table[USER_ID])
        self._items, item = _numbered(table[ITEM_ID])
        self._seconds, since = np.unique(table[TIMESTAMP].to_numpy(), return_inverse=True)
        order = np.argsort(item, kind="stable")
        item, self.user, self._since = item[order], user[order], since[order]
        self.liked = table[LABEL].to_numpy()[order] == 1
        self.rating = table[RATING].cast(pa.float64()).to_numpy()[order]
        self._item, self._item_ids = item, list(self._items)
        self._places = np.argsort(self.user, kind="stable")  # of each user's ratings, one block per user
        self._firsts = np.searchsorted(self.user[self._places], np.arange(len(self._users) + 1))
        self._blocks = np.searchsorted(item, np.arange(len(self._items) + 1))
        self._until = self._replaced(item * len(self._users) + self.user)
        # Likes of each user that came, and that were taken back, in order: what is before a moment is one search away.
        self._n_moments = len(self._seconds) + 1
        owner = self.user[self.liked]
        self._came, self._went = (
            np.sort(owner * self._n_moments + at[self.liked]) for at in (self._since, self._until)
        )

    def _replaced(self, pair: Integers) -> Integers:
        """Return when each rating was replaced by a later one of the same user and item, (R,)."""
        order = np.argsort(pair, kind="stable")
        until = np.full(len(pair), len(self._seconds))
        again = np.flatnonzero(np.diff(pair[order]) == 0)
        until[order[again]] = self._since[order[again + 1]]
        return until

    def moments(self, seconds: Integers) -> Integers:
        """Return the moment at which each second begins, (N,)."""
        return np.searchsorted(self._seconds, seconds)

    def number(self, user_id: str) -> int:
        """Return the number of a user, -1 where no rating of theirs counts."""
        return self._users.get(user_id, -1)

    def of(self, item_ids: Sequence[str]) -> Integers:
        """Return the places of the ratings of some items."""
        blocks = (self._items[item] for item in item_ids if item in self._items)
        return np.concatenate([np.arange(0), *(np.arange(*self._blocks[block : block + 2]) for block in blocks)])

    def known(self, ratings: Integers, moment: int) -> Integers:
        """Return those of some ratings that are known at a moment."""
        return ratings[(self._since[ratings] < moment) & (moment <= self._until[ratings])]

    def n_liked(self, users: Integers, moment: int) -> Integers:
        """Return how many items users are known to like at a moment, (N,)."""
        keys = users * self._n_moments + moment
        came, went = (np.searchsorted(times, keys) for times in (self._came, self._went))
        return came - went

    def likes_of(self, user: int, moment: int) -> set[str]:
        """Return the items that a user is known to like at a moment."""
        mine = self.known(self._places[self._firsts[user] : self._firsts[user + 1]], moment)
        return {self._item_ids[item] for item in self._item[mine[self.liked[mine]]].tolist()}

    @property
    def n_users(self) -> int:
        """Users with ratings that count."""
        return len(self._users)


class Asker(NamedTuple):
    """Who asks, and when.

    Attributes:
        user: whose own ratings never count.
        history: ids of the items that they liked, oldest first.
        moment: what of time is over.
    """

    user: str
    history: Sequence[str]
    moment: int


class KnownOpinions:
    """What others are known to think of targets, each at its own moment.

    Args:
        interactions: INTERACTIONS; those that may count are chosen from them.
        corpus: kind of the corpus, ``train`` or ``as-of``.

    Attributes:
        opinions: those that may count.
    """

    def __init__(self, interactions: pa.Table, corpus: str):
        self._is_frozen = corpus == "train"
        self._rows = interactions.select([ROW_ID, TIMESTAMP]).combine_chunks()
        counted = interactions.filter(pc.equal(interactions[SPLIT], "train")) if self._is_frozen else interactions
        self.opinions = Opinions(counted)

    def asked(self, targets: pa.Table, queries: pa.Table) -> Iterator[tuple[Asker, list[int]]]:
        """Yield who asks, and the places of the targets that they ask about at one moment.

        Args:
            targets: TARGETS.
            queries: QUERIES, with those of the targets.
        """
        asked, asking = TARGETS.check(targets), QUERIES.check(queries)
        columns = (asking[name].to_pylist() for name in (USER_ID, SNAPSHOT, ITEM_IDS))
        of_query = dict(zip(asking[QUERY_ID].to_pylist(), zip(*columns, strict=True), strict=True))
        query_ids = asked[QUERY_ID].to_pylist()
        moments = self._moments(asked, [of_query[query][1] for query in query_ids])
        rows = zip(query_ids, moments.tolist(), range(len(query_ids)), strict=True)
        for (query, moment), group in groupby(sorted(rows), key=lambda row: row[:2]):
            user, _, history = of_query[query]
            yield Asker(user, history, moment), [place for *_, place in group]

    def raters(self, item: str, asker: Asker) -> Integers:
        """Return the ratings of an item by others than who asks, oldest first."""
        found = self.opinions.known(self.opinions.of([item]), asker.moment)
        return found[self.opinions.user[found] != self.opinions.number(asker.user)]

    def shared(self, items: Sequence[str], moment: int, liked: bool = True) -> Integers:
        """Return how many of some items each user is known to like, or to have rated and not liked, (users,).

        Args:
            items: ids.
            moment: what of time is over.
            liked: which of both.
        """
        opinions = self.opinions
        found = opinions.known(opinions.of(list(dict.fromkeys(items))), moment)
        return np.bincount(opinions.user[found[opinions.liked[found] == liked]], minlength=opinions.n_users)

    def agreement(self, asker: Asker, disliked: Sequence[str]) -> Floats:
        """Return on how many more items each user is known to agree with who asks than to disagree, (users,).

        Args:
            asker: with what they liked.
            disliked: ids of the items that they did not like.
        """
        parts = (
            sign * self.shared(items, asker.moment, liked)
            for items, mine in ((asker.history, True), (disliked, False))
            for liked, sign in ((mine, 1.0), (not mine, -1.0))
        )
        return np.asarray(sum(parts), np.float64)

    def most_similar(self, raters: Integers, shared: Integers | Floats, moment: int) -> Integers:
        """Return ratings by how like the user their raters are, the most similar first; of who shares nothing none.

        Likeness is the cosine of the sets of liked items, but for the length of the user's own, which all have in
        common. Of equals, those who rated the item last come first.

        Args:
            raters: ratings of one item, oldest first.
            shared: how many of the user's liked items each user likes, or how far both agree, (users,).
            moment: what of time is over.
        """
        users = self.opinions.user[raters]
        likeness = shared[users] / np.sqrt(np.maximum(self.opinions.n_liked(users, moment), 1))
        order = np.lexsort((-np.arange(len(raters)), -likeness))
        return raters[order[likeness[order] > 0]]

    def _moments(self, targets: pa.Table, snapshots: Sequence[int]) -> Integers:
        """Return what of time is over for each target, (N,)."""
        seconds: Any = np.array(snapshots, np.int64)
        if self._is_frozen:
            training = pc.if_else(pc.equal(targets[SPLIT], "train"), targets[ROW_ID], None)
            places = pc.index_in(training, value_set=self._rows[ROW_ID])
            seconds = self._rows[TIMESTAMP].take(places).fill_null(_END).to_numpy()
        return self.opinions.moments(seconds)


class Own(NamedTuple):
    """A rating by the user who asks."""

    row_id: int
    second: int
    item_id: str
    is_liked: bool


def own_of(liked: Sequence[str], disliked: Sequence[str]) -> list[Own]:
    """Return what somebody says that they liked and did not like, each oldest first: dislikes lie evenly among likes.

    >>> [one.item_id for one in own_of("abcd", "xy")]
    ['a', 'x', 'b', 'c', 'y', 'd']
    """
    placed = [
        ((place + 0.5) / len(items), item, is_liked)
        for items, is_liked in ((liked, True), (disliked, False))
        for place, item in enumerate(items)
    ]
    return [Own(-1, -1, item, is_liked) for _, item, is_liked in sorted(placed, key=lambda one: one[0])]


class OwnRatings:
    """What each user rated, in the order of time.

    Args:
        interactions: INTERACTIONS that are known.
        ties: strict: rows of the same second are not before each other; file: those that come first are.
        said: user -> what somebody who is not among these says of themselves, oldest first; it may change.
    """

    def __init__(self, interactions: pa.Table, ties: str, said: Mapping[str, Sequence[Own]] = MappingProxyType({})):
        self._said = said
        table = INTERACTIONS.check(interactions).sort_by(ROW_ID)
        self._is_strict = ties == "strict"
        columns = (table[name].to_pylist() for name in (USER_ID, ROW_ID, TIMESTAMP, ITEM_ID, LABEL))
        self._of: dict[str, list[Own]] = {}
        self._second: dict[int, int] = {}
        for user, row, second, item, label in zip(*columns, strict=True):
            self._second[row] = second
            self._of.setdefault(user, []).append(Own(row, second, item, label == 1))

    def before(self, asker: Asker, item_id: str, row_id: int | None) -> list[Own]:
        """Return what who asks had rated before a row, oldest first.

        A request is of no row: all is known but what they think of the item itself, and of somebody who is not known it
        is what they say, or the history.

        Args:
            asker: the user.
            item_id: what is asked about.
            row_id: the row; None: a request.
        """
        known = self._of.get(asker.user) or self._said.get(asker.user, [])
        if row_id is not None:
            end = self._second[row_id] if self._is_strict else None
            return [one for one in known if one.row_id < row_id and (end is None or one.second < end)]
        return [one for one in known or own_of(asker.history, ()) if one.item_id != item_id]


def _numbered(column: pa.ChunkedArray) -> tuple[dict[str, int], Integers]:
    """Return the number of each distinct value, and the numbers of all values, (N,)."""
    encoded = column.combine_chunks().dictionary_encode()
    numbers = {name: number for number, name in enumerate(encoded.dictionary.to_pylist())}
    return numbers, encoded.indices.to_numpy().astype(np.int64)
