"""Work of the stages of the LLM baselines: the same rows, the same LM and the same score for each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scorerec.baselines.base import Baseline, Inputs
from scorerec.baselines.registry import BASELINES
from scorerec.core.artifacts import MODEL, Draft
from scorerec.core.tables import PROMPTS, SCORES
from scorerec.experiment.run import Run
from scorerec.experiment.stages.judged import with_method
from scorerec.experiment.stages.language_model import tune_on


def _opened(run: Run, key: str) -> Baseline:
    kind = BASELINES[key]

    def tune(model: str | Path, out: Path) -> dict[str, Any]:
        return tune_on(run, _prompts_of(kind), model, out)

    return kind(getattr(run.config.baselines, kind.section_name()), Inputs(run, tune))


def _prompts_of(kind: type[Baseline]) -> str:
    return kind.prompts_from or f"prompts-{kind.key}"


def prompts(run: Run, draft: Draft, key: str) -> None:
    """Write its prompts.

    Args:
        run: what was made so far.
        draft: of this stage.
        key: of the baseline.
    """
    table, facts = _opened(run, key).prompts()
    draft.write(PROMPTS, table)
    draft.facts.update(facts)


def training(run: Run, draft: Draft, key: str) -> None:
    """Train what it trains.

    Args:
        run: what was made so far.
        draft: of this stage.
        key: of the baseline.
    """
    table = run.table(_prompts_of(BASELINES[key]), PROMPTS)
    draft.facts.update(_opened(run, key).train(table, draft.path / MODEL))


def scoring(run: Run, draft: Draft, key: str) -> None:
    """Score the rows of the split that is judged.

    Args:
        run: what was made so far.
        draft: of this stage.
        key: of the baseline.
    """
    kind, baseline = BASELINES[key], _opened(run, key)
    model = run.backbone if kind.trains == "nothing" else run.model(f"tuned-{key}")
    found, facts = baseline.score(run.prompts(_prompts_of(kind), run.config.evaluation.split), model)
    draft.write(SCORES, with_method(found, key))
    draft.facts.update(facts)
