"""Stages that find evidence: CAR, candidates, assessments, rankings, SARE, contexts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sentence_transformers import SentenceTransformer

from scorerec.assess.assessor import Reply
from scorerec.assess.collect import collect, make_assessor, sample_targets
from scorerec.assess.local import LocalModel, Write
from scorerec.assess.plan import AssessmentRequest
from scorerec.assess.rank import rank, rank_by_gain, rank_by_titles
from scorerec.core.artifacts import MODEL, Draft, read_table
from scorerec.core.columns import BEHAVIOUR_ID, ITEM_IDS, QUERY_ID, RELEVANCE, TARGET_ID, USER_ID, VECTOR
from scorerec.core.tables import (
    ASSESSMENTS,
    BEHAVIOURS,
    CANDIDATES,
    CONTEXTS,
    NEIGHBOURS,
    RANKINGS,
    vectors_schema,
)
from scorerec.crm.groups import TasteGroups
from scorerec.experiment.run import INDEX, Run
from scorerec.experiment.stages.judged import with_users
from scorerec.experiment.stages.recommender import teaching
from scorerec.experiment.stand_ins import local_assessor_name
from scorerec.llm.backbone import load_backbone, weights_facts
from scorerec.llm.generate import Writer
from scorerec.nn.encoders import encode, load_encoder
from scorerec.pipeline.chain import AskedRows, choose_contexts, reranker_texts
from scorerec.pipeline.finding import encoder_texts
from scorerec.pipeline.gain import Gains
from scorerec.pipeline.prompting import item_lists
from scorerec.rerank.models import load_reranker
from scorerec.rerank.sare import train_sare
from scorerec.retrieve.anchors import prefix_neighbours, sample_prefixes
from scorerec.retrieve.candidates import retrieve_candidates
from scorerec.retrieve.car import train_car
from scorerec.retrieve.index import BehaviourIndex
from scorerec.retrieve.vectors import vector_table
from scorerec.text.consensus import asking


def car(run: Run, draft: Draft) -> None:
    """Tune CAR on the neighbours of Eq. 4 (Eq. 5-6)."""
    behaviours = run.table("neighbours", BEHAVIOURS)
    config = run.config.car
    encoder = load_encoder(config.model, config.max_length)
    texts = encoder_texts(run.prompter, encoder, behaviours, BEHAVIOUR_ID)
    neighbours = run.table("neighbours", NEIGHBOURS)
    if config.n_prefixes:
        prefixes = _prefix_neighbours(run, encoder, behaviours)
        neighbours = pa.concat_tables([neighbours, prefixes], promote_options="default")
    draft.facts.update(train_car(texts, neighbours, config, draft.path / MODEL, run.config.seed, run.device))


def _prefix_neighbours(run: Run, encoder: SentenceTransformer, behaviours: pa.Table) -> pa.Table:
    """Return the CRM neighbours of some earlier histories of each training user."""
    config = run.config
    train = run.targets("train")
    queries = run.queries
    asked = queries.filter(pc.is_in(queries[QUERY_ID], train[QUERY_ID].combine_chunks()))
    sampled = sample_prefixes(asked, config.car.n_prefixes, config.seed)
    texts = encoder_texts(run.prompter, encoder, sampled, QUERY_ID)
    raw = run.crm().encode(sampled[ITEM_IDS].to_pylist())
    prepared = run.similarity().prepare(raw)
    states = teaching(run, prepared, sampled[ITEM_IDS].to_pylist(), behaviours)
    vectors = vector_table(QUERY_ID, sampled[QUERY_ID].to_pylist(), states)
    known = read_table(run.artifact("neighbours").path, vectors_schema(BEHAVIOUR_ID, states.shape[1]))
    return prefix_neighbours(sampled, texts, vectors, behaviours, known, config.evidence.n_neighbours)


def candidates(run: Run, draft: Draft) -> None:
    """Step 1 of Section 3.4: find the K_e users most similar to each query."""
    search_index(run, draft, run.finder())


def assessment_requests(run: Run) -> Sequence[AssessmentRequest]:
    """Return P^r of each training target that is to be assessed."""
    config = run.config
    sampled = sample_targets(run.all_targets, config.assess.n_targets, config.seed)
    return run.prompter.self_assessing(sampled, run.queries)


def assessments(run: Run, draft: Draft) -> None:
    """Ask what evidence would help (Eq. 7)."""
    _ask(run, draft, assessment_requests(run))


def consensus(run: Run, draft: Draft) -> None:
    """Ask, of each group of training users, what they like."""
    config, writer = run.config.consensus, run.prompter
    groups = TasteGroups(run.interactions, config.n_groups)
    liked = {name: groups.liked(name, config.n_titles) for name in groups.names}
    _ask(run, draft, [(name, asking(ids, writer.describer, writer.words)) for name, ids in liked.items() if ids])


def _ask(run: Run, draft: Draft, requests: Sequence[AssessmentRequest]) -> None:
    config, writer = run.config.assess, run.prompter
    name = config.local.model
    local = LocalModel(local_assessor_name(name), lambda: weights_facts(name), lambda: _local_writer(run))
    assessor = make_assessor(config, writer.describer, writer.words, local)
    with run.replies() as store:
        replies, facts = collect(requests, assessor, store, config)
    draft.write(ASSESSMENTS, replies)
    draft.facts.update(facts)


def _local_writer(run: Run) -> Write:
    """Load the LLM in this process that writes assessments."""
    local = run.config.assess.local
    writer = Writer(load_backbone(local.model, device=run.device), local.max_new_tokens)
    return lambda prompts: [Reply(*written) for written in writer.write(prompts)]


def rankings(run: Run, draft: Draft) -> None:
    """Eq. 8-9 with the fixed text embedder, or the other teacher's order."""
    embedder = load_encoder(run.config.evidence.text_embedder, device=run.device)
    assessments = run.table("assessments", ASSESSMENTS)
    candidates = run.table("candidates", CANDIDATES)
    if run.config.sare.teacher == "titles":
        described = encode(embedder, [run.prompter.describer.item(item) for item in run.item_ids])
        vectors = dict(zip(run.item_ids, described, strict=True))
        lists = item_lists(run.behaviours)
        draft.write(RANKINGS, rank_by_titles(assessments, run.all_targets, candidates, lists, vectors))
        return
    texts = encoder_texts(run.prompter, embedder, run.behaviours, BEHAVIOUR_ID)
    ranking = rank(assessments, run.all_targets, candidates, texts, lambda batch: encode(embedder, batch))
    draft.write(RANKINGS, ranking)


def rankings_by_gain(run: Run, draft: Draft, tuned: str) -> None:
    """Order candidates by what each alone does for the label of a training row, to an LM that reads titles.

    Args:
        run: what was made so far.
        draft: of this stage.
        tuned: the stage that tuned the LM.
    """
    config = run.config
    asked = sample_targets(run.all_targets, config.sare.gain_targets, config.seed)
    gains = Gains(run.prompter, (run.all_targets, run.queries), run.behaviours, run.lm(tuned).score)
    found = rank_by_gain(asked, run.all_targets, run.table("candidates", CANDIDATES), gains.of)
    relevance = found[RELEVANCE].to_numpy()
    if len(relevance):
        draft.facts.update(share_that_helps=float(np.mean(relevance > 0)), mean_gain=float(np.mean(relevance)))
    draft.write(RANKINGS, found)


def sare(run: Run, draft: Draft) -> None:
    """Tune SARE on the rankings (Eq. 10-12)."""
    config, writer = run.config, run.prompter
    rankings = run.table("rankings", RANKINGS)
    assessed = set(rankings[TARGET_ID].to_pylist())
    targets = run.all_targets
    sampled = targets.filter([name in assessed for name in targets[TARGET_ID].to_pylist()])
    queries = run.queries
    users = with_users(sampled, queries)[USER_ID]
    prompts = writer.basic(sampled, queries).append_column(USER_ID, users)
    untuned = load_reranker(config.sare.model, config.sare, run.device)
    texts = reranker_texts(writer, untuned, run.behaviours)
    facts = train_sare(prompts, texts, rankings, untuned, draft.path / MODEL, config.seed)
    draft.facts.update(facts)


def contexts(run: Run, draft: Draft) -> None:
    """Choose the K_s most useful candidates of each target."""
    reranker = run.reranker()
    asked = AskedRows(run.all_targets, run.queries)
    candidates = run.table("candidates", CANDIDATES)
    count = run.config.evidence.n_context_users
    draft.write(
        CONTEXTS,
        choose_contexts(run.prompter, reranker, asked, candidates, run.behaviours, count),
    )


def base_candidates(run: Run, draft: Draft) -> None:
    """Retrieve with the encoder that CAR starts from."""
    search_index(run, draft, run.untuned_finder())


class Vectors(Protocol):
    """What finds users: see ``pipeline.finding.Finder``."""

    @property
    def fingerprint(self) -> str:
        """Differs where vectors must not be mixed."""

    def behaviours(self, table: pa.Table) -> pa.Table:
        """Return the vectors of BEHAVIOURS."""

    def queries(self, table: pa.Table) -> pa.Table:
        """Return the vectors of QUERIES."""


def taste_candidates(run: Run, draft: Draft) -> None:
    """Retrieve by the inner product of Eq. 4 between the query's own prefix and the behaviours."""
    search_index(run, draft, run.taste_finder())


def search_index(run: Run, draft: Draft, found_by: Vectors) -> None:
    """Fill an index with the vectors of behaviours, and search it with those of queries.

    Args:
        run: what was made so far.
        draft: of this stage.
        found_by: turns behaviours and queries into vectors.
    """
    behaviours, queries = run.behaviours, run.queries
    vectors = found_by.behaviours(behaviours)
    with BehaviourIndex.create(draft.path / INDEX, found_by.fingerprint, vectors[VECTOR].type.list_size) as index:
        index.add(behaviours, vectors)
        found = retrieve_candidates(queries, found_by.queries(queries), index, run.config.evidence.n_candidates)
    draft.write(CANDIDATES, found)
