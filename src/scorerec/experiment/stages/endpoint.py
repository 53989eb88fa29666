"""Work of the stages of a distant LM that is not tuned here: it reads the prompts that the tuned one reads."""

from __future__ import annotations

from scorerec.assess.probabilities import ProbabilityReader
from scorerec.core.artifacts import Draft
from scorerec.core.tables import SCORES
from scorerec.experiment.run import Run
from scorerec.experiment.stages.judged import with_method
from scorerec.pipeline.endpoint import score_by_endpoint


def scores(run: Run, draft: Draft, prompts: str, method: str) -> None:
    """Score the rows of the split that is judged; the others would be paid for without use.

    Args:
        run: what was made so far.
        draft: of this stage.
        prompts: the stage that wrote them.
        method: what the scores are called.
    """
    config = run.config.endpoint
    judged = run.prompts(prompts, run.config.evaluation.split)
    reader = ProbabilityReader(config.chat, config.kind, config.top_logprobs)
    with run.replies() as store:
        found, facts = score_by_endpoint(judged, run.config.llm.budget, reader, store, config)
    draft.write(SCORES, with_method(found, method))
    draft.facts.update(facts)
