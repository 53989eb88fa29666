"""Recommendations for one user: the CRM proposes items, the chain finds evidence, the LLM decides."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa

from scorerec.core.columns import (
    BEHAVIOUR_ID,
    ITEM_ID,
    ITEM_IDS,
    LABEL,
    N_BEFORE,
    P_YES,
    QUERY_ID,
    ROW_ID,
    SNAPSHOT,
    SPLIT,
    TARGET_ID,
    USER_ID,
)
from scorerec.core.errors import DataError
from scorerec.core.tables import QUERIES, TARGETS
from scorerec.llm.encode import read_prompts
from scorerec.pipeline.chain import Chain
from scorerec.text.segments import Segment, render

if TYPE_CHECKING:
    from scorerec.crm.base import ConventionalRecommender

NEWEST = np.iinfo(np.int64).max - 1  # a snapshot after every other: all that is known by now


@dataclass(frozen=True)
class ShownBehaviour:
    """A similar user whose behaviour the LLM read.

    Attributes:
        user_id: the user.
        titles: those that the LLM read, oldest first.
        has_item: whether the recommended item itself is among them.
    """

    user_id: str
    titles: tuple[str, ...]
    has_item: bool


@dataclass(frozen=True)
class Recommendation:
    """One item with the probability of Yes and what the LLM read of others.

    Attributes:
        item_id: the item.
        title: its title.
        p_yes: probability of Yes.
        evidence: behaviours of similar users.
        verdict: what others thought of the item; empty where that is not shown.
    """

    item_id: str
    title: str
    p_yes: float
    evidence: tuple[ShownBehaviour, ...]
    verdict: str = ""


class Request(NamedTuple):
    """Items to be scored for one user.

    Attributes:
        user_id: whose own behaviours are never evidence.
        history: ids of liked items, oldest first.
        item_ids: what is to be scored.
    """

    user_id: str
    history: Sequence[str]
    item_ids: Sequence[str]


class ReadPrompt(NamedTuple):
    """One prompt of a request.

    Attributes:
        target_id: what stands for it in tables.
        item_id: what is asked about.
        segments: as much of the prompt as the LM reads.
    """

    target_id: str
    item_id: str
    segments: Sequence[Segment]


class Read(NamedTuple):
    """What the LM is to read for some requests.

    Attributes:
        table: PROMPTS of all of them.
        owners: behaviour_id -> user_id, of the evidence.
        prompts: of each request, in the order of its items.
    """

    table: pa.Table
    owners: Mapping[str, str]
    prompts: list[list[ReadPrompt]]


@dataclass(frozen=True)
class Recommender:
    """Answers for one user at a time; any history will do, also that of a user whom training never saw.

    Attributes:
        chain: finds evidence and writes prompts.
        score: PROMPTS -> a table of target_id and p_yes.
        as_read: prompts -> what the LLM's budget leaves of each, in the same order.
        crm: proposes items.
        catalogue: item ids that may be proposed.
    """

    chain: Chain
    score: Callable[[pa.Table], pa.Table]
    as_read: Callable[[Sequence[Sequence[Segment]]], Sequence[Sequence[Segment]]]
    crm: ConventionalRecommender
    catalogue: Sequence[str]

    def recommend(
        self, user_id: str, history: Sequence[str], seen: Collection[str], count: int, n_proposals: int = 50
    ) -> list[Recommendation]:
        """Return the ``count`` best of the CRM's ``n_proposals`` unseen items, the most probable first.

        Args:
            user_id: whose own behaviours are never evidence.
            history: ids of liked items, oldest first.
            seen: items that are not proposed.
            count: how many to return.
            n_proposals: how many the LLM scores.

        Raises:
            DataError: the user has seen the whole catalogue.
        """
        proposed = self.shortlist(history, set(seen) | set(history), n_proposals)
        if not proposed:
            raise DataError(f"user {user_id!r} has seen all {len(self.catalogue)} items; nothing is left to recommend")
        return sorted(self.score_items(user_id, history, proposed), key=lambda item: -item.p_yes)[:count]

    def shortlist(
        self, history: Sequence[str], left_out: Collection[str], count: int, among: Collection[str] | None = None
    ) -> list[str]:
        """Return the items that the CRM finds most likely, the most likely first; none where none is left.

        Args:
            history: ids of liked items, oldest first.
            left_out: items that are not proposed.
            count: how many, at most.
            among: of which items; None: of the whole catalogue.
        """
        unseen = [item for item in self.catalogue if item not in left_out and (among is None or item in among)]
        if not unseen:
            return []
        likely = np.argsort(-self.crm.score([list(history)] * len(unseen), unseen), kind="stable")[:count]
        return [unseen[place] for place in likely]

    def score_items(self, user_id: str, history: Sequence[str], item_ids: Sequence[str]) -> list[Recommendation]:
        """Score items for a user, each with its evidence, in the order given.

        Args:
            user_id: whose own behaviours are never evidence.
            history: ids of liked items, oldest first.
            item_ids: what is to be scored.
        """
        return self.answer([Request(user_id, history, item_ids)])[0]

    def answer(self, requests: Sequence[Request]) -> list[list[Recommendation]]:
        """Score the items of several requests at once; one list per request, in the orders given.

        Raises:
            DataError: the catalogue lacks an item.
        """
        return self.scored(self.read(requests))

    def read(self, requests: Sequence[Request]) -> Read:
        """Find evidence for the items of several requests, and write their prompts.

        Raises:
            DataError: the catalogue lacks an item.
        """
        queries = _queries(requests)
        asked = [(place, item) for place, request in enumerate(requests) for item in request.item_ids]
        targets = _targets(asked)
        evidence = self.chain.evidence(targets, queries)
        shown = self.as_read(read_prompts(evidence.prompts))
        by_name = dict(zip(evidence.prompts[TARGET_ID].to_pylist(), shown, strict=True))
        read: list[list[ReadPrompt]] = [[] for _ in requests]
        for name, (place, item) in zip(targets[TARGET_ID].to_pylist(), asked, strict=True):
            read[place].append(ReadPrompt(name, item, by_name[name]))
        return Read(evidence.prompts, _owners(evidence.behaviours), read)

    def scored(self, read: Read) -> list[list[Recommendation]]:
        """Score what was read; one list per request."""
        scores = self.score(read.table)
        p_yes = dict(zip(scores[TARGET_ID].to_pylist(), scores[P_YES].to_pylist(), strict=True))
        found = []
        for prompts in read.prompts:
            found.append([self._recommendation(one, p_yes[one.target_id], read.owners) for one in prompts])
        return found

    def _recommendation(self, read: ReadPrompt, p_yes: float, owners: Mapping[str, str]) -> Recommendation:
        title = self.chain.prompter.describer.title(read.item_id)
        shown = tuple(self._shown(read.segments, read.item_id, owners))
        told = render(part for part in read.segments if part.kind == "verdict").removeprefix(". ")
        return Recommendation(read.item_id, title, p_yes, shown, told)

    def _shown(self, prompt: Sequence[Segment], item_id: str, owners: Mapping[str, str]) -> Iterator[ShownBehaviour]:
        """Yield whose behaviours stand in a prompt: what the LLM did not read speaks for nothing."""
        shown: dict[str, list[str]] = {}
        for part in prompt:
            if part.kind == "evidence" and part.behaviour_id is not None and part.item_id is not None:
                shown.setdefault(part.behaviour_id, []).append(part.item_id)
        for behaviour, items in shown.items():
            titles = tuple(map(self.chain.prompter.describer.title, items))
            yield ShownBehaviour(owners[behaviour], titles, item_id in items)


def _queries(requests: Sequence[Request]) -> pa.Table:
    return QUERIES.check(
        pa.table(
            {
                QUERY_ID: [f"request-{place}" for place in range(len(requests))],
                USER_ID: [request.user_id for request in requests],
                N_BEFORE: [len(request.history) for request in requests],
                SNAPSHOT: [NEWEST] * len(requests),
                ITEM_IDS: pa.array([list(request.history) for request in requests], pa.list_(pa.string())),
            }
        )
    )


def _targets(asked: Sequence[tuple[int, str]]) -> pa.Table:
    """Return TARGETS without labels: (place of the request, item) for each."""
    empty = [None] * len(asked)
    return TARGETS.check(
        pa.table(
            {
                TARGET_ID: [f"request-{place}-{number}" for number, (place, _) in enumerate(asked)],
                QUERY_ID: [f"request-{place}" for place, _ in asked],
                ITEM_ID: pa.array([item for _, item in asked], pa.string()),
                ROW_ID: pa.array(empty, pa.int64()),
                LABEL: pa.array(empty, pa.int8()),
                SPLIT: pa.array(empty, pa.string()),
            }
        )
    )


def _owners(behaviours: pa.Table) -> dict[str, str]:
    """Return behaviour_id -> user_id."""
    return dict(zip(behaviours[BEHAVIOUR_ID].to_pylist(), behaviours[USER_ID].to_pylist(), strict=True))
