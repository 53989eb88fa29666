"""History + item -> evidence -> prompt, for one request or for a batch of them.

Each step maps tables to a table. The experiment runs the steps as separate stages, the recommender runs them in one
go, and both pass through this file: what a model is shown does not depend on who asked.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from scorerec.core.columns import BEHAVIOUR_ID
from scorerec.core.tables import BEHAVIOURS, CANDIDATES, CONTEXTS
from scorerec.pipeline.forms.registry import Fill
from scorerec.pipeline.forms.titles import Titles
from scorerec.pipeline.prompting import Filled, Prompter, Reader, item_lists
from scorerec.rerank.score import rerank
from scorerec.retrieve.candidates import retrieve_candidates
from scorerec.retrieve.index import BehaviourIndex

if TYPE_CHECKING:
    from scorerec.pipeline.finding import Finder
    from scorerec.rerank.models import Reranker


class Evidence(NamedTuple):
    """What was found for some targets, step by step: CANDIDATES, CONTEXTS, PROMPTS.

    ``behaviours``: BEHAVIOURS of the candidates.
    """

    candidates: pa.Table
    behaviours: pa.Table
    contexts: pa.Table
    prompts: pa.Table


@dataclass(frozen=True)
class Chain:
    """The trained parts up to the prompt, chained as in Section 3.4 of the paper.

    Attributes:
        prompter: writes the prompts of the LM.
        finder: CAR; its prompter writes what CAR and SARE read.
        index: the behaviours that may be retrieved, by the finder's vectors.
        reranker: SARE; None: titles of others are not shown, and nobody is looked for.
        n_candidates: K_e.
        n_context_users: K_s.
        beside: what finds other forms of evidence for TARGETS and QUERIES.
        tellable: items that may be shown of others; None: all.
    """

    prompter: Prompter
    finder: Finder
    index: BehaviourIndex
    reranker: Reranker | None
    n_candidates: int
    n_context_users: int
    beside: Sequence[Fill] = ()
    tellable: Collection[str] | None = None

    def evidence(self, targets: pa.Table, queries: pa.Table) -> Evidence:
        """Retrieve, rerank and write the prompts for TARGETS, whose histories are in QUERIES."""
        if self.reranker is None:
            prompts = self.prompter.with_evidence(targets, queries, self._filled_beside(targets, queries))
            return Evidence(CANDIDATES.empty(), BEHAVIOURS.empty(), CONTEXTS.empty(), prompts)
        candidates = self.candidates(queries)
        behaviours = self.index.behaviours(set(candidates[BEHAVIOUR_ID].to_pylist()))
        # A user may be forgotten between the search and this line.
        known = pc.is_in(candidates[BEHAVIOUR_ID], behaviours[BEHAVIOUR_ID].combine_chunks())
        candidates = candidates.filter(known)
        lists = self._tellable_lists(behaviours)
        told = [name for name, items in lists.items() if items]  # of whom nothing may be told is no evidence
        candidates = candidates.filter(pc.is_in(candidates[BEHAVIOUR_ID], pa.array(told, pa.string())))
        asked = AskedRows(targets, queries)
        contexts = choose_contexts(
            self.finder.prompter, self.reranker, asked, candidates, behaviours, self.n_context_users
        )
        forms = [Titles(self.prompter, contexts, lists), *self._filled_beside(targets, queries)]
        prompts = self.prompter.with_evidence(targets, queries, forms)
        return Evidence(candidates, behaviours, contexts, prompts)

    def _filled_beside(self, targets: pa.Table, queries: pa.Table) -> list[Filled]:
        return [fill(targets, queries) for fill in self.beside]

    def _tellable_lists(self, behaviours: pa.Table) -> dict[str, Sequence[str]]:
        lists = item_lists(behaviours)
        if self.tellable is None:
            return lists
        return {name: [item for item in items if item in self.tellable] for name, items in lists.items()}

    def candidates(self, queries: pa.Table) -> pa.Table:
        """Step 1 of Section 3.4: the K_e most similar users of each query, its own user left out (CANDIDATES)."""
        return retrieve_candidates(queries, self.finder.queries(queries), self.index, self.n_candidates)


class AskedRows(NamedTuple):
    """What is asked, and from which histories.

    Attributes:
        targets: TARGETS.
        queries: QUERIES, with those of the targets.
    """

    targets: pa.Table
    queries: pa.Table


def choose_contexts(
    prompter: Prompter,
    reranker: Reranker,
    asked: AskedRows,
    candidates: pa.Table,
    behaviours: pa.Table,
    n_context_users: int,
) -> pa.Table:
    """Return the K_s candidates that the reranker finds most useful for each target (CONTEXTS).

    Args:
        prompter: writes P^b and the behaviours.
        reranker: SARE.
        asked: the targets, and their histories.
        candidates: CANDIDATES.
        behaviours: BEHAVIOURS.
        n_context_users: K_s.
    """
    texts = reranker_texts(prompter, reranker, behaviours)
    prompts = prompter.basic(asked.targets, asked.queries)
    return rerank(prompts, asked.targets, candidates, texts, reranker, n_context_users)


def reranker_texts(prompter: Prompter, reranker: Reranker, behaviours: pa.Table) -> dict[str, str]:
    """Return behaviour_id -> d(H(u)), as much of it as the reranker reads beside a prompt.

    Args:
        prompter: writes them.
        reranker: says how much it reads.
        behaviours: BEHAVIOURS.
    """
    reader = Reader(reranker.reader.budget.tokens, reranker.reader.count_tokens)
    return prompter.behaviour_texts(behaviours, BEHAVIOUR_ID, reader)
