"""How much work the transformers of a stage have before them; a stage names its function here.

What multiplies no matrices (static encoders), the recommender, and what only moves rows, are left out.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from scorerec.assess.limits import estimate_tokens
from scorerec.baselines.registry import BASELINES
from scorerec.experiment.config import ExperimentConfig
from scorerec.experiment.plan import forms_shown
from scorerec.experiment.run import Run
from scorerec.experiment.stage import Stage
from scorerec.llm.config import SMOLLM2, TOY, LoRAConfig
from scorerec.llm.pretrained import smollm2_shape
from scorerec.llm.toy import llama_config
from scorerec.nn.effort import Shape, Work, model_shape, shape_of
from scorerec.nn.encoders import embedded_folder
from scorerec.pipeline.forms.registry import FORMS, PAPER_FORM
from scorerec.text.prompts import Question

_TOKENS_OF_WORDING = 120  # of P^r in a chat template, and of its reply
_TOKENS_OF_QUESTION: dict[Question, int] = {"paper": 36, "short": 20}  # all words of P^b, as SmolLM2 reads them
_TOKENS_OF_TEMPLATE = 30
_TOKENS_OF_TOY_WORDING, _TOKENS_OF_TOY_TITLE = 12, 2  # its vocabulary has whole titles and sentences
_MOST_TOKENS_OF_ENCODERS = 512
_READ_AT_ONCE = 64  # texts
_VALUE_BYTES = {"bf16": 2}


@dataclass(frozen=True)
class Sizes:
    """How much there is of each; mean titles shown of a history, as evidence, of a behaviour; tokens of a title."""

    items: int
    users: int
    behaviours: int
    queries: int
    train: int
    valid: int
    test: int
    history: float
    evidence: float
    behaviour: float
    title: float

    @classmethod
    def of(cls, run: Run) -> Sizes:
        """Count the tables of a run."""
        config, splits = run.config, Counter(run.all_targets["split"].to_pylist())
        lengths = [len(items) for items in run.behaviours["item_ids"].to_pylist()]
        histories = [len(items) for items in run.queries["item_ids"].to_pylist()]
        return cls(
            items=run.items.num_rows,
            users=len(set(run.behaviours["user_id"].to_pylist())),
            behaviours=run.behaviours.num_rows,
            queries=run.queries.num_rows,
            train=splits["train"],
            valid=splits["valid"],
            test=splits["test"],
            history=_mean_shown(histories, config.llm.history_titles),
            evidence=_mean_shown(lengths, config.llm.evidence_titles),
            behaviour=_mean_shown(lengths, config.prompt.behaviour_titles),
            title=fmean(map(estimate_tokens, run.items["title"].to_pylist())) + 2,  # quotes and comma
        )

    @property
    def judged(self) -> int:
        """Validation and test rows."""
        return self.valid + self.test

    @property
    def described(self) -> float:
        """Tokens of d(.) as an encoder reads it."""
        return _TOKENS_OF_WORDING / 4 + self.behaviour * self.title


def _mean_shown(lengths: list[int], most: int | None) -> float:
    return fmean(length if most is None else min(length, most) for length in lengths) if lengths else 0.0


def car(_: Stage, config: ExperimentConfig, sizes: Sizes) -> Work | None:
    """Return the work of tuning CAR: an anchor and a neighbour's behaviour in each pair."""
    shape, own = _encoder_shape(config.car.model), config.car
    if shape is None:
        return None
    rows = 2 * sizes.users * (1 + own.n_prefixes) * own.epochs
    tokens = min(sizes.described, own.max_length or _MOST_TOKENS_OF_ENCODERS)
    return Work(shape, tokens, 0, rows, 2 * own.batch_size, shape.parameters, _VALUE_BYTES.get(own.precision, 4))


def searched(_: Stage, config: ExperimentConfig, sizes: Sizes) -> Work | None:
    """Return the work of reading behaviours and queries with CAR, or with what it starts from."""
    shape, own = _encoder_shape(config.car.model), config.car
    if shape is None:
        return None
    tokens = min(sizes.described, own.max_length or _MOST_TOKENS_OF_ENCODERS)
    rows = sizes.behaviours + sizes.queries
    return Work(shape, tokens, rows, 0, _READ_AT_ONCE, 0, _VALUE_BYTES.get(own.precision, 4))


def assessments(_: Stage, config: ExperimentConfig, sizes: Sizes) -> Work | None:
    """Return the work of the LLM in this process that assesses; other assessors compute nothing here."""
    if config.assess.assessor != "local":
        return None
    local, rows = config.assess.local, min(config.assess.n_targets, sizes.train)
    tokens = _TOKENS_OF_WORDING + sizes.history * sizes.title + local.max_new_tokens
    shape = _causal_shape(local.model)
    return Work(shape, tokens, rows, 0, local.batch_size, 0, 2, logits_per_row=local.max_new_tokens)


def rankings(_: Stage, config: ExperimentConfig, sizes: Sizes) -> Work | None:
    """Return the work of Eq. 8: behaviours and assessments, or the titles of the catalogue where these teach."""
    shape = _encoder_shape(config.evidence.text_embedder)
    if shape is None:
        return None
    if config.sare.teacher == "titles":
        return Work(shape, sizes.title, sizes.items, 0, _READ_AT_ONCE, 0)
    n_assessed = min(config.assess.n_targets, sizes.train)
    rows = sizes.behaviours + n_assessed
    read = min(sizes.described, _MOST_TOKENS_OF_ENCODERS) * sizes.behaviours + _TOKENS_OF_WORDING * n_assessed
    return Work(shape, read / rows, rows, 0, _READ_AT_ONCE, 0)


def sare(_: Stage, config: ExperimentConfig, sizes: Sizes) -> Work | None:
    """Return the work of tuning SARE: a prompt with some candidates."""
    shape, own = _encoder_shape(config.sare.model), config.sare
    if shape is None:
        return None
    is_pair, group = own.reading == "cross-encoder", 1 + own.n_negatives
    n_ranked = own.gain_targets if own.teacher == "gain" else config.assess.n_targets
    rows = (group + (not is_pair)) * min(n_ranked, sizes.train) * own.epochs
    tokens, size = min(own.max_length, (1 + is_pair) * sizes.described), _VALUE_BYTES.get(own.precision, 4)
    return Work(shape, tokens, 0, rows, group * own.batch_size, shape.parameters, size)


def contexts(_: Stage, config: ExperimentConfig, sizes: Sizes) -> Work | None:
    """Return the work of reading candidates with SARE."""
    shape, own = _encoder_shape(config.sare.model), config.sare
    if shape is None:
        return None
    is_pair, targets = own.reading == "cross-encoder", sizes.train + sizes.judged
    rows = targets * config.evidence.n_candidates if is_pair else targets + sizes.behaviours
    tokens = min(own.max_length, (1 + is_pair) * sizes.described)
    return Work(shape, tokens, rows, 0, _READ_AT_ONCE, 0, _VALUE_BYTES.get(own.precision, 4))


def backbone(_: Stage, config: ExperimentConfig, sizes: Sizes) -> Work | None:
    """Return the work of the toy LM on its mixture; any other is used as it is."""
    if config.llm.backbone != TOY:
        return None
    shape, lm = _lm_shape(config), config.toy_lm
    tokens = min((_prompt(config, sizes, ()) + _prompt(config, sizes, (PAPER_FORM,))) / 2, lm.max_text_tokens)
    rows = config.reading.n_texts * lm.epochs
    return Work(shape, tokens, 0, rows, lm.batch_size, shape.parameters, logits_per_row=tokens)


def tuned_lm(stage: Stage, config: ExperimentConfig, sizes: Sizes) -> Work | None:
    """Return the work of tuning the LM on a stage's prompts, and of choosing its epoch.

    Args:
        stage: that tunes; what its prompts show goes by it.
        config: of the experiment.
        sizes: how much there is of its data.
    """
    llm = config.llm
    if llm.tune == "none":
        return None
    shape, tokens = _lm_shape(config), _lm_tokens(stage, config, sizes)
    n_train = min(sizes.train, llm.max_train_rows or sizes.train) * llm.epochs
    n_valid = min(sizes.valid, llm.max_valid_rows or sizes.valid) * (llm.epochs * llm.selections_per_epoch or 1)
    layers, trained = (shape.layers, shape.parameters) if llm.tune == "full" else _adapted(llm.lora, shape)
    return Work(
        shape,
        tokens,
        n_valid,
        n_train,
        llm.batch_size,
        trained,
        _lm_bytes(config),
        is_checkpointed=llm.gradient_checkpointing,
        is_bound=llm.share_prefixes,
        learning_share=layers / shape.layers,
    )


def scored_by_lm(stage: Stage, config: ExperimentConfig, sizes: Sizes) -> Work | None:
    """Return the work of scoring with the LM.

    Args:
        stage: that scores; what its prompts show goes by it.
        config: of the experiment.
        sizes: how much there is of its data.
    """
    rows = _scored(config, sizes)
    tokens, size = _lm_tokens(stage, config, sizes), _lm_bytes(config)
    batch, is_bound = config.llm.score_batch_size, config.llm.share_prefixes
    return Work(_lm_shape(config), tokens, rows, 0, batch, 0, size, is_bound=is_bound)


def audited(stage: Stage, config: ExperimentConfig, sizes: Sizes) -> Work | None:
    """Return the work of asking about every title; of a prompt that is computed once, a title and the words after it.

    Args:
        stage: that asks; what its prompts show goes by it.
        config: of the experiment.
        sizes: how much there is of its data.
    """
    llm, rows = config.llm, config.title_audit.prompts * sizes.items
    tokens = sizes.title + _TOKENS_OF_QUESTION[config.prompt.question] / 2
    if not llm.share_prefixes:
        tokens = _lm_tokens(stage, config, sizes)
    return Work(_lm_shape(config), tokens, rows, 0, llm.score_batch_size, 0, _lm_bytes(config))


def gained(_: Stage, config: ExperimentConfig, sizes: Sizes) -> Work | None:
    """Return the work of scoring each ranked target with nobody's titles, and with those of each candidate alone."""
    rows = min(config.sare.gain_targets, sizes.train) * (1 + config.evidence.n_candidates)
    tokens, batch = _prompt(config, sizes, (PAPER_FORM,)), config.llm.score_batch_size
    size, is_bound = _lm_bytes(config), config.llm.share_prefixes
    return Work(_lm_shape(config), tokens, rows, 0, batch, 0, size, is_bound=is_bound)


def tuned_encoder(stage: Stage, config: ExperimentConfig, sizes: Sizes) -> Work | None:
    """Return the work of tuning an encoder on prompts.

    Args:
        stage: that tunes; the first thing it is given is the key of the baseline.
        config: of the experiment.
        sizes: how much there is of its data.
    """
    own = _section(stage, config)
    shape = _encoder_shape(own.model)
    if shape is None:
        return None
    n_train = min(sizes.train, own.max_train_rows or sizes.train) * own.epochs
    n_valid = min(sizes.valid, own.max_valid_rows or sizes.valid) * own.epochs
    share = 1 - own.frozen_layers / max(1, shape.layers)
    trained = round(shape.parameters * share)
    tokens = _encoder_tokens(stage, config, sizes)
    return Work(shape, tokens, n_valid, n_train, own.batch_size, trained, learning_share=share)


def scored_by_encoder(stage: Stage, config: ExperimentConfig, sizes: Sizes) -> Work | None:
    """Return the work of scoring with an encoder.

    Args:
        stage: that scores; the first thing it is given is the key of the baseline.
        config: of the experiment.
        sizes: how much there is of its data.
    """
    own = _section(stage, config)
    shape, rows = _encoder_shape(own.model), _scored(config, sizes)
    if shape is None:
        return None
    return Work(shape, _encoder_tokens(stage, config, sizes), rows, 0, own.batch_size, 0)


def _section(stage: Stage, config: ExperimentConfig) -> Any:
    """Return the settings of the baseline whose stage it is."""
    return getattr(config.baselines, BASELINES[stage.given[0]].section_name())


def _scored(config: ExperimentConfig, sizes: Sizes) -> int:
    """Return how many rows are scored."""
    return sizes.test if config.evaluation.split == "test" else sizes.valid


def _encoder_tokens(stage: Stage, config: ExperimentConfig, sizes: Sizes) -> float:
    forms = forms_shown(stage.name, config.evidence.forms)
    wording = _TOKENS_OF_QUESTION[config.prompt.question] + _said(forms)
    return min(_section(stage, config).max_tokens, wording + _titles(config, sizes, forms) * sizes.title)


def _lm_tokens(stage: Stage, config: ExperimentConfig, sizes: Sizes) -> float:
    forms = forms_shown(stage.name, config.evidence.forms)
    return min(_prompt(config, sizes, forms), config.llm.max_tokens or math.inf)


def _prompt(config: ExperimentConfig, sizes: Sizes, forms: Collection[str]) -> float:
    """Return the tokens of a prompt with these forms of evidence as the LM reads it, before the budget."""
    if config.llm.backbone == TOY:
        return _TOKENS_OF_TOY_WORDING + _said(forms) + _titles(config, sizes, forms) * _TOKENS_OF_TOY_TITLE
    wording = _TOKENS_OF_QUESTION[config.prompt.question] + _TOKENS_OF_TEMPLATE * config.llm.chat_template
    return wording + _said(forms) + _titles(config, sizes, forms) * sizes.title


def _said(forms: Collection[str]) -> int:
    """Return the tokens of forms of evidence beside their titles."""
    return sum(FORMS[form].tokens for form in forms)


def _titles(config: ExperimentConfig, sizes: Sizes, forms: Collection[str]) -> float:
    """Return how many titles a prompt shows, the target's counted."""
    return 1 + sizes.history + (config.evidence.n_context_users * sizes.evidence if PAPER_FORM in forms else 0)


def _lm_shape(config: ExperimentConfig) -> Shape:
    if config.llm.backbone == TOY:
        lm = config.toy_lm
        return shape_of(llama_config(lm, lm.vocabulary), is_causal=True)
    return _causal_shape(config.llm.backbone)


def _causal_shape(name: str) -> Shape:
    return shape_of(smollm2_shape(), is_causal=True) if name == SMOLLM2 else model_shape(name, is_causal=True)


def _lm_bytes(config: ExperimentConfig) -> int:
    return 4 if config.llm.backbone == TOY or config.llm.precision == "fp32" else 2


def _encoder_shape(name: str) -> Shape | None:
    """Return the size of an encoder; None for a static one, which multiplies nothing and has no configuration."""
    if name == "embedded:static" or (Path(name).is_dir() and not (Path(name) / "config.json").is_file()):
        return None
    return model_shape(embedded_folder() if name == "embedded:minilm" else name, is_causal=False)


def _adapted(lora: LoRAConfig, shape: Shape) -> tuple[int, int]:
    """Return how many layers LoRA adapts, and about how many parameters it has.

    These are its rank times the widths at both ends of each matrix that gets an adapter.
    """
    layers, inner = min(shape.layers, lora.last_layers or shape.layers), {"gate_proj", "up_proj", "down_proj"}
    ends = (shape.width + (shape.inner_width if name in inner else shape.width) for name in lora.modules)
    return layers, lora.rank * layers * sum(ends)
