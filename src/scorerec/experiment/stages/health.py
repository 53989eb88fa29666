"""Does the LM read what it is shown? Its scores with the history, and with the evidence, of another user's row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from scorerec.core.artifacts import Draft
from scorerec.core.columns import TARGET_ID, USER_ID
from scorerec.core.randomness import generator
from scorerec.core.tables import PROMPTS
from scorerec.evaluate.health import faithful, moved
from scorerec.evaluate.results import Faithful, Moved, Moves
from scorerec.experiment.run import MOVES, Run
from scorerec.experiment.stages.judged import prompts_of, with_users
from scorerec.llm.encode import read_prompts
from scorerec.llm.score import PromptGroup, Scorer
from scorerec.pipeline.reasons import falls_without
from scorerec.text.exchange import with_evidence_of, with_history_of
from scorerec.text.segments import Segment

_LEFT_OUT = 2  # parts of a prompt
Exchange = Callable[[Sequence[Segment], Sequence[Segment]], list[Segment] | None]


def measured(run: Run, draft: Draft, tuned: str, prompts: str) -> None:
    """Score some judged rows as they are, and with parts of other rows' prompts.

    Args:
        run: what was made so far.
        draft: of this stage.
        tuned: the stage that tuned the LM.
        prompts: the stage that wrote its prompts.
    """
    evaluation = run.config.evaluation
    targets = with_users(run.targets(evaluation.split), run.queries)
    order = generator(run.config.seed, "health", evaluation.split).permutation(targets.num_rows)
    drawn = targets.take(order[: evaluation.health_rows])
    asked = prompts_of(drawn[TARGET_ID], run.table(prompts, PROMPTS))
    scorer = run.lm(tuned, run.config.scoring.exact_answers)
    shown, users = scorer.encoder.as_read(read_prompts(asked)), drawn[USER_ID].to_pylist()
    found = Moves(
        history=_moved(scorer, shown, users, with_history_of),
        evidence=_moved(scorer, shown, users, with_evidence_of),
        reasons=_faithful(run, scorer, shown, users) if evaluation.reason_rows else None,
    )
    (draft.path / MOVES).write_text(found.model_dump_json() + "\n", encoding="utf-8")


def _faithful(run: Run, scorer: Scorer, shown: Sequence[list[Segment]], users: Sequence[str]) -> Faithful | None:
    """Return whether the strongest reasons move the score more than parts drawn at random."""
    rng = generator(run.config.seed, "reasons", run.config.evaluation.split)

    def score(prompts: Sequence[Sequence[Segment]]) -> Any:
        return scorer.score_groups([PromptGroup((), prompts)])[0].p_yes

    places, falls = falls_without(shown[: run.config.evaluation.reason_rows], score, _LEFT_OUT, rng)
    return faithful([users[place] for place in places.tolist()], falls, _LEFT_OUT, rng) if len(places) else None


def _moved(scorer: Scorer, shown: Sequence[list[Segment]], users: Sequence[str], exchange: Exchange) -> Moved | None:
    """Return how far p(Yes) moves on the rows whose part another user's row can replace: that of the next such row."""
    pairs = []
    for place, segments in enumerate(shown):
        others = [*range(place + 1, len(shown)), *range(place)]
        changed = (exchange(segments, shown[other]) for other in others if users[other] != users[place])
        if (first := next(filter(None, changed), None)) is not None:
            pairs.append((segments, first))
    if not pairs:
        return None
    before, after = scorer.score_groups([PromptGroup((), side) for side in zip(*pairs, strict=True)])
    return moved(before.p_yes, after.p_yes)
