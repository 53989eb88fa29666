"""Stages that find evidence: CRM, neighbours, CAR, candidates, assessments, rankings, SARE, contexts."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from sentence_transformers import SentenceTransformer

from scorerec.assess.collect import collect, make_assessor, sample_targets
from scorerec.assess.plan import Request
from scorerec.assess.rank import rank
from scorerec.assess.store import ReplyStore
from scorerec.core.artifacts import MODEL, Draft, read_table
from scorerec.core.tables import (
    ASSESSMENTS,
    BEHAVIOURS,
    CANDIDATES,
    CONTEXTS,
    INTERACTIONS,
    NEIGHBOURS,
    QUERIES,
    RANKINGS,
    SCORES,
    TARGETS,
    vectors_schema,
)
from scorerec.crm.registry import load_crm
from scorerec.crm.train import fit_crm
from scorerec.data.corpus import training_behaviours
from scorerec.experiment.config import ExperimentConfig
from scorerec.experiment.runner import Context, Stage
from scorerec.experiment.stages.judged import JUDGED, in_splits, score_table, with_users
from scorerec.experiment.stages.parts import INDEX, model_folder, prompter, retriever
from scorerec.nn.devices import choose_device
from scorerec.nn.encoders import encode, encoder_fingerprint, load_encoder
from scorerec.pipeline.chain import behaviour_vectors, choose_contexts, encoder_texts, reranker_texts
from scorerec.pipeline.prompting import requests
from scorerec.rerank.sare import train_sare
from scorerec.rerank.score import load_reranker
from scorerec.retrieve.anchors import prefix_neighbours, sample_prefixes
from scorerec.retrieve.candidates import retrieve_candidates
from scorerec.retrieve.car import train_car
from scorerec.retrieve.index import BehaviourIndex
from scorerec.retrieve.neighbours import find_neighbours
from scorerec.retrieve.vectors import read_user_vectors, vector_table

REPLIES = "replies.sqlite"  # below the folder of all runs, since it outlives them


def _crm(context: Context, draft: Draft) -> None:
    config = context.config
    interactions = context.inputs["data"].table(INTERACTIONS)
    model, facts = fit_crm(interactions, config.crm, config.seed, choose_device(config.device), draft.checkpoint)
    model.save(draft.path / MODEL)
    draft.facts.update(facts)


def _crm_scores(context: Context, draft: Draft) -> None:
    model = load_crm(model_folder(context, "crm"))
    corpus = context.inputs["corpus"]
    targets = in_splits(corpus.table(TARGETS), JUDGED)
    _, histories, items = zip(*requests(targets, corpus.table(QUERIES)), strict=True)
    draft.write(SCORES, score_table(targets, context.config.crm.label, model.score(histories, items)))


def _neighbours(context: Context, draft: Draft) -> None:
    """Eq. 3-4 over one final training behaviour per user, whatever corpus is retrieved from."""
    behaviours = training_behaviours(context.inputs["data"].table(INTERACTIONS))
    own = context.config.evidence.user_vectors
    if own is None:
        states = load_crm(model_folder(context, "crm")).encode(behaviours["item_ids"].to_pylist())
    else:
        states = read_user_vectors(own, behaviours["user_id"].to_pylist())
    vectors = vector_table("behaviour_id", behaviours["behaviour_id"].to_pylist(), states)
    draft.write(BEHAVIOURS, behaviours)
    draft.write(vectors_schema("behaviour_id", states.shape[1]), vectors)
    draft.write(NEIGHBOURS, find_neighbours(vectors, behaviours, context.config.evidence.n_neighbours))


def _car(context: Context, draft: Draft) -> None:
    behaviours = context.inputs["neighbours"].table(BEHAVIOURS)
    config = context.config.car
    encoder = load_encoder(config.model, config.max_length)
    texts = encoder_texts(prompter(context), encoder, behaviours, "behaviour_id")
    neighbours = context.inputs["neighbours"].table(NEIGHBOURS)
    if config.n_prefixes:
        prefixes = _prefix_neighbours(context, encoder, behaviours)
        neighbours = pa.concat_tables([neighbours, prefixes], promote_options="default")
    draft.facts.update(train_car(texts, neighbours, config, draft.path / MODEL, context.config.seed))


def _prefix_neighbours(context: Context, encoder: SentenceTransformer, behaviours: pa.Table) -> pa.Table:
    """Return the CRM neighbours of some earlier histories of each training user."""
    corpus, config = context.inputs["corpus"], context.config
    train = in_splits(corpus.table(TARGETS), ("train",))
    queries = corpus.table(QUERIES)
    asked = queries.filter(pc.is_in(queries["query_id"], train["query_id"].combine_chunks()))
    sampled = sample_prefixes(asked, config.car.n_prefixes, config.seed)
    texts = encoder_texts(prompter(context), encoder, sampled, "query_id")
    states = load_crm(model_folder(context, "crm")).encode(sampled["item_ids"].to_pylist())
    vectors = vector_table("query_id", sampled["query_id"].to_pylist(), states)
    known = read_table(context.path("neighbours"), vectors_schema("behaviour_id", states.shape[1]))
    return prefix_neighbours(sampled, texts, vectors, behaviours, known, config.evidence.n_neighbours)


def _candidates(context: Context, draft: Draft) -> None:
    """Encode behaviours and queries with CAR, fill the index, and search it."""
    corpus, writer, encoder = context.inputs["corpus"], prompter(context), retriever(context)
    behaviours, queries = corpus.table(BEHAVIOURS), corpus.table(QUERIES)
    dimension = encoder.get_embedding_dimension()
    with BehaviourIndex.create(draft.path / INDEX, encoder_fingerprint(encoder), dimension) as index:
        index.add(behaviours, behaviour_vectors(writer, encoder, behaviours, "behaviour_id"))
        vectors = behaviour_vectors(writer, encoder, queries, "query_id")
        n_candidates = context.config.evidence.n_candidates
        draft.write(CANDIDATES, retrieve_candidates(queries, vectors, index, n_candidates))


def assessment_requests(context: Context) -> Sequence[Request]:
    """Return P^r of each training target that is to be assessed."""
    config, corpus = context.config, context.inputs["corpus"]
    sampled = sample_targets(corpus.table(TARGETS), config.assess.n_targets, config.seed)
    return prompter(context).self_assessing(sampled, corpus.table(QUERIES))


def _assessments(context: Context, draft: Draft) -> None:
    config, writer = context.config.assess, prompter(context)
    assessor = make_assessor(config, writer.describer, writer.words)
    with ReplyStore(context.root / REPLIES) as store:
        assessments, facts = collect(assessment_requests(context), assessor, store, config)
    draft.write(ASSESSMENTS, assessments)
    draft.facts.update(facts)


def _rankings(context: Context, draft: Draft) -> None:
    """Eq. 8-9 with the fixed text embedder."""
    corpus = context.inputs["corpus"]
    embedder = load_encoder(context.config.evidence.text_embedder, device=str(choose_device(context.config.device)))
    texts = encoder_texts(prompter(context), embedder, corpus.table(BEHAVIOURS), "behaviour_id")
    assessments = context.inputs["assessments"].table(ASSESSMENTS)
    candidates = context.inputs["candidates"].table(CANDIDATES)
    ranking = rank(assessments, corpus.table(TARGETS), candidates, texts, lambda batch: encode(embedder, batch))
    draft.write(RANKINGS, ranking)


def _sare(context: Context, draft: Draft) -> None:
    config, corpus, writer = context.config, context.inputs["corpus"], prompter(context)
    rankings = context.inputs["rankings"].table(RANKINGS)
    assessed = set(rankings["target_id"].to_pylist())
    targets = corpus.table(TARGETS)
    sampled = targets.filter([name in assessed for name in targets["target_id"].to_pylist()])
    queries = corpus.table(QUERIES)
    users = with_users(sampled, queries)["user_id"]
    prompts = writer.basic(sampled, queries).append_column("user_id", users)
    untuned = load_reranker(config.sare.model, config.sare)
    texts = reranker_texts(writer, untuned, corpus.table(BEHAVIOURS))
    facts = train_sare(prompts, texts, rankings, config.sare, draft.path / MODEL, config.seed)
    draft.facts.update(facts)


def _contexts(context: Context, draft: Draft) -> None:
    corpus = context.inputs["corpus"]
    reranker = load_reranker(model_folder(context, "sare"), context.config.sare)
    asked = corpus.table(TARGETS), corpus.table(QUERIES)
    candidates = context.inputs["candidates"].table(CANDIDATES)
    count = context.config.evidence.n_context_users
    draft.write(
        CONTEXTS,
        choose_contexts(prompter(context), reranker, asked, candidates, corpus.table(BEHAVIOURS), count),
    )


def _neighbours_settings(config: ExperimentConfig) -> dict[str, Any]:
    own = config.evidence.user_vectors
    settings: dict[str, Any] = {"n": config.evidence.n_neighbours}
    if own is not None:  # their content decides, wherever they lie
        settings["user_vectors"] = hashlib.sha256(own.read_bytes()).hexdigest() if own.is_file() else str(own)
    return settings


def _texts(config: ExperimentConfig) -> dict[str, Any]:
    """The settings that decide what an encoder reads of a behaviour."""
    return config.prompt.model_dump(mode="json", include={"domain", "describe", "behaviour_titles"})


def _asked(config: ExperimentConfig) -> dict[str, Any]:
    """The settings that decide P^r and P^b."""
    return config.prompt.model_dump(mode="json", include={"domain", "describe", "history_titles"})


def _base_candidates(context: Context, draft: Draft) -> None:
    """Retrieve with the encoder that CAR starts from."""
    config, corpus, writer = context.config, context.inputs["corpus"], prompter(context)
    encoder = load_encoder(config.car.model, config.car.max_length, str(choose_device(config.device)))
    behaviours, queries = corpus.table(BEHAVIOURS), corpus.table(QUERIES)
    vectors = [
        behaviour_vectors(writer, encoder, table, key)
        for table, key in ((behaviours, "behaviour_id"), (queries, "query_id"))
    ]
    dimension = encoder.get_embedding_dimension()
    search_index(context, draft, (encoder_fingerprint(encoder), dimension), vectors)


def search_index(context: Context, draft: Draft, encoder: tuple[str, int], vectors: list[pa.Table]) -> None:
    """Fill an index with the vectors of behaviours, and search it with those of queries."""
    corpus = context.inputs["corpus"]
    with BehaviourIndex.create(draft.path / INDEX, *encoder) as index:
        index.add(corpus.table(BEHAVIOURS), vectors[0])
        found = retrieve_candidates(corpus.table(QUERIES), vectors[1], index, context.config.evidence.n_candidates)
    draft.write(CANDIDATES, found)


STAGES = (
    Stage("crm", ("data",), lambda config: config.crm.model_dump(mode="json"), _crm),
    Stage("crm-scores", ("corpus", "crm"), lambda _: {}, _crm_scores),
    Stage("neighbours", ("data", "crm"), _neighbours_settings, _neighbours),
    Stage(
        "car",
        ("data", "corpus", "crm", "neighbours"),
        lambda config: {"car": config.car.model_dump(mode="json"), "texts": _texts(config)},
        _car,
    ),
    Stage(
        "candidates",
        ("data", "corpus", "car"),
        lambda config: {"n": config.evidence.n_candidates, "texts": _texts(config)},
        _candidates,
    ),
    Stage(
        "candidates-base",
        ("data", "corpus"),
        lambda config: {
            "n": config.evidence.n_candidates,
            "encoder": [config.car.model, config.car.max_length],
            "texts": _texts(config),
        },
        _base_candidates,
        seeded=False,
    ),
    Stage(
        "assessments",
        ("data", "corpus"),
        lambda config: {"assess": config.assess.decisive, "asked": _asked(config)},
        _assessments,
    ),
    Stage(
        "rankings",
        ("data", "corpus", "candidates", "assessments"),
        lambda config: {"embedder": config.evidence.text_embedder, "texts": _texts(config)},
        _rankings,
    ),
    Stage(
        "sare",
        ("data", "corpus", "rankings"),
        lambda config: {
            "sare": config.sare.model_dump(mode="json"),
            "asked": _asked(config),
            "texts": _texts(config),
        },
        _sare,
    ),
    Stage(
        "contexts",
        ("data", "corpus", "candidates", "sare"),
        lambda config: {
            "n": config.evidence.n_context_users,
            "asked": _asked(config),
            "texts": _texts(config),
        },
        _contexts,
    ),
)
