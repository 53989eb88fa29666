"""SCORE as it was trained, with other numbers of users retrieved and shown when it recommends (Fig. 4)."""

from __future__ import annotations

from scorerec.core.artifacts import Draft
from scorerec.core.columns import QUERY_ID
from scorerec.core.tables import PROMPTS
from scorerec.experiment.run import INDEX, Run
from scorerec.experiment.stages.judged import JUDGED
from scorerec.pipeline.chain import Chain
from scorerec.retrieve.index import BehaviourIndex


def _numbers(run: Run) -> dict[str, int]:
    """K_e and K_s when recommending."""
    asked, trained = run.config.recommending, run.config.evidence
    return {
        "n_candidates": trained.n_candidates if asked.n_candidates is None else asked.n_candidates,
        "n_context_users": trained.n_context_users if asked.n_context_users is None else asked.n_context_users,
    }


def prompts(run: Run, draft: Draft) -> None:
    """Find evidence and write P^s as the recommender does, with these numbers."""
    targets = run.targets(*JUDGED)
    asked = set(targets[QUERY_ID].to_pylist())
    queries = run.queries.filter([query in asked for query in run.queries[QUERY_ID].to_pylist()])
    with BehaviourIndex.open(run.artifact("candidates").path / INDEX) as index:
        chain = Chain(run.finder(), index, run.reranker(), **_numbers(run))
        draft.write(PROMPTS, chain.evidence(targets, queries).prompts)
