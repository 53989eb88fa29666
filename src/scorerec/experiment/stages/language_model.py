"""Stages of the language model: prompts, the embedded backbone, tuning (Eq. 13) and scoring (Eq. 14).

A method is a way to write the prompts; everything behind the prompts is the same for all methods.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from scorerec.core.artifacts import MODEL, Draft
from scorerec.core.tables import BEHAVIOURS, CANDIDATES, CONTEXTS, PROMPTS, QUERIES, SCORES, TARGETS
from scorerec.experiment.config import ExperimentConfig
from scorerec.experiment.methods import LLM, SCORE
from scorerec.experiment.runner import Context, Stage
from scorerec.experiment.stages.judged import JUDGED, in_splits, prompts_of, with_method
from scorerec.experiment.stages.parts import EMBEDDED, backbone, model_folder, prompter
from scorerec.llm.backbone import load_backbone
from scorerec.llm.embedded import pretrain
from scorerec.llm.launch import tune_together
from scorerec.llm.score import score
from scorerec.llm.tune import tune
from scorerec.pipeline.chain import item_lists
from scorerec.pipeline.prompting import ranked
from scorerec.pipeline.reading import ReadingMatter, early_rows
from scorerec.text.budget import Budget


def _basic_prompts(context: Context, draft: Draft) -> None:
    corpus = context.inputs["corpus"]
    draft.write(PROMPTS, prompter(context).basic(corpus.table(TARGETS), corpus.table(QUERIES)))


def write_augmented(context: Context, draft: Draft, contexts_stage: str) -> None:
    """Write P^s with the contexts of one stage."""
    corpus = context.inputs["corpus"]
    histories = item_lists(corpus.table(BEHAVIOURS))
    contexts = context.inputs[contexts_stage].table(CONTEXTS)
    prompts = prompter(context).augmented(corpus.table(TARGETS), corpus.table(QUERIES), contexts, histories)
    draft.write(PROMPTS, prompts)


def _backbone(context: Context, draft: Draft) -> None:
    """Let the embedded LM read its mixture; any other backbone is used as it is.

    The evidence in it comes from a retriever that has seen no CRM, and from chance: so the LM is the same whichever CRM
    is behind Eq. 4, and what differs between CRMs is not the LM.
    """
    config, corpus, writer = context.config, context.inputs["corpus"], prompter(context)
    if config.llm.backbone != EMBEDDED:
        draft.facts["backbone"] = config.llm.backbone
        return
    behaviours = corpus.table(BEHAVIOURS)
    owners = dict(zip(behaviours["behaviour_id"].to_pylist(), behaviours["user_id"].to_pylist(), strict=True))
    retrieved = ranked(context.inputs["candidates-base"].table(CANDIDATES), "query_id")
    producers = [{query: [owners[name] for name in names] for query, names in retrieved.items()}]
    early = early_rows(in_splits(corpus.table(TARGETS), ("train",)), config.reading.share)
    budget = Budget(
        history_titles=config.llm.history_titles,
        evidence_titles=config.llm.evidence_titles,
        evidence_users=config.evidence.n_context_users,
    )
    matter = ReadingMatter(writer, early, corpus.table(QUERIES), producers, budget)
    texts = matter.draw(config.reading, config.seed)
    draft.facts.update(pretrain(texts, config.embedded_lm, draft.path / MODEL, config.seed, config.device))


def tune_on(context: Context, prompts: str, model: str | Path, out: Path) -> dict[str, Any]:
    """Tune an LM on the prompts of a stage, in as many processes as configured; return facts."""
    config = context.config
    if config.llm.processes > 1:
        folders = context.path(prompts), context.path("corpus")
        return tune_together(model, folders, config.llm, out, config.seed, config.device)
    labels = in_splits(context.inputs["corpus"].table(TARGETS), ("train", "valid"))
    loaded = load_backbone(model, config.llm.precision, config.device)
    return tune(loaded, context.inputs[prompts].table(PROMPTS), labels, config.llm, out, config.seed)


def _tuned(prompts: str, context: Context, draft: Draft) -> None:
    draft.facts.update(tune_on(context, prompts, backbone(context), draft.path / MODEL))


def write_scores(tuned: str, prompts: str, method: str, context: Context, draft: Draft) -> None:
    """Score the judged rows of one stage's prompts with the LM that another stage tuned."""
    config, judged = context.config, prompts_of(context, prompts, JUDGED)
    found = score(model_folder(context, tuned), judged, config.llm, config.device)
    draft.write(SCORES, with_method(found, method))


def prompt_settings(*fields: str) -> Callable[[ExperimentConfig], dict[str, Any]]:
    """Return what reads the settings of prompts: the words, d(.), and some more fields."""
    wanted = {"domain", "describe", *fields}
    return lambda config: config.prompt.model_dump(mode="json", include=wanted)


def _backbone_settings(config: ExperimentConfig) -> dict[str, Any]:
    if config.llm.backbone != EMBEDDED:
        return {"backbone": config.llm.backbone}
    return {
        "lm": config.embedded_lm.model_dump(mode="json"),
        "reading": config.reading.model_dump(mode="json"),
        "budget": [
            config.llm.history_titles,
            config.llm.evidence_titles,
            config.evidence.n_context_users,
        ],
        "texts": config.prompt.model_dump(mode="json", include={"domain", "describe"}),
    }


def settings_without_evidence(config: ExperimentConfig) -> dict[str, Any]:
    """Return the settings of an LM whose prompts show nobody else."""
    return config.llm.model_dump(mode="json", exclude={"evidence_augmentation"})


def method_stages(suffix: str, name: str, prompts: Stage, has_evidence: bool = True) -> tuple[Stage, ...]:
    """Return the stages of one method: its prompts, the LM tuned on them, and its scores."""
    tuned, scores = f"tuned-{suffix}", f"scores-{suffix}"
    return (
        prompts,
        Stage(
            tuned,
            ("corpus", "backbone", prompts.name),
            (lambda config: config.llm.model_dump(mode="json")) if has_evidence else settings_without_evidence,
            partial(_tuned, prompts.name),
        ),
        Stage(
            scores,
            ("corpus", "backbone", prompts.name, tuned),
            lambda _: {},
            partial(write_scores, tuned, prompts.name, name),
        ),
    )


def backbone_stage(is_embedded: bool) -> Stage:
    """Return the stage of the LM that is tuned: an embedded one reads texts, whose evidence must have been found."""
    reads = ("data", "corpus", *(("candidates-base",) if is_embedded else ()))
    return Stage("backbone", reads, _backbone_settings, _backbone, version=2)


STAGES = (
    backbone_stage(is_embedded=True),
    *method_stages(
        "llm",
        LLM,
        Stage(
            "prompts-llm",
            ("data", "corpus"),
            prompt_settings("history_titles"),
            _basic_prompts,
            seeded=False,
        ),
        has_evidence=False,
    ),
    *method_stages(
        "score",
        SCORE,
        Stage(
            "prompts-score",
            ("data", "corpus", "contexts"),
            prompt_settings("history_titles", "evidence_titles", "evidence_window"),
            lambda context, draft: write_augmented(context, draft, "contexts"),
            seeded=False,
        ),
    ),
)
