"""SCORE as it was trained, with other numbers of users retrieved and shown when it recommends (Fig. 4)."""

from __future__ import annotations

from collections.abc import Mapping

from scorerec.core.artifacts import Draft
from scorerec.core.columns import QUERY_ID
from scorerec.core.tables import PROMPTS
from scorerec.experiment.run import INDEX, Run
from scorerec.experiment.stages.judged import JUDGED
from scorerec.pipeline.chain import Chain
from scorerec.pipeline.forms.registry import PAPER_FORM, filled
from scorerec.retrieve.index import BehaviourIndex


def _numbers(run: Run) -> tuple[int, int]:
    """K_e and K_s when recommending."""
    asked, trained = run.config.recommending, run.config.evidence
    return (
        trained.n_candidates if asked.n_candidates is None else asked.n_candidates,
        trained.n_context_users if asked.n_context_users is None else asked.n_context_users,
    )


def prompts(run: Run, draft: Draft, sources: Mapping[str, str]) -> None:
    """Find evidence and write P^s as the recommender does, with these numbers.

    Args:
        run: what was made so far.
        draft: of this stage.
        sources: form of evidence -> the stage that found it; titles are found anew.
    """
    targets = run.targets(*JUDGED)
    asked = set(targets[QUERY_ID].to_pylist())
    queries = run.queries.filter([query in asked for query in run.queries[QUERY_ID].to_pylist()])
    with BehaviourIndex.open(run.artifact("candidates").path / INDEX) as index:
        others = filled(run, {form: stage for form, stage in sources.items() if form != PAPER_FORM})
        beside = [lambda *_, form=form: form for form in others]
        chain = Chain(run.prompter, run.finder(), index, run.reranker(), *_numbers(run), beside=beside)
        draft.write(PROMPTS, chain.evidence(targets, queries).prompts)
