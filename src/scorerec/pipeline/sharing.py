"""Who among a target's raters is most like the user, and what both like that bears on the target (SHARED)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from scorerec.core.columns import ITEM_ID, TARGET_ID
from scorerec.core.tables import SHARED
from scorerec.crm.ease import EaseOfOthers
from scorerec.pipeline.opinions import Asker, KnownOpinions


class SharedFinder:
    """Finds, for any targets, the most similar raters and what they share with the user.

    Args:
        interactions: INTERACTIONS; those that may count are chosen from them.
        corpus: kind of the corpus, ``train`` or ``as-of``.
        n_users: raters of each target, at most.
        n_items: of what each of them shares with the user, those that speak for the target most (EASE), at most.
        ease: of the training part; None: of these interactions.
    """

    def __init__(
        self, interactions: pa.Table, corpus: str, n_users: int, n_items: int, ease: EaseOfOthers | None = None
    ):
        self._known, self._ease = KnownOpinions(interactions, corpus), ease or EaseOfOthers(interactions)
        self._n_users, self._n_items = n_users, n_items

    def find(self, targets: pa.Table, queries: pa.Table) -> pa.Table:
        """Return SHARED of TARGETS; no row of a target whose raters share nothing with the user.

        Args:
            targets: TARGETS.
            queries: QUERIES, with those of the targets.
        """
        names, items = targets[TARGET_ID].to_pylist(), targets[ITEM_ID].to_pylist()
        rows: list[tuple[str, int, bool, list[str]]] = []
        for asker, places in self._known.asked(targets, queries):
            shared = self._known.shared(asker.history, asker.moment)
            for place in places:
                raters = self._known.raters(items[place], asker)
                similar = self._known.most_similar(raters, shared, asker.moment)[: self._n_users]
                rows += (
                    (names[place], rank, liked, both)
                    for rank, (liked, both) in enumerate(self._of(similar, items[place], asker), start=1)
                )
        columns: list[Sequence[Any]] = [*zip(*rows, strict=True)] or [[] for _ in SHARED.columns]
        arrays = [pa.array(column, field.type) for column, field in zip(columns, SHARED.columns, strict=True)]
        return SHARED.check(pa.table(arrays, names=SHARED.columns.names))

    def _of(self, raters: Any, item_id: str, asker: Asker) -> Iterator[tuple[bool, list[str]]]:
        history = list(dict.fromkeys(asker.history))
        telling = self._ease.weights(asker.user, history, item_id)
        order = sorted(range(len(history)), key=lambda place: (-telling[place], -place))  # of equals the latest
        opinions = self._known.opinions
        for rating in raters:
            likes = opinions.likes_of(opinions.user[rating], asker.moment)
            both = [history[place] for place in order if history[place] in likes][: self._n_items]
            yield bool(opinions.liked[rating]), both
