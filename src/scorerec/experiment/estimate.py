"""What the stages of a run that are still to come will take in memory and time; printed before they begin."""

from __future__ import annotations

import itertools
import math
import os
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import torch

from scorerec.assess.limits import estimate_tokens
from scorerec.baselines.registry import BASELINES
from scorerec.core.artifacts import Artifact
from scorerec.core.tables import BEHAVIOURS, ITEMS, QUERIES, TARGETS
from scorerec.experiment.config import ExperimentConfig
from scorerec.experiment.methods import ALL_METHODS, Method
from scorerec.experiment.runner import Progress, Runner
from scorerec.experiment.stages import needs
from scorerec.experiment.stages.endpoint import ENDPOINT_PROMPTS
from scorerec.experiment.stages.parts import EMBEDDED
from scorerec.llm.config import LoRAConfig
from scorerec.llm.embedded import llama_config
from scorerec.nn.devices import choose_device
from scorerec.nn.effort import Shape, Work, model_shape, shape_of
from scorerec.nn.encoders import embedded_folder

_TOKENS_OF_WORDING = 120
_TOKENS_OF_EMBEDDED_WORDING, _TOKENS_OF_EMBEDDED_TITLE = 12, 2  # its vocabulary has whole titles and sentences
_MOST_TOKENS_OF_ENCODERS = 512
_READ_AT_ONCE = 64  # texts
_VALUE_BYTES = {"bf16": 2}

_READING = {"data", "corpus", "references"}
_Job = tuple[str, Work]  # stage, work


@dataclass(frozen=True)
class Estimate:
    """What one stage will take.

    Attributes:
        stage: its name.
        parameters: of its model.
        rows: that the model reads or learns from, repetitions counted.
        tokens: of a row, about.
        seconds: about, on the device that is used.
        gibibytes: of the device's memory at the peak, about, beside some 0.5 to 1 GiB for the program.
        device: where it computes.
        device_gibibytes: the memory that the device has.
    """

    stage: str
    parameters: int
    rows: int
    tokens: int
    seconds: float
    gibibytes: float
    device: str
    device_gibibytes: float

    @property
    def line(self) -> str:
        """One line for people."""
        text = (
            f"{_number(self.parameters)} parameters, {self.rows:,} rows of about {self.tokens} tokens: about "
            f"{_duration(self.seconds)} and {self.gibibytes:.1f} GiB on {self.device}"
        )
        if self.gibibytes > self.device_gibibytes:
            text += f", which has {self.device_gibibytes:.1f} GiB: lower the batch size or max_tokens"
        return text


@dataclass(frozen=True)
class _Tables:
    """How much there is: users, behaviours, queries, targets; mean titles that are shown, mean tokens of a title."""

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

    @property
    def judged(self) -> int:
        return self.valid + self.test

    @property
    def described(self) -> float:
        """Tokens of d(.) as an encoder reads it."""
        return _TOKENS_OF_WORDING / 4 + self.behaviour * self.title


def estimate_run(runner: Runner, to: str | None, tell: Callable[[Progress], None]) -> list[Estimate]:
    """Return what is still to come of ``runner.run(to)``; the stages before it, which only read data, are run.

    Raises:
        ConfigError: ``to`` names no stage.
        ModelError: as ``estimate_stages``.
    """
    missing = runner.missing(to)
    if not set(missing) - _READING:
        return []
    artifacts = runner.run("corpus", tell, record=False)
    return estimate_stages(runner.config, missing, artifacts["data"], artifacts["corpus"])


def estimate_stages(
    config: ExperimentConfig, missing: Collection[str], data: Artifact, corpus: Artifact
) -> list[Estimate]:
    """Return what each of the stages ``missing`` that uses a transformer will take.

    Static encoders, the CRM and the stages that only move rows take a minute or so together and are left out. Models
    that are not on this machine are asked for at their hub: only their configuration is fetched.

    Raises:
        ModelError: a model is neither here nor at the hub: it would be missing later, too.
    """
    found = []
    tables, wanted = _tables(config, data, corpus), set(missing)
    works = itertools.chain(
        _encoder_works(config, wanted, tables),
        _reranker_works(config, wanted, tables),
        _lm_works(config, wanted, tables),
        _encoder_scorer_works(config, wanted, tables),
    )
    chosen = choose_device(config.device)
    for stage, work in works:
        found.append(
            Estimate(
                stage=stage,
                parameters=work.shape.parameters,
                rows=round(work.rows_read + work.rows_trained),
                tokens=round(work.tokens),
                seconds=work.seconds(chosen),
                gibibytes=work.bytes / 2**30,
                device=torch.cuda.get_device_name(chosen) if chosen.type == "cuda" else "the CPU",
                device_gibibytes=round(_memory(chosen) / 2**30, 1),
            )
        )
    return found


def _encoder_works(config: ExperimentConfig, wanted: set[str], tables: _Tables) -> Iterator[_Job]:
    """Yield the work of CAR, and of the fixed embedder of Eq. 8."""
    car, shape = config.car, None
    searches = sorted({"candidates", "candidates-base"} & wanted)
    if "car" in wanted or searches:
        shape = _encoder_shape(car.model)
    if shape:
        tokens = min(tables.described, car.max_length or _MOST_TOKENS_OF_ENCODERS)
        size = _VALUE_BYTES.get(car.precision, 4)
        if "car" in wanted:
            rows = 2 * tables.users * (1 + car.n_prefixes) * car.epochs  # an anchor and a neighbour's behaviour
            yield "car", Work(shape, tokens, 0, rows, 2 * car.batch_size, shape.parameters, size)
        for stage in searches:
            rows = tables.behaviours + tables.queries
            yield stage, Work(shape, tokens, rows, 0, _READ_AT_ONCE, 0, size)
    if "rankings" in wanted and (shape := _encoder_shape(config.evidence.text_embedder)):
        n_assessed = min(config.assess.n_targets, tables.train)
        rows = tables.behaviours + n_assessed
        read = min(tables.described, _MOST_TOKENS_OF_ENCODERS) * tables.behaviours + _TOKENS_OF_WORDING * n_assessed
        yield "rankings", Work(shape, read / rows, rows, 0, _READ_AT_ONCE, 0)


def _reranker_works(config: ExperimentConfig, wanted: set[str], tables: _Tables) -> Iterator[_Job]:
    sare = config.sare
    shape = _encoder_shape(sare.model) if {"sare", "contexts"} & wanted else None
    if shape is None:
        return
    is_pair = sare.reading == "cross-encoder"
    tokens = min(sare.max_length, (1 + is_pair) * tables.described)
    size, group = _VALUE_BYTES.get(sare.precision, 4), 1 + sare.n_negatives
    if "sare" in wanted:
        rows = (group + (not is_pair)) * min(config.assess.n_targets, tables.train) * sare.epochs
        yield "sare", Work(shape, tokens, 0, rows, group * sare.batch_size, shape.parameters, size)
    if "contexts" in wanted:
        targets = tables.train + tables.judged
        rows = targets * config.evidence.n_candidates if is_pair else targets + tables.behaviours
        yield "contexts", Work(shape, tokens, rows, 0, _READ_AT_ONCE, 0, size)


def _lm_works(config: ExperimentConfig, wanted: set[str], tables: _Tables) -> Iterator[_Job]:
    llm, is_embedded = config.llm, config.llm.backbone == EMBEDDED
    methods = [
        method
        for method in ALL_METHODS.values()
        if method.key not in BASELINES or BASELINES[method.key].trains != "encoder"
    ]
    stages = {method.key: [f"tuned-{method.key}", f"scores-{method.key}"] for method in methods}
    tuned_or_read = {stage for pair in stages.values() for stage in pair} - set(ENDPOINT_PROMPTS)
    if not wanted & (tuned_or_read | {"backbone"} if is_embedded else tuned_or_read):
        return
    if is_embedded:
        lm, wording, title = config.embedded_lm, _TOKENS_OF_EMBEDDED_WORDING, float(_TOKENS_OF_EMBEDDED_TITLE)
        shape, size = shape_of(llama_config(lm, lm.vocabulary), is_causal=True), 4
    else:
        wording, title = _TOKENS_OF_WORDING, tables.title
        shape, size = model_shape(llm.backbone, is_causal=True), 4 if llm.precision == "fp32" else 2
    basic = wording + tables.history * title
    augmented = basic + config.evidence.n_context_users * tables.evidence * title
    if is_embedded and "backbone" in wanted:
        tokens = min((basic + augmented) / 2, lm.max_text_tokens)
        rows = config.reading.n_texts * lm.epochs
        yield "backbone", Work(shape, tokens, 0, rows, lm.batch_size, shape.parameters, logits_per_row=tokens)
    n_train = min(tables.train, llm.max_train_rows or tables.train) * llm.epochs
    n_valid = min(tables.valid, llm.max_valid_rows or tables.valid) * llm.epochs * llm.selections_per_epoch
    trained = shape.parameters if llm.tune == "full" else _adapter_parameters(llm.lora, shape)
    for method in methods:
        tokens = min(augmented if _shows_others(method) else basic, llm.max_tokens or math.inf)
        tuned, scores = stages[method.key]
        is_policy = method.key in BASELINES and BASELINES[method.key].trains == "policy"  # no estimate for that
        if tuned in wanted and llm.tune != "none" and not is_policy:
            fixed = (trained, size, llm.gradient_checkpointing)
            yield tuned, Work(shape, tokens, n_valid, n_train, llm.batch_size, *fixed)
        if scores in wanted & tuned_or_read:
            yield scores, Work(shape, tokens, tables.judged, 0, llm.score_batch_size, 0, size)


def _encoder_scorer_works(config: ExperimentConfig, wanted: set[str], tables: _Tables) -> Iterator[_Job]:
    for key in (key for key, baseline in BASELINES.items() if baseline.trains == "encoder"):
        encoder = getattr(config.baselines, BASELINES[key].section_name())
        if not {f"tuned-{key}", f"scores-{key}"} & wanted or (shape := _encoder_shape(encoder.model)) is None:
            continue
        shown = config.evidence.n_context_users * tables.evidence if _shows_others(ALL_METHODS[key]) else 0
        titles = tables.history + shown
        tokens = min(encoder.max_tokens, _TOKENS_OF_WORDING / 2 + titles * tables.title)
        n_train = min(tables.train, encoder.max_train_rows or tables.train) * encoder.epochs
        n_valid = min(tables.valid, encoder.max_valid_rows or tables.valid) * encoder.epochs
        trained = round(shape.parameters * (1 - encoder.frozen_layers / max(1, shape.layers)))
        if f"tuned-{key}" in wanted:
            work = Work(shape, tokens, n_valid, n_train, encoder.batch_size, trained)
            yield f"tuned-{key}", work
        if f"scores-{key}" in wanted:
            yield f"scores-{key}", Work(shape, tokens, tables.test, 0, encoder.batch_size, 0)


def _shows_others(method: Method) -> bool:
    """Whether its prompts show similar users."""
    return any(stage.startswith("contexts") for stage in needs(method.stage))


def _tables(config: ExperimentConfig, data: Artifact, corpus: Artifact) -> _Tables:
    behaviours, queries = corpus.table(BEHAVIOURS), corpus.table(QUERIES)
    splits = Counter(corpus.table(TARGETS)["split"].to_pylist())
    lengths = [len(items) for items in behaviours["item_ids"].to_pylist()]
    return _Tables(
        users=len(set(behaviours["user_id"].to_pylist())),
        behaviours=behaviours.num_rows,
        queries=queries.num_rows,
        train=splits["train"],
        valid=splits["valid"],
        test=splits["test"],
        history=_mean_shown([len(items) for items in queries["item_ids"].to_pylist()], config.llm.history_titles),
        evidence=_mean_shown(lengths, config.llm.evidence_titles),
        behaviour=_mean_shown(lengths, config.prompt.behaviour_titles),
        title=fmean(map(estimate_tokens, data.table(ITEMS)["title"].to_pylist())) + 2,  # quotes and comma
    )


def _mean_shown(lengths: list[int], most: int | None) -> float:
    return fmean(length if most is None else min(length, most) for length in lengths) if lengths else 0.0


def _encoder_shape(name: str) -> Shape | None:
    """Return the size of an encoder; None for a static one, which multiplies nothing and has no configuration."""
    if name == "embedded:static" or (Path(name).is_dir() and not (Path(name) / "config.json").is_file()):
        return None
    return model_shape(embedded_folder() if name == "embedded:minilm" else name, is_causal=False)


def _adapter_parameters(lora: LoRAConfig, shape: Shape) -> int:
    """Return about how many parameters LoRA has: rank times the widths at both ends of each layer that gets one."""
    inner = {"gate_proj", "up_proj", "down_proj"}
    ends = (shape.width + (shape.inner_width if name in inner else shape.width) for name in lora.modules)
    return lora.rank * shape.layers * sum(ends)


def _memory(device: torch.device) -> float:
    if device.type == "cuda":
        return float(torch.cuda.get_device_properties(device).total_memory)
    return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


def _number(value: int) -> str:
    for size, name in ((1e9, "billion"), (1e6, "million")):
        if value >= size:
            return f"{value / size:.2g} {name}" if value < 10 * size else f"{value / size:,.0f} {name}"
    return f"{value:,}"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
