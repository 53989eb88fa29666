"""Stages that find evidence: CAR, candidates, assessments, rankings, SARE, contexts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc
from sentence_transformers import SentenceTransformer

from scorerec.assess.collect import collect, make_assessor, sample_targets
from scorerec.assess.plan import Request
from scorerec.assess.rank import rank, rank_by_titles
from scorerec.assess.store import ReplyStore
from scorerec.core.artifacts import MODEL, Draft, read_table
from scorerec.core.tables import (
    ASSESSMENTS,
    BEHAVIOURS,
    CANDIDATES,
    CONTEXTS,
    ITEMS,
    NEIGHBOURS,
    QUERIES,
    RANKINGS,
    TARGETS,
    vectors_schema,
)
from scorerec.crm.registry import load_crm
from scorerec.experiment.config import ExperimentConfig
from scorerec.experiment.runner import Context, Stage
from scorerec.experiment.stages.judged import in_splits, with_users
from scorerec.experiment.stages.parts import INDEX, finder, model_folder, prompter
from scorerec.experiment.stages.recommender import teaching
from scorerec.nn.devices import choose_device
from scorerec.nn.encoders import encode, load_encoder
from scorerec.pipeline.chain import choose_contexts, item_lists, reranker_texts
from scorerec.pipeline.finding import Finder, encoder_texts
from scorerec.rerank.sare import train_sare
from scorerec.rerank.score import load_reranker
from scorerec.retrieve.anchors import prefix_neighbours, sample_prefixes
from scorerec.retrieve.candidates import retrieve_candidates
from scorerec.retrieve.car import train_car
from scorerec.retrieve.index import BehaviourIndex
from scorerec.retrieve.similarity import Similarity
from scorerec.retrieve.vectors import vector_table

REPLIES = "replies.sqlite"  # below the folder of all runs, since it outlives them


def _car(context: Context, draft: Draft) -> None:
    behaviours = context.inputs["neighbours"].table(BEHAVIOURS)
    config = context.config.car
    encoder = load_encoder(config.model, config.max_length)
    texts = encoder_texts(prompter(context), encoder, behaviours, "behaviour_id")
    neighbours = context.inputs["neighbours"].table(NEIGHBOURS)
    if config.n_prefixes:
        prefixes = _prefix_neighbours(context, encoder, behaviours)
        neighbours = pa.concat_tables([neighbours, prefixes], promote_options="default")
    seed, device = context.config.seed, context.config.device
    draft.facts.update(train_car(texts, neighbours, config, draft.path / MODEL, seed, device))


def _prefix_neighbours(context: Context, encoder: SentenceTransformer, behaviours: pa.Table) -> pa.Table:
    """Return the CRM neighbours of some earlier histories of each training user."""
    corpus, config = context.inputs["corpus"], context.config
    train = in_splits(corpus.table(TARGETS), ("train",))
    queries = corpus.table(QUERIES)
    asked = queries.filter(pc.is_in(queries["query_id"], train["query_id"].combine_chunks()))
    sampled = sample_prefixes(asked, config.car.n_prefixes, config.seed)
    texts = encoder_texts(prompter(context), encoder, sampled, "query_id")
    raw = load_crm(model_folder(context, "crm")).encode(sampled["item_ids"].to_pylist())
    prepared = Similarity.load(context.path("neighbours")).prepare(raw)
    states = teaching(context, prepared, sampled["item_ids"].to_pylist(), behaviours)
    vectors = vector_table("query_id", sampled["query_id"].to_pylist(), states)
    known = read_table(context.path("neighbours"), vectors_schema("behaviour_id", states.shape[1]))
    return prefix_neighbours(sampled, texts, vectors, behaviours, known, config.evidence.n_neighbours)


def _candidates(context: Context, draft: Draft) -> None:
    """Step 1 of Section 3.4: find the K_e users most similar to each query."""
    search_index(context, draft, finder(context.config, context.inputs))


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
    """Eq. 8-9 with the fixed text embedder, or the other teacher's order."""
    corpus = context.inputs["corpus"]
    embedder = load_encoder(context.config.evidence.text_embedder, device=str(choose_device(context.config.device)))
    assessments = context.inputs["assessments"].table(ASSESSMENTS)
    candidates = context.inputs["candidates"].table(CANDIDATES)
    if context.config.sare.teacher == "titles":
        items = context.inputs["data"].table(ITEMS)["item_id"].to_pylist()
        described = encode(embedder, [prompter(context).describer.item(item) for item in items])
        vectors = dict(zip(items, described, strict=True))
        lists = item_lists(corpus.table(BEHAVIOURS))
        draft.write(RANKINGS, rank_by_titles(assessments, corpus.table(TARGETS), candidates, lists, vectors))
        return
    texts = encoder_texts(prompter(context), embedder, corpus.table(BEHAVIOURS), "behaviour_id")
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
    untuned = load_reranker(config.sare.model, config.sare, config.device)
    texts = reranker_texts(writer, untuned, corpus.table(BEHAVIOURS))
    facts = train_sare(prompts, texts, rankings, untuned, draft.path / MODEL, config.seed)
    draft.facts.update(facts)


def _contexts(context: Context, draft: Draft) -> None:
    corpus = context.inputs["corpus"]
    reranker = load_reranker(model_folder(context, "sare"), context.config.sare, context.config.device)
    asked = corpus.table(TARGETS), corpus.table(QUERIES)
    candidates = context.inputs["candidates"].table(CANDIDATES)
    count = context.config.evidence.n_context_users
    draft.write(
        CONTEXTS,
        choose_contexts(prompter(context), reranker, asked, candidates, corpus.table(BEHAVIOURS), count),
    )


def _texts(config: ExperimentConfig) -> dict[str, Any]:
    """The settings that decide what an encoder reads of a behaviour."""
    return config.prompt.model_dump(mode="json", include={"domain", "describe", "behaviour_titles"})


def _asked(config: ExperimentConfig) -> dict[str, Any]:
    """The settings that decide P^r and P^b."""
    return config.prompt.model_dump(mode="json", include={"domain", "describe", "history_titles"})


def _base_candidates(context: Context, draft: Draft) -> None:
    """Retrieve with the encoder that CAR starts from."""
    search_index(context, draft, untuned_finder(context))


def untuned_finder(context: Context) -> Finder:
    """Return the encoder that CAR starts from."""
    car = context.config.car
    encoder = load_encoder(car.model, car.max_length, str(choose_device(context.config.device)))
    return Finder(prompter(context), encoder)


class Vectors(Protocol):
    """What finds users: see ``pipeline.finding.Finder``."""

    @property
    def fingerprint(self) -> str:
        """Differs where vectors must not be mixed."""

    def behaviours(self, table: pa.Table) -> pa.Table:
        """Return the vectors of BEHAVIOURS."""

    def queries(self, table: pa.Table) -> pa.Table:
        """Return the vectors of QUERIES."""


def search_index(context: Context, draft: Draft, found_by: Vectors) -> None:
    """Fill an index with the vectors of behaviours, and search it with those of queries."""
    behaviours, queries = context.inputs["corpus"].table(BEHAVIOURS), context.inputs["corpus"].table(QUERIES)
    vectors = found_by.behaviours(behaviours)
    with BehaviourIndex.create(draft.path / INDEX, found_by.fingerprint, vectors["vector"].type.list_size) as index:
        index.add(behaviours, vectors)
        found = retrieve_candidates(queries, found_by.queries(queries), index, context.config.evidence.n_candidates)
    draft.write(CANDIDATES, found)


STAGES = (
    Stage(
        "car",
        ("data", "corpus", "crm", "crm-beside", "neighbours"),
        lambda config: {"car": config.car.model_dump(mode="json"), "texts": _texts(config)},
        _car,
    ),
    Stage(
        "candidates",
        ("data", "corpus", "crm", "neighbours", "car"),
        lambda config: {
            "n": config.evidence.n_candidates,
            "texts": _texts(config),
            "finding": config.finding.model_dump(mode="json"),
        },
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
        lambda config: {
            "embedder": config.evidence.text_embedder,
            "texts": _texts(config),
            "teacher": config.sare.teacher,
        },
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
