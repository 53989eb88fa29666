"""What others thought of a target: how many rated and liked it, and the same of those most like the user (VERDICTS).

What counts is what is known at a row's moment (``pipeline.opinions``). The user's own ratings never count, and so
neither does the row itself.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from scorerec.core.columns import ITEM_ID, N_RATERS, ROW_ID, TARGET_ID
from scorerec.core.randomness import generator
from scorerec.core.tables import VERDICTS
from scorerec.pipeline.config import VerdictConfig
from scorerec.pipeline.opinions import Asker, Floats, Integers, KnownOpinions, OwnRatings


class VerdictCounter:
    """Counts verdicts for any targets.

    Args:
        interactions: INTERACTIONS; those that may count are chosen from them.
        corpus: kind of the corpus, ``train`` or ``as-of``.
        config: how many of the raters are the most similar ones, at most, and by what.
        own: what users rated: what they did not like before the row's second says who is similar, too, where that is
            by agreement; None: it does not.
        draw: a seed that draws them at random instead, row by row: the control.
    """

    def __init__(
        self,
        interactions: pa.Table,
        corpus: str,
        config: VerdictConfig,
        *,
        own: OwnRatings | None = None,
        draw: int | None = None,
    ):
        self._known, self._n_similar, self._draw = KnownOpinions(interactions, corpus), config.n_similar, draw
        self._by_agreement = config.similarity == "agreement"
        self._own = own if self._by_agreement else None

    def count(self, targets: pa.Table, queries: pa.Table) -> pa.Table:
        """Return VERDICTS of TARGETS, in their order.

        Args:
            targets: TARGETS.
            queries: QUERIES, with those of the targets.
        """
        names, items, rows = (targets[name].to_pylist() for name in (TARGET_ID, ITEM_ID, ROW_ID))
        liked, counts = self._known.opinions.liked, np.zeros((len(names), 4), np.int32)
        for asker, places in self._known.asked(targets, queries):
            shared = self._likeness(asker, ())
            for place in places:
                if self._own:  # dislikes may have come between rows of one query
                    own = self._own.before(asker, items[place], rows[place])
                    shared = self._likeness(asker, [one.item_id for one in own if not one.is_liked])
                raters = self._known.raters(items[place], asker)
                similar = self._similar(names[place], raters, shared, asker.moment)
                counts[place] = [number for some in (raters, similar) for number in (len(some), liked[some].sum())]
        return VERDICTS.check(pa.table([names, *counts.T], names=VERDICTS.columns.names))

    def _likeness(self, asker: Asker, disliked: Sequence[str]) -> Integers | Floats:
        """Return how much each user is of one mind with who asks, (users,)."""
        if self._by_agreement:
            return self._known.agreement(asker, disliked)
        return self._known.shared(asker.history, asker.moment)

    def _similar(self, target_id: str, raters: Integers, shared: Integers | Floats, moment: int) -> Integers:
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
