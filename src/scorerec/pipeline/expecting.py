"""From what is known of targets to what to expect of them: models fitted on the training rows of a run."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from scorerec.core.columns import ITEM_ID, LABEL, QUERY_ID, SPLIT, USER_ID
from scorerec.core.tables import KNOWLEDGE
from scorerec.crm.config import KNOWN_MEAN
from scorerec.crm.content import Content
from scorerec.crm.ease import EaseOfOthers
from scorerec.crm.expectation import Expectation, average, features, liked_share, require_both_labels
from scorerec.pipeline.experiment import Experiment
from scorerec.pipeline.knowledge import KnowledgeCounter
from scorerec.pipeline.opinions import Own, OwnRatings

Floats = npt.NDArray[np.float64]


class Expecting:
    """What to expect of the targets of a run, and of others.

    Args:
        knowledge: KNOWLEDGE of the run's targets.
        targets: TARGETS of the run, in the same order.
        items: ITEMS.
        own_dislikes: whether what a user did not like is known.
        seed: of the models.

    Raises:
        DataError: the training rows, or the validation rows, are not of both labels.
    """

    def __init__(self, knowledge: pa.Table, targets: pa.Table, items: pa.Table, own_dislikes: bool, seed: int):
        self._content, self._own_dislikes, self._seed = Content(items), own_dislikes, seed
        self._targets, split = targets, np.array(targets[SPLIT].to_pylist(), dtype=object)
        self._places = {part: np.flatnonzero(split == part) for part in ("train", "valid")}
        labels = targets[LABEL].to_numpy().astype(np.int8)
        self._labels = {part: labels[places] for part, places in self._places.items()}
        require_both_labels(self._labels)
        self._usual = average(knowledge.take(self._places["train"]), self._labels["train"])
        self._known, self._share = self._features(knowledge, targets), liked_share(knowledge, self._usual)

    def of_targets(self, queries: pa.Table) -> dict[str, Floats]:
        """Return model -> probability of each of the run's targets; of training rows by models of other users' rows.

        Beside the models stands the mean of the item, as it is known at the row's moment.

        Args:
            queries: QUERIES, with those of the targets.
        """
        users = dict(zip(queries[QUERY_ID].to_pylist(), queries[USER_ID].to_pylist(), strict=True))
        training = self._places["train"]
        of_row = np.array([users[name] for name in self._targets[QUERY_ID].take(training).to_pylist()], dtype=object)
        found = self._models.p_yes(self._known)
        others = self._models.of_others(self._known[training], self._labels["train"], of_row, self._seed)
        for name, column in found.items():
            column[training] = others[name]
        return found | {KNOWN_MEAN: self._share}

    def of(self, knowledge: pa.Table, targets: pa.Table) -> dict[str, Floats]:
        """Return model -> probability of each of any TARGETS, with their KNOWLEDGE in the same order, (N,)."""
        return self._models.p_yes(self._features(knowledge, targets))

    @cached_property
    def _models(self) -> Expectation:
        train, valid = (self._known[self._places[part]] for part in ("train", "valid"))
        return Expectation(train, self._labels["train"], (valid, self._labels["valid"]), self._seed)

    def _features(self, knowledge: pa.Table, targets: pa.Table) -> Floats:
        places = self._content.places(targets[ITEM_ID].to_pylist())
        content = np.concatenate([self._content.values[places], self._content.numbers[places]], axis=1)
        return features(KNOWLEDGE.check(knowledge), content, self._usual, self._own_dislikes)


def counter_of(run: Experiment, interactions: pa.Table) -> KnowledgeCounter:
    """Return what counts by the settings of a run.

    Args:
        run: whose settings count.
        interactions: INTERACTIONS that are known.
    """
    ties = run.config.data.ties
    own = OwnRatings(interactions, ties) if run.config.evidence.own_dislikes else None
    return KnowledgeCounter(interactions, run.items, run.config.corpus.kind, own)


class KnownByNow:
    """What is known by now, for all forms of evidence of a request: what is counted for one is there for all.

    Args:
        run: whose settings count.
        interactions: INTERACTIONS that are known by now.
        min_users: what fewer users than that say of an item is not told, and not counted.

    Attributes:
        said: user -> what they say of themselves, oldest first, where nothing else is known of them.
    """

    def __init__(self, run: Experiment, interactions: pa.Table, min_users: int = 1):
        self.run, self.interactions, self.min_users = run, interactions, min_users
        self.said: dict[str, list[Own]] = {}
        self._last: tuple[pa.Table, pa.Table] | None = None

    def later(self, run: Experiment, interactions: pa.Table) -> KnownByNow:
        """Return what is known when the INTERACTIONS are others; models that were fitted, and EASE, stay."""
        found = KnownByNow(run, interactions, self.min_users)
        vars(found).update({name: one for name, one in vars(self).items() if name in ("ease", "_expecting")})
        return found

    def knowledge(self, targets: pa.Table, queries: pa.Table) -> pa.Table:
        """Return KNOWLEDGE of TARGETS, whose histories are in QUERIES; of the same ones as before not counted again."""
        if self._last is None or self._last[0] is not targets:
            self._last = targets, self._counter.count(targets, queries)
        return self._last[1]

    def p_yes(self, targets: pa.Table, queries: pa.Table) -> dict[str, Floats]:
        """Return model -> what to expect of each target, (N,); the models are fitted anew, once."""
        return self._expecting.of(self.knowledge(targets, queries), targets)

    def warming(self) -> Iterator[None]:
        """Compute what requests of other people than before would wait for, part by part."""
        if "ease" in vars(self):  # something that is told reads it
            yield from self.ease.warming()

    @cached_property
    def told(self) -> pa.Table:
        """INTERACTIONS of the items that at least ``min_users`` users rated: what others may be told."""
        return of_many_users(self.interactions, self.min_users)

    @cached_property
    def ease(self) -> EaseOfOthers:
        """EASE of the run's training part, whatever was added: the same in every process."""
        return EaseOfOthers(self.run.interactions)

    @cached_property
    def _counter(self) -> KnowledgeCounter:
        run, own = self.run, self.own_ratings(self.run.config.data.ties)
        return KnowledgeCounter(self.told, run.items, run.config.corpus.kind, own, self.ease)

    def own_ratings(self, ties: str) -> OwnRatings | None:
        """Return what each user rated, where a run knows what they did not like; ``ties`` as in ``OwnRatings``."""
        return OwnRatings(self.interactions, ties, self.said) if self.run.config.evidence.own_dislikes else None

    @cached_property
    def _expecting(self) -> Expecting:
        return expecting_of(self.run)


def of_many_users(interactions: pa.Table, min_users: int) -> pa.Table:
    """Return the INTERACTIONS of the items that at least so many users rated."""
    if min_users <= 1:
        return interactions
    raters = interactions.group_by(ITEM_ID).aggregate([(USER_ID, "count_distinct")])
    often = raters.filter(pc.greater_equal(raters[f"{USER_ID}_count_distinct"], min_users))
    return interactions.filter(pc.is_in(interactions[ITEM_ID], value_set=often[ITEM_ID].combine_chunks()))


def expecting_of(run: Experiment) -> Expecting:
    """Return what to expect of anything by what a run counted of its own targets."""
    known = run.table("knowledge", KNOWLEDGE)
    return Expecting(known, run.all_targets, run.items, run.config.evidence.own_dislikes, run.config.seed)
