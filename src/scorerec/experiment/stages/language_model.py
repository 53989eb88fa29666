"""Stages of the language model: prompts, the embedded backbone, tuning (Eq. 13) and scoring (Eq. 14).

A method is a way to write the prompts; everything behind the prompts is the same for all methods.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import pyarrow as pa

from scorerec.core.artifacts import Draft
from scorerec.core.randomness import generator
from scorerec.core.tables import (
    BEHAVIOURS,
    CANDIDATES,
    CONTEXTS,
    ITEMS,
    PROMPTS,
    QUERIES,
    SCORES,
    TARGETS,
)
from scorerec.experiment.config import ExperimentConfig
from scorerec.experiment.runner import Context, Stage
from scorerec.experiment.stages.judged import JUDGED, in_splits
from scorerec.experiment.stages.parts import MODEL, prompter
from scorerec.llm.embedded import pretrain
from scorerec.llm.score import score
from scorerec.llm.tune import tune
from scorerec.pipeline.chain import item_lists
from scorerec.pipeline.prompting import ranked
from scorerec.pipeline.reading import reading_matter

EMBEDDED = "embedded"


def _basic_prompts(context: Context, draft: Draft) -> None:
    corpus = context.inputs["corpus"]
    draft.write(PROMPTS, prompter(context).basic(corpus.table(TARGETS), corpus.table(QUERIES)))


def _augmented_prompts(context: Context, draft: Draft) -> None:
    corpus = context.inputs["corpus"]
    histories = item_lists(corpus.table(BEHAVIOURS))
    contexts = context.inputs["contexts"].table(CONTEXTS)
    draft.write(
        PROMPTS, prompter(context).augmented(corpus.table(TARGETS), corpus.table(QUERIES), contexts, histories)
    )


def _backbone(context: Context, draft: Draft) -> None:
    """Let the embedded LM read the mixture; any other backbone is used as it is."""
    config = context.config
    if config.llm.backbone != EMBEDDED:
        draft.facts["backbone"] = config.llm.backbone
        return
    corpus = context.inputs["corpus"]
    evidence = [ranked(context.inputs["candidates"].table(CANDIDATES), "query_id")]
    texts = reading_matter(
        prompter(context),
        in_splits(corpus.table(TARGETS), ("train",)),
        corpus.table(QUERIES),
        item_lists(corpus.table(BEHAVIOURS)),
        evidence,
        config.pretrain,
        config.seed,
    )
    draft.facts.update(pretrain(texts, config.embedded_lm, draft.path / MODEL, config.seed))


def _tuned(method: str, context: Context, draft: Draft) -> None:
    config = context.config
    labels = in_splits(context.inputs["corpus"].table(TARGETS), ("train", "valid"))
    facts = tune(
        backbone(context), context.inputs[f"prompts-{method}"].table(PROMPTS), labels, config.llm,
        draft.path / MODEL, config.seed,
    )  # fmt: skip
    draft.facts.update(facts)
