"""What others thought of a target: how many rated and liked it, and the same of those most like the user (VERDICTS).

What counts is what is known at a row's moment (``pipeline.opinions``). The user's own ratings never count, and so
neither does the row itself.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from scorerec.core.columns import ITEM_ID, N_RATERS, TARGET_ID
from scorerec.core.randomness import generator
from scorerec.core.tables import VERDICTS
from scorerec.pipeline.opinions import Integers, KnownOpinions


class VerdictCounter:
    """Counts verdicts for any targets.

    Args:
        interactions: INTERACTIONS; those that may count are chosen from them.
        corpus: kind of the corpus, ``train`` or ``as-of``.
        n_similar: how many of the raters are the most similar ones, at most.
        draw: a seed that draws them at random instead, row by row: the control.
    """

    def __init__(self, interactions: pa.Table, corpus: str, n_similar: int, draw: int | None = None):
        self._known, self._n_similar, self._draw = KnownOpinions(interactions, corpus), n_similar, draw

    def count(self, targets: pa.Table, queries: pa.Table) -> pa.Table:
        """Return VERDICTS of TARGETS, in their order.

        Args:
            targets: TARGETS.
            queries: QUERIES, with those of the targets.
        """
        names, items = targets[TARGET_ID].to_pylist(), targets[ITEM_ID].to_pylist()
        liked, counts = self._known.opinions.liked, np.zeros((len(names), 4), np.int32)
        for asker, places in self._known.asked(targets, queries):
            shared = self._known.shared(asker.history, asker.moment)
            for place in places:
                raters = self._known.raters(items[place], asker)
                similar = self._similar(names[place], raters, shared, asker.moment)
                counts[place] = [number for some in (raters, similar) for number in (len(some), liked[some].sum())]
        return VERDICTS.check(pa.table([names, *counts.T], names=VERDICTS.columns.names))

    def _similar(self, target_id: str, raters: Integers, shared: Integers, moment: int) -> Integers:
        """Return the ratings by the most similar raters, in this order; who shares nothing with the user is none.

        Likeness is the cosine of the sets of liked items, but for the length of the user's own, which all have in
        common. Of equals, those who rated the item last are taken.
        """
        if self._draw is None:
            return self._known.most_similar(raters, shared, moment)[: self._n_similar]
        return raters[np.argsort(-generator(self._draw, "random verdicts", target_id).random(len(raters)))][
            : self._n_similar
        ]


def targets_judged(verdicts: pa.Table) -> set[str]:
    """Return the target_ids that others are known to have rated.

    Args:
        verdicts: VERDICTS.
    """
    rated: set[str] = set(verdicts.filter(pc.greater(verdicts[N_RATERS], 0))[TARGET_ID].to_pylist())
    return rated
