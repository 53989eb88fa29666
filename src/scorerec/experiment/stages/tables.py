"""Stages that read the source: interactions, the corpus, and the reference predictors."""

from __future__ import annotations

import hashlib
from typing import Any

import pyarrow as pa

from scorerec.core.artifacts import Draft
from scorerec.core.tables import BEHAVIOURS, INTERACTIONS, ITEMS, QUERIES, SCORES, TARGETS
from scorerec.crm.references import fit_references
from scorerec.crm.simple import fit_simple
from scorerec.data.corpus import build_corpus
from scorerec.data.prepare import prepare
from scorerec.experiment.config import ExperimentConfig
from scorerec.experiment.runner import Context, Stage
from scorerec.experiment.stages.judged import JUDGED, in_splits, score_table, with_users
from scorerec.nn.devices import choose_device
from scorerec.nn.encoders import encode, load_encoder


def _data(context: Context, draft: Draft) -> None:
    prepared = prepare(context.config.data)
    draft.write(INTERACTIONS, prepared.interactions)
    draft.write(ITEMS, prepared.items)
    draft.facts.update(prepared.notes)


def _data_settings(config: ExperimentConfig) -> dict[str, Any]:
    """The rules, and what is in the files: the same files in another folder give the same artifact."""
    settings = config.data.model_dump(mode="json", exclude={"path"})
    checksums = {}
    for path in config.data.files():
        with path.open("rb") as file:
            checksums[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return {**settings, "files": checksums}


def _corpus(context: Context, draft: Draft) -> None:
    corpus = build_corpus(context.inputs["data"].table(INTERACTIONS), context.config.corpus)
    draft.write(BEHAVIOURS, corpus.behaviours)
    draft.write(QUERIES, corpus.queries)
    draft.write(TARGETS, corpus.targets)


def _references(context: Context, draft: Draft) -> None:
    corpus = context.inputs["corpus"]
    judged = with_users(in_splits(corpus.table(TARGETS), JUDGED), corpus.table(QUERIES))
    predictors, facts = fit_references(context.inputs["data"].table(INTERACTIONS))
    users, items = judged["user_id"].to_pylist(), judged["item_id"].to_pylist()
    parts = [score_table(judged, name, predictor.predict(users, items)) for name, predictor in predictors.items()]
    draft.write(SCORES, pa.concat_tables(parts))
    draft.facts.update(facts)


def _simple(context: Context, draft: Draft) -> None:
    """Score the judged rows with the four predictors that need no network of their own."""
    interactions, items = context.inputs["data"].table(INTERACTIONS), context.inputs["data"].table(ITEMS)
    embedder = load_encoder(context.config.evidence.text_embedder, device=str(choose_device(context.config.device)))
    vectors = encode(embedder, items["title"].to_pylist())
    titles = dict(zip(items["item_id"].to_pylist(), vectors, strict=True))
    found = fit_simple(interactions, titles, context.config.seed)
    judged = in_splits(context.inputs["corpus"].table(TARGETS), JUDGED)
    ordered = interactions.sort_by("row_id")
    parts = []
    for name, by_split in found.items():
        scores: dict[int, float] = {}
        for split, simple in by_split.items():
            rows = in_splits(ordered, (split,))["row_id"].to_pylist()
            scores |= dict(zip(rows, simple.p_yes.tolist(), strict=True))
        parts.append(score_table(judged, name, [scores[row] for row in judged["row_id"].to_pylist()]))
        draft.facts[name] = by_split["valid"].facts
    draft.write(SCORES, pa.concat_tables(parts))


STAGES = (
    Stage("data", (), _data_settings, _data, seeded=False),
    Stage("corpus", ("data",), lambda config: config.corpus.model_dump(mode="json"), _corpus, seeded=False),
    Stage("references", ("data", "corpus"), lambda _: {}, _references, seeded=False),
    Stage("simple", ("data", "corpus"), lambda config: {"titles": config.evidence.text_embedder}, _simple),
)
