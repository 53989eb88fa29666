"""LLM baselines: the same rows, the same LM and the same score; collaborative information as vectors or codes, or none.

Users' vectors and codes come from the query's own prefix, as everywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from scorerec.baselines.binary_codes import learn_codes, write_code
from scorerec.baselines.collm import load_collm, train_collm
from scorerec.baselines.llara import load_llara, train_llara
from scorerec.baselines.soft import Material
from scorerec.baselines.virtual_tokens import mark
from scorerec.core.artifacts import Draft
from scorerec.core.randomness import generator
from scorerec.core.tables import INTERACTIONS, ITEMS, PROMPTS, QUERIES, SCORES, TARGETS
from scorerec.crm.registry import load_crm
from scorerec.data.dislikes import dislikes_before
from scorerec.experiment.config import ExperimentConfig
from scorerec.experiment.methods import ALL_METHODS
from scorerec.experiment.runner import Context, Stage
from scorerec.experiment.stages.judged import JUDGED, in_splits
from scorerec.experiment.stages.language_model import method_stages, prompt_settings, settings_without_evidence
from scorerec.experiment.stages.parts import MODEL, backbone, model_folder, prompter
from scorerec.llm.answers import NO, YES
from scorerec.llm.encode import read_prompts
from scorerec.llm.score import Scorer
from scorerec.llm.tune import tune
from scorerec.pipeline.prompting import with_opening
from scorerec.text.segments import render


def item_ids(context: Context) -> list[str]:
    """Return the items in the order in which their vectors are numbered."""
    return sorted(context.inputs["data"].table(ITEMS)["item_id"].to_pylist())


def _marks(context: Context) -> tuple[dict[str, str], dict[str, str]]:
    """Return the mark of each query's user and of each item: items come first."""
    items, queries = item_ids(context), context.inputs["corpus"].table(QUERIES)["query_id"].to_pylist()
    users = {query: mark(len(items) + place) for place, query in enumerate(queries)}
    return users, {item: mark(place) for place, item in enumerate(items)}


def _vectors(context: Context, with_users: bool) -> npt.NDArray[np.float32]:
    """Return the CRM's vectors in the order of the marks, each kind centred and of one size."""
    model = load_crm(model_folder(context, "crm"))
    parts = [one_size(model.item_vectors(item_ids(context)))]
    if with_users:
        parts.append(one_size(model.encode(context.inputs["corpus"].table(QUERIES)["item_ids"].to_pylist())))
    return np.concatenate(parts)


def one_size(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return vectors centred, with unit deviation over all values."""
    centred = vectors - vectors.mean(0)
    return np.asarray(centred / max(float(centred.std()), 1e-12), np.float32)


def _material(context: Context, prompts: str, with_users: bool) -> Material:
    labels = in_splits(context.inputs["corpus"].table(TARGETS), ("train", "valid"))
    return Material(context.inputs[prompts].table(PROMPTS), labels, _vectors(context, with_users))


def _judged_scores(context: Context, draft: Draft, scorer: Scorer, prompts: str, key: str, opening: str = "") -> None:
    """Score the judged rows; ``opening`` stands before every prompt."""
    targets = in_splits(context.inputs["corpus"].table(TARGETS), JUDGED)
    table = context.inputs[prompts].table(PROMPTS)
    judged = table.filter(pc.is_in(table["target_id"], targets["target_id"].combine_chunks()))
    found = scorer.score(with_opening(judged, opening) if opening else judged)
    names = pa.array([ALL_METHODS[key].name] * found.num_rows, pa.string())
    draft.write(SCORES, found.append_column("method", names))


def _untuned_scores(context: Context, draft: Draft) -> None:
    scorer = Scorer.load(backbone(context), context.config.llm)
    n_shots = context.config.baselines.icl.shots
    opening = "".join(_solved_examples(context, scorer, n_shots))
    _judged_scores(context, draft, scorer, "prompts-llm", "icl", opening)
    if n_shots:
        draft.facts["examples"] = opening


def _solved_examples(context: Context, scorer: Scorer, count: int) -> list[str]:
    """Return training rows with their answers, as the LM reads them: one that was liked, one that was not, ..."""
    targets = in_splits(context.inputs["corpus"].table(TARGETS), ("train",))
    order = generator(context.config.seed, "icl").permutation(targets.num_rows)
    labels, names = targets["label"].to_pylist(), targets["target_id"].to_pylist()
    of_label = {label: [names[place] for place in order if labels[place] == label] for label in (1, 0)}
    drawn = [(of_label[label][place // 2], label) for place in range(count) for label in [1 - place % 2]]
    table = context.inputs["prompts-llm"].table(PROMPTS)
    rows = dict(zip(table["target_id"].to_pylist(), range(table.num_rows), strict=True))
    (prompts,) = [read_prompts(table.take([rows[name] for name, _ in drawn]))] if drawn else [[]]
    answers = [YES if label else NO for _, label in drawn]
    return [
        f"{render(read)} {answer}\n\n" for read, answer in zip(scorer.encoder.as_read(prompts), answers, strict=True)
    ]


def _prompts_with_dislikes(context: Context, draft: Draft) -> None:
    config, corpus = context.config, context.inputs["corpus"]
    targets, queries = corpus.table(TARGETS), corpus.table(QUERIES)
    row_ids = targets["row_id"].to_pylist()
    interactions, most = context.inputs["data"].table(INTERACTIONS), config.baselines.tallrec.disliked_titles
    found = dislikes_before(interactions, row_ids, config.data.ties, most)
    dislikes = {name: found[row_id] for name, row_id in zip(targets["target_id"].to_pylist(), row_ids, strict=True)}
    draft.write(PROMPTS, prompter(context).with_dislikes(targets, queries, dislikes))


def _llara_prompts(context: Context, draft: Draft) -> None:
    corpus, (_, items) = context.inputs["corpus"], _marks(context)
    draft.write(PROMPTS, prompter(context).marked(corpus.table(TARGETS), corpus.table(QUERIES), items))


def _llara(context: Context, draft: Draft) -> None:
    config, material = context.config, _material(context, "prompts-llara", with_users=False)
    configs = config.llm, config.baselines.llara
    draft.facts.update(train_llara(backbone(context), material, configs, draft.path / MODEL, config.seed))


def _llara_scores(context: Context, draft: Draft) -> None:
    scorer = load_llara(model_folder(context, "tuned-llara"), context.config.llm)
    _judged_scores(context, draft, scorer, "prompts-llara", "llara")


def _collm_prompts(context: Context, draft: Draft) -> None:
    corpus = context.inputs["corpus"]
    draft.write(PROMPTS, prompter(context).featured(corpus.table(TARGETS), corpus.table(QUERIES), *_marks(context)))


def _collm(context: Context, draft: Draft) -> None:
    config, material = context.config, _material(context, "prompts-collm", with_users=True)
    configs = config.llm, config.baselines.collm
    tuned = model_folder(context, "tuned-llm")
    draft.facts.update(train_collm(tuned, material, configs, draft.path / MODEL, config.seed))


def _collm_scores(context: Context, draft: Draft) -> None:
    tuned, folder = model_folder(context, "tuned-llm"), model_folder(context, "tuned-collm")
    _judged_scores(context, draft, load_collm(tuned, folder, context.config.llm), "prompts-collm", "collm")


def _binllm_prompts(context: Context, draft: Draft) -> None:
    """Learn the codes and write them into the prompts."""
    config, corpus = context.config, context.inputs["corpus"]
    settings = config.baselines.binllm
    model, facts = learn_codes(context.inputs["data"].table(INTERACTIONS), settings, config.seed)
    queries, items = corpus.table(QUERIES), item_ids(context)
    users = [write_code(bits, settings.form) for bits in model.user_codes(queries["item_ids"].to_pylist())]
    codes = [write_code(bits, settings.form) for bits in model.item_codes(items)]
    draft.write(
        PROMPTS,
        prompter(context).featured(
            corpus.table(TARGETS),
            queries,
            dict(zip(queries["query_id"].to_pylist(), users, strict=True)),
            dict(zip(items, codes, strict=True)),
        ),
    )
    draft.facts.update({**facts, "distinct_user_codes": len(set(users)), "distinct_item_codes": len(set(codes))})


def _binllm(context: Context, draft: Draft) -> None:
    """Go on tuning the LM that was tuned on text, on prompts with codes."""
    config = context.config
    labels = in_splits(context.inputs["corpus"].table(TARGETS), ("train", "valid"))
    prompts = context.inputs["prompts-binllm"].table(PROMPTS)
    tuned = model_folder(context, "tuned-llm")
    draft.facts.update(tune(tuned, prompts, labels, config.llm, draft.path / MODEL, config.seed))


def _binllm_scores(context: Context, draft: Draft) -> None:
    scorer = Scorer.load(model_folder(context, "tuned-binllm"), context.config.llm)
    _judged_scores(context, draft, scorer, "prompts-binllm", "binllm")


def _settings(own: str) -> Callable[[ExperimentConfig], dict[str, Any]]:
    """Return what reads the settings of the LM and of one baseline."""
    return lambda config: {
        "llm": settings_without_evidence(config),
        own: getattr(config.baselines, own).model_dump(mode="json"),
    }


def _untuned_settings(config: ExperimentConfig) -> dict[str, Any]:
    shots = config.baselines.icl.shots
    return {**settings_without_evidence(config), **({"shots": shots} if shots else {})}


_HISTORY = prompt_settings("history_titles")

STAGES = (
    *method_stages(
        "dislikes",
        ALL_METHODS["dislikes"].name,
        Stage(
            "prompts-dislikes",
            ("data", "corpus"),
            lambda config: {**_HISTORY(config), "disliked_titles": config.baselines.tallrec.disliked_titles},
            _prompts_with_dislikes,
            seeded=False,
        ),
        has_evidence=False,
    ),
    Stage("scores-icl", ("corpus", "backbone", "prompts-llm"), _untuned_settings, _untuned_scores),
    Stage("prompts-llara", ("data", "corpus"), _HISTORY, _llara_prompts, seeded=False),
    Stage("tuned-llara", ("data", "corpus", "crm", "backbone", "prompts-llara"), _settings("llara"), _llara),
    Stage("scores-llara", ("corpus", "prompts-llara", "tuned-llara"), settings_without_evidence, _llara_scores),
    Stage("prompts-collm", ("data", "corpus"), _HISTORY, _collm_prompts, seeded=False),
    Stage("tuned-collm", ("data", "corpus", "crm", "tuned-llm", "prompts-collm"), _settings("collm"), _collm),
    Stage(
        "scores-collm",
        ("corpus", "prompts-collm", "tuned-llm", "tuned-collm"),
        settings_without_evidence,
        _collm_scores,
    ),
    Stage(
        "prompts-binllm",
        ("data", "corpus"),
        lambda config: {**_HISTORY(config), "codes": config.baselines.binllm.model_dump(mode="json")},
        _binllm_prompts,
        version=2,
    ),
    Stage("tuned-binllm", ("corpus", "tuned-llm", "prompts-binllm"), settings_without_evidence, _binllm),
    Stage("scores-binllm", ("corpus", "prompts-binllm", "tuned-binllm"), settings_without_evidence, _binllm_scores),
)
