"""Stages of the LLM baselines, made from what each says of itself: the same rows, the same LM and the same score."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from scorerec.baselines.base import BASIC, Baseline, Inputs
from scorerec.baselines.registry import BASELINES
from scorerec.core.artifacts import MODEL, Draft
from scorerec.core.tables import PROMPTS, QUERIES, SCORES, TARGETS
from scorerec.experiment.config import ExperimentConfig
from scorerec.experiment.runner import Context, Stage
from scorerec.experiment.stages.judged import JUDGED, prompts_of, with_method
from scorerec.experiment.stages.language_model import prompt_settings, settings_without_evidence, tune_on
from scorerec.experiment.stages.parts import backbone, model_folder, prompter
from scorerec.text.features import ChangePrompt

_ALWAYS = ("data", "corpus")
_Run = Callable[[Context, Draft], None]
_Settings = Callable[[ExperimentConfig], dict[str, Any]]


def _stages(kind: type[Baseline]) -> Iterator[Stage]:
    """Yield the stages of one baseline."""
    prompts = kind.prompts_from or f"prompts-{kind.key}"
    tuned = None if kind.trains == "nothing" else f"tuned-{kind.key}"
    if kind.prompts_from is None:
        reads = (*_ALWAYS, *kind.prompts_build_on)
        yield Stage(prompts, reads, _own_settings(kind), _prompts(kind), version=kind.version)
    reads = tuple(dict.fromkeys((*_ALWAYS, *kind.builds_on, prompts)))
    if tuned is not None:
        yield Stage(tuned, reads, _settings(kind), _training(kind, prompts), version=kind.version)
        reads = (*reads, tuned)
    scoring = _scoring(kind, prompts, tuned)
    yield Stage(f"scores-{kind.key}", reads, _score_settings(kind), scoring, version=kind.version)


def _baseline(kind: type[Baseline], context: Context, prompts: str) -> Baseline:
    config, writer = context.config, prompter(context)
    targets, queries = (context.inputs["corpus"].table(schema) for schema in (TARGETS, QUERIES))

    def write(change: ChangePrompt) -> pa.Table:
        return writer.changed(targets, queries, change)

    def tune(model: str | Path, out: Path) -> dict[str, Any]:
        return tune_on(context, prompts, model, out)

    inputs = Inputs(
        artifacts=context.inputs,
        backbone=backbone(context) if "backbone" in context.inputs else config.llm.backbone,
        device=config.device,
        llm=config.llm,
        ties=config.data.ties,
        write=write,
        tune=tune,
        describer=writer.describer,
        words=writer.words,
        seed=config.seed,
    )
    return kind(getattr(config.baselines, kind.section_name()), inputs)


def _prompts(kind: type[Baseline]) -> _Run:
    def run(context: Context, draft: Draft) -> None:
        table, facts = _baseline(kind, context, "").prompts()
        draft.write(PROMPTS, table)
        draft.facts.update(facts)

    return run


def _training(kind: type[Baseline], prompts: str) -> _Run:
    def run(context: Context, draft: Draft) -> None:
        table = context.inputs[prompts].table(PROMPTS)
        draft.facts.update(_baseline(kind, context, prompts).train(table, draft.path / MODEL))

    return run


def _scoring(kind: type[Baseline], prompts: str, tuned: str | None) -> _Run:
    def run(context: Context, draft: Draft) -> None:
        splits = (context.config.evaluation.split,) if kind.judges_one_split else JUDGED
        judged = prompts_of(context, prompts, splits)
        baseline = _baseline(kind, context, prompts)
        model = baseline.inputs.backbone if tuned is None else model_folder(context, tuned)
        found, facts = baseline.score(judged, model)
        draft.write(SCORES, with_method(found, kind.label))
        draft.facts.update(facts)

    return run


def _own_settings(kind: type[Baseline]) -> _Settings:
    """Return what reads the settings of prompts, and of the baseline itself."""
    section, of_prompts = kind.section_name(), prompt_settings("history_titles")
    return lambda config: {
        "prompts": {**of_prompts(config), "ties": config.data.ties},
        section: getattr(config.baselines, section).model_dump(mode="json"),
    }


def _settings(kind: type[Baseline]) -> _Settings:
    """Return what reads these and what matters of the LM's: an encoder is shown the titles that the LM is shown."""
    own = _own_settings(kind)
    if kind.trains == "encoder":
        return lambda config: {**own(config), "titles": config.llm.budget.model_dump(mode="json", exclude={"tokens"})}
    if kind.prompts_from in (None, BASIC):
        return lambda config: {**own(config), "llm": settings_without_evidence(config)}
    return lambda config: {**own(config), "llm": config.llm.model_dump(mode="json")}


def _score_settings(kind: type[Baseline]) -> _Settings:
    settings = _settings(kind)
    if not kind.judges_one_split:
        return settings
    return lambda config: {**settings(config), "split": config.evaluation.split}


STAGES = tuple(stage for kind in BASELINES.values() for stage in _stages(kind))
