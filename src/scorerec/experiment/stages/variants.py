"""Ablations and controls: SCORE with its evidence chosen in other ways, everything behind the prompt being the same.

base: the retriever before it was tuned; cf: the CRM's own nearest users; rerank: CAR without SARE.
random, shuffled, empty: evidence of strangers, of another row, and of as many titles that say nothing. oracle: the
candidates that agree with the label, a bound.
"""

from __future__ import annotations

from scorerec.core.artifacts import Draft
from scorerec.core.tables import CANDIDATES, CONTEXTS, PROMPTS
from scorerec.experiment.run import Run
from scorerec.pipeline import producers


def first_of(run: Run, draft: Draft, candidates: str) -> None:
    """Take the K_s best of the candidates of another stage as they are.

    Args:
        run: what was made so far.
        draft: of this stage.
        candidates: the stage that found them.
    """
    found = run.table(candidates, CANDIDATES)
    draft.write(CONTEXTS, producers.first_candidates(run.all_targets, found, run.config.evidence.n_context_users))


def random(run: Run, draft: Draft) -> None:
    """Draw strangers."""
    count, seed = run.config.evidence.n_context_users, run.config.seed
    draft.write(CONTEXTS, producers.random_contexts(run.all_targets, run.queries, run.behaviours, count, seed))


def shuffled(run: Run, draft: Draft) -> None:
    """Give each row the contexts of another one."""
    contexts, seed = run.table("contexts", CONTEXTS), run.config.seed
    draft.write(CONTEXTS, producers.shuffled_contexts(run.all_targets, run.queries, run.behaviours, contexts, seed))


def oracle(run: Run, draft: Draft) -> None:
    """Choose the candidates that agree with the label."""
    candidates, count = run.table("candidates", CANDIDATES), run.config.evidence.n_context_users
    draft.write(CONTEXTS, producers.oracle_contexts(run.all_targets, candidates, run.behaviours, count))


def empty_prompts(run: Run, draft: Draft) -> None:
    """Take what the evidence says out of SCORE's prompts."""
    prompts = run.table("prompts-score", PROMPTS)
    draft.write(PROMPTS, producers.without_content(prompts, run.config.prompt.words))
