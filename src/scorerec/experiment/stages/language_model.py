"""Stages of the language model: prompts, the toy LM, tuning (Eq. 13) and scoring (Eq. 14).

A method is a way to write the prompts; everything behind the prompts is the same for all methods.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from scorerec.core.artifacts import MODEL, Draft
from scorerec.core.columns import BEHAVIOUR_ID, P_YES, QUERY_ID, TARGET_ID, USER_ID
from scorerec.core.tables import CANDIDATES, PROMPTS, SCORES
from scorerec.experiment.run import Run
from scorerec.experiment.stages.judged import with_method
from scorerec.llm.backbone import load_backbone, weights_facts
from scorerec.llm.config import RateConfig
from scorerec.llm.launch import TableFolders, tune_together
from scorerec.llm.score import score
from scorerec.llm.toy import pretrain
from scorerec.llm.tune import tune
from scorerec.pipeline.forms.registry import filled
from scorerec.pipeline.mixture import Mixture, early_rows
from scorerec.pipeline.prompting import ranked


def basic_prompts(run: Run, draft: Draft) -> None:
    """Write P^b."""
    draft.write(PROMPTS, run.prompter.basic(run.all_targets, run.queries))


def augmented_prompts(run: Run, draft: Draft, sources: Mapping[str, str]) -> None:
    """Write P^s.

    Args:
        run: what was made so far.
        draft: of this stage.
        sources: form of evidence -> the stage that found it.
    """
    draft.write(PROMPTS, run.prompter.with_evidence(run.all_targets, run.queries, filled(run, sources)))


def given_backbone(run: Run, draft: Draft) -> None:
    """Use a backbone as it is."""
    name = run.config.llm.backbone
    draft.facts.update(backbone=name, **weights_facts(name))


def toy_backbone(run: Run, draft: Draft) -> None:
    """Let the toy LM read its mixture.

    The evidence in it comes from a retriever that has seen no CRM, and from chance: so the LM is the same whichever CRM
    is behind Eq. 4, and what differs between CRMs is not the LM.
    """
    config = run.config
    owners = dict(zip(run.behaviours[BEHAVIOUR_ID].to_pylist(), run.behaviours[USER_ID].to_pylist(), strict=True))
    retrieved = ranked(run.table("candidates-base", CANDIDATES), QUERY_ID)
    producers = [{query: [owners[name] for name in names] for query, names in retrieved.items()}]
    early = early_rows(run.targets("train"), config.reading.share)
    budget = config.llm.titles(config.evidence.n_context_users)
    mixture = Mixture(run.prompter, early, run.queries, producers, budget)
    texts = mixture.draw(config.reading, config.seed)
    draft.facts.update(pretrain(texts, config.toy_lm, draft.path / MODEL, config.seed, run.device))


def tune_on(
    run: Run,
    prompts: str,
    model: str | Path,
    out: Path,
    teacher: tuple[str, str] | None = None,
    rate: RateConfig | None = None,
) -> dict[str, Any]:
    """Tune an LM on the prompts of a stage, in as many processes as configured; return facts.

    Args:
        run: what was made so far.
        prompts: the stage that wrote them.
        model: what is tuned: a folder, or an id of the hub.
        out: folder of the result.
        teacher: who says how probable Yes is for each training row, and the stage that asked; None: the labels teach
            alone.
        rate: of the method; None: that of ``llm``.
    """
    config, llm = run.config, run.config.llm.at(rate)
    if llm.processes > 1:
        tables = TableFolders(run.artifact(prompts).path, run.artifact("corpus").path)
        return tune_together(model, tables, llm, out, config.seed, config.device)
    labels = run.targets("train", "valid")
    if teacher is not None:
        expected = run.scores(teacher[1], teacher[0])
        p_yes = dict(zip(expected[TARGET_ID].to_pylist(), expected[P_YES].to_pylist(), strict=True))
        column = pa.array([p_yes.get(name) for name in labels[TARGET_ID].to_pylist()], pa.float64())
        labels = labels.append_column(P_YES, column)
    loaded = load_backbone(model, llm.precision, config.device)
    return tune(loaded, run.table(prompts, PROMPTS), labels, llm, out, config.seed)


def tuned(run: Run, draft: Draft, prompts: str, method: str, chosen: Mapping[str, str]) -> None:
    """Tune the LM on the prompts of a stage.

    Args:
        run: what was made so far.
        draft: of this stage.
        prompts: the stage that wrote them.
        method: whose rate counts.
        chosen: who teaches beside the labels, where one does -> the stage that asked.
    """
    rate = getattr(run.config.rates, method)
    draft.facts.update(tune_on(run, prompts, run.backbone, draft.path / MODEL, next(iter(chosen.items()), None), rate))


def scores(run: Run, draft: Draft, tuned: str, prompts: str, method: str) -> None:
    """Score the rows of the split that is judged by one stage's prompts, with the LM that another stage tuned.

    Args:
        run: what was made so far.
        draft: of this stage.
        tuned: the stage that tuned the LM.
        prompts: the stage that wrote them.
        method: what the scores are called.
    """
    judged = run.prompts(prompts, run.config.evaluation.split)
    config = run.config
    found = score(run.model(tuned), judged, config.llm, config.device, config.scoring.exact_answers)
    draft.write(SCORES, with_method(found, method))
