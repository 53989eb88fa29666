"""Stages of the encoder that stands in for a pretrained LM: tuned on the same prompts, with and without CI."""

from __future__ import annotations

from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from scorerec.baselines.encoder import load_encoder_scorer, score_with_encoder, train_encoder_scorer
from scorerec.core.artifacts import Draft
from scorerec.core.tables import PROMPTS, SCORES, TARGETS
from scorerec.experiment.config import ExperimentConfig
from scorerec.experiment.methods import ALL_METHODS
from scorerec.experiment.runner import Context, Stage
from scorerec.experiment.stages.judged import in_splits
from scorerec.experiment.stages.parts import MODEL, model_folder

ENCODER_PROMPTS = {"encoder": "prompts-llm", "encoder-score": "prompts-score"}


def _tuned(prompts: str, context: Context, draft: Draft) -> None:
    config = context.config
    labels = in_splits(context.inputs["corpus"].table(TARGETS), ("train", "valid"))
    configs = config.baselines.encoder, config.llm.budget
    table = context.inputs[prompts].table(PROMPTS)
    draft.facts.update(train_encoder_scorer(table, labels, configs, draft.path / MODEL, config.seed))


def _scores(key: str, context: Context, draft: Draft) -> None:
    """Score the rows of the split that is judged: an encoder takes longer than the embedded LM."""
    config = context.config
    model = load_encoder_scorer(model_folder(context, f"tuned-{key}"), config.baselines.encoder, config.llm.budget)
    targets = in_splits(context.inputs["corpus"].table(TARGETS), (config.evaluation.split,))
    table = context.inputs[ENCODER_PROMPTS[key]].table(PROMPTS)
    found = score_with_encoder(model, table.filter(pc.is_in(table["target_id"], targets["target_id"].combine_chunks())))
    names = pa.array([ALL_METHODS[key].name] * found.num_rows, pa.string())
    draft.write(SCORES, found.append_column("method", names))


def _settings(config: ExperimentConfig) -> dict[str, Any]:
    return {
        "encoder": config.baselines.encoder.model_dump(mode="json"),
        "titles": config.llm.budget.model_dump(mode="json", exclude={"tokens"}),
    }


def _score_settings(config: ExperimentConfig) -> dict[str, Any]:
    return {**_settings(config), "split": config.evaluation.split}


STAGES = tuple(
    stage
    for key, prompts in ENCODER_PROMPTS.items()
    for stage in (
        Stage(f"tuned-{key}", ("corpus", prompts), _settings, partial(_tuned, prompts)),
        Stage(f"scores-{key}", ("corpus", prompts, f"tuned-{key}"), _score_settings, partial(_scores, key)),
    )
)
