"""What ratings and a catalogue tell of a target, in numbers (KNOWLEDGE).

What others think is what is known at the row's moment (``pipeline.opinions``), of others than the user; what the user
likes is the query's own prefix, and what they dislike, where that may be known, is earlier than the row. One number is
of no moment: what EASE expects. Its weights are of all likes of the training part, later ones too, but not the user's.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from scorerec.core.columns import ITEM_ID, ROW_ID, TARGET_ID
from scorerec.core.tables import KNOWLEDGE
from scorerec.crm.content import Content
from scorerec.crm.ease import EaseOfOthers
from scorerec.pipeline.opinions import Asker, Integers, KnownOpinions, Own, OwnRatings

Floats = npt.NDArray[np.float64]

_LATEST_LIKES, _LATEST_RATINGS = 8, 20
_KEPT = 10_000
_PRIOR = 5.0  # raters of both minds on top of an item's own, and ratings on top of a user's


class KnowledgeCounter:
    """Counts what is known of any targets.

    Args:
        interactions: INTERACTIONS; those that may count as others' opinions are chosen from them.
        items: ITEMS.
        corpus: kind of the corpus, ``train`` or ``as-of``.
        own: what users rated: what a user did not like is known then; None: it is not.
        ease: of the training part; None: it is learned from these interactions.
    """

    def __init__(
        self,
        interactions: pa.Table,
        items: pa.Table,
        corpus: str,
        own: OwnRatings | None = None,
        ease: EaseOfOthers | None = None,
    ):
        self._known, self._content, self._own = KnownOpinions(interactions, corpus), Content(items), own
        self._ease = ease or EaseOfOthers(interactions)
        # Rows of one user, which follow each other, ask about the same items again. It holds nothing of this object,
        # which would else wait for the collector of cycles wherever it is made anew with each write.
        self._share = lru_cache(_KEPT)(partial(_share_of_others, self._known))

    def count(self, targets: pa.Table, queries: pa.Table) -> pa.Table:
        """Return KNOWLEDGE of TARGETS, in their order.

        Args:
            targets: TARGETS.
            queries: QUERIES, with those of the targets.
        """
        names, items, rows = (targets[name].to_pylist() for name in (TARGET_ID, ITEM_ID, ROW_ID))
        found = np.zeros((len(names), len(KNOWLEDGE.columns) - 1))
        for asker, places in self._known.asked(targets, queries):
            asked = [items[place] for place in places]
            liked = self._of_likes(asker, asked)
            by_likes = tuple(self._known.shared(asker.history, asker.moment, verdict) for verdict in (True, False))
            for number, place in enumerate(places):
                raters = self._known.raters(items[place], asker)
                own = self._own.before(asker, items[place], rows[place]) if self._own else None
                found[place] = [
                    *self._of_raters(raters, *by_likes),
                    *liked[number],
                    *([0.0] * 7 if own is None else self._of_dislikes(raters, asker, items[place], own)),
                ]
        return KNOWLEDGE.check(pa.table([names, *self._columns(found)], names=KNOWLEDGE.columns.names))

    def _columns(self, found: Floats) -> list[pa.Array]:
        return [
            pa.array(column, from_pandas=True).cast(field.type)  # NaN: null
            for column, field in zip(found.T, list(KNOWLEDGE.columns)[1:], strict=True)
        ]

    def _of_raters(self, raters: Integers, alike: Integers, opposed: Integers) -> list[float]:
        opinions = self._known.opinions
        users, liked = opinions.user[raters], opinions.liked[raters]
        weights = np.log1p(alike[users]), opposed[users].astype(np.float64)
        sums = [float(weight[liked == verdict].sum()) for weight in weights for verdict in (True, False)]
        ratings = opinions.rating[raters]
        return [len(raters), float(liked.sum()), float(np.isfinite(ratings).sum()), float(np.nansum(ratings)), *sums]

    def _of_likes(self, asker: Asker, item_ids: Sequence[str]) -> Floats:
        """Return what the user's likes say of some items, (N, 5)."""
        content = self._content
        expected = self._ease.scores(asker.user, asker.history, item_ids)
        own, asked = content.places(asker.history), content.places(item_ids)
        said = content.values[asked].sum(1)
        shares = content.values[asked] @ content.values[own].T / np.where(said > 0, said, np.nan)[:, None]
        lately = shares[:, -_LATEST_LIKES:]
        gap = (
            (content.numbers[asked] - content.numbers[own].mean(0)).mean(1)
            if content.numbers.size and len(own)
            else np.zeros(len(asked))
        )
        means = [part.mean(1) if len(own) else np.where(said > 0, 0.0, np.nan) for part in (shares, lately)]
        return np.stack([expected, np.full(len(asked), len(own)), *means, gap], axis=1)

    def _of_dislikes(self, raters: Integers, asker: Asker, item_id: str, own: Sequence[Own]) -> list[float]:
        opinions, values = self._known.opinions, self._content.values
        disliked = [one.item_id for one in own if not one.is_liked]
        lately = [one.is_liked for one in own[-_LATEST_RATINGS:]]
        target = values[self._content.places([item_id])[0]]
        alike = [float((values[self._content.places(ids)] @ target > 0).sum()) for ids in (asker.history, disliked)]
        weights = np.log1p(self._known.shared(disliked, asker.moment, False)[opinions.user[raters]])
        liked = opinions.liked[raters]
        for_it, against = (float(weights[liked == verdict].sum()) for verdict in (True, False))
        recent = float(np.mean(lately)) if lately else 0.5
        return [len(disliked), recent, self._leniency(own, asker), *alike, for_it, against]

    def _leniency(self, own: Sequence[Own], asker: Asker) -> float:
        """Return by how much more often the user liked an item than others did, per rating; with a few 0 on top."""
        excess = sum(one.is_liked - self._share(one.item_id, asker.user, asker.moment) for one in own)
        return excess / (len(own) + _PRIOR)


def _share_of_others(known: KnownOpinions, item_id: str, user: str, moment: int) -> float:
    """Return how many of those others who rated an item before a moment liked it, drawn towards a half."""
    liked = known.opinions.liked[known.raters(item_id, Asker(user, (), moment))]
    return float((liked.sum() + 0.5 * _PRIOR) / (len(liked) + _PRIOR))
