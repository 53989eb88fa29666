"""SCORE as it was trained, with other numbers of users retrieved and shown when it recommends (Fig. 4)."""

from __future__ import annotations

from functools import partial
from typing import Any

from scorerec.core.artifacts import Draft
from scorerec.core.tables import PROMPTS, QUERIES, TARGETS
from scorerec.experiment.config import ExperimentConfig
from scorerec.experiment.methods import ALL_METHODS
from scorerec.experiment.runner import Context, Stage
from scorerec.experiment.stages.judged import JUDGED, in_splits
from scorerec.experiment.stages.language_model import prompt_settings, write_scores
from scorerec.experiment.stages.parts import INDEX, finder, model_folder
from scorerec.pipeline.chain import Chain
from scorerec.rerank.score import load_reranker
from scorerec.retrieve.index import BehaviourIndex


def _numbers(config: ExperimentConfig) -> dict[str, int]:
    """K_e and K_s when recommending."""
    asked, trained = config.recommending, config.evidence
    return {
        "n_candidates": trained.n_candidates if asked.n_candidates is None else asked.n_candidates,
        "n_context_users": trained.n_context_users if asked.n_context_users is None else asked.n_context_users,
    }


def _prompts(context: Context, draft: Draft) -> None:
    corpus = context.inputs["corpus"]
    targets = in_splits(corpus.table(TARGETS), JUDGED)
    asked = set(targets["query_id"].to_pylist())
    queries = corpus.table(QUERIES)
    queries = queries.filter([query in asked for query in queries["query_id"].to_pylist()])
    reranker = load_reranker(model_folder(context, "sare"), context.config.sare, context.config.device)
    with BehaviourIndex.open(context.path("candidates") / INDEX) as index:
        chain = Chain(finder(context.config, context.inputs), index, reranker, **_numbers(context.config))
        draft.write(PROMPTS, chain.evidence(targets, queries).prompts)


def _settings(config: ExperimentConfig) -> dict[str, Any]:
    return {
        **prompt_settings("history_titles", "evidence_titles", "evidence_window", "behaviour_titles")(config),
        **_numbers(config),
    }


STAGES = (
    Stage(
        "prompts-score-at",
        ("data", "corpus", "crm", "neighbours", "car", "candidates", "sare"),
        _settings,
        _prompts,
        seeded=False,
    ),
    Stage(
        "scores-score-at",
        ("corpus", "backbone", "prompts-score-at", "tuned-score"),
        lambda _: {},
        partial(write_scores, "tuned-score", "prompts-score-at", ALL_METHODS["score-at"].name),
    ),
)
