"""Ablations and controls: SCORE with its evidence chosen in other ways, everything behind the prompt being the same.

score-base: the retriever before it was tuned; score-cf: the CRM's own nearest users; score-rerank: CAR without SARE.
random, shuffled, empty: evidence of strangers, of another row, and of as many titles that say nothing. oracle: the
candidates that agree with the label, a bound.
"""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from scorerec.core.artifacts import Draft
from scorerec.core.tables import BEHAVIOURS, CANDIDATES, CONTEXTS, PROMPTS, QUERIES, TARGETS
from scorerec.crm.registry import load_crm
from scorerec.experiment.config import ExperimentConfig
from scorerec.experiment.runner import Context, Stage
from scorerec.experiment.stages.evidence import search_index
from scorerec.experiment.stages.language_model import method_stages, prompt_settings, write_augmented
from scorerec.experiment.stages.parts import model_folder
from scorerec.pipeline import producers
from scorerec.pipeline.finding import TasteFinder
from scorerec.retrieve.similarity import Similarity


def _crm_candidates(context: Context, draft: Draft) -> None:
    """Retrieve by the inner product of Eq. 4 between the query's own prefix and the behaviours."""
    search_index(context, draft, taste_finder(context))


def taste_finder(context: Context) -> TasteFinder:
    """Return what finds users by the CRM alone."""
    activity = context.config.finding.activity
    model, similarity = load_crm(model_folder(context, "crm")), Similarity.load(context.path("neighbours"))
    return TasteFinder(model, similarity, context.inputs["neighbours"].fingerprint, activity)


def _first_of(candidates: str) -> Callable[[Context, Draft], None]:
    """Return a stage that takes the K_s best of the candidates of another stage as they are."""

    def run(context: Context, draft: Draft) -> None:
        targets = context.inputs["corpus"].table(TARGETS)
        found = context.inputs[candidates].table(CANDIDATES)
        count = context.config.evidence.n_context_users
        draft.write(CONTEXTS, producers.first_candidates(targets, found, count))

    return run


def _random(context: Context, draft: Draft) -> None:
    targets, queries, behaviours = _corpus(context)
    count, seed = context.config.evidence.n_context_users, context.config.seed
    draft.write(CONTEXTS, producers.random_contexts(targets, queries, behaviours, count, seed))


def _shuffled(context: Context, draft: Draft) -> None:
    targets, queries, behaviours = _corpus(context)
    contexts = context.inputs["contexts"].table(CONTEXTS)
    draft.write(CONTEXTS, producers.shuffled_contexts(targets, queries, behaviours, contexts, context.config.seed))


def _oracle(context: Context, draft: Draft) -> None:
    targets, _, behaviours = _corpus(context)
    candidates = context.inputs["candidates"].table(CANDIDATES)
    count = context.config.evidence.n_context_users
    draft.write(CONTEXTS, producers.oracle_contexts(targets, candidates, behaviours, count))


def _empty_prompts(context: Context, draft: Draft) -> None:
    prompts = context.inputs["prompts-score"].table(PROMPTS)
    draft.write(PROMPTS, producers.without_content(prompts, context.config.prompt.words.singular))


def _corpus(context: Context) -> tuple[pa.Table, pa.Table, pa.Table]:
    corpus = context.inputs["corpus"]
    return corpus.table(TARGETS), corpus.table(QUERIES), corpus.table(BEHAVIOURS)


def _n_context_users(config: ExperimentConfig) -> dict[str, int]:
    return {"n": config.evidence.n_context_users}


def _variant(
    key: str, name: str, reads: tuple[str, ...], choose: Callable[[Context, Draft], None], seeded: bool = False
) -> tuple[Stage, ...]:
    """Return the stages of SCORE with its contexts chosen by ``choose``."""
    contexts = f"contexts-{key}"
    prompts = Stage(
        f"prompts-{key}",
        ("data", "corpus", contexts),
        prompt_settings("history_titles", "evidence_titles", "evidence_window"),
        lambda context, draft: write_augmented(context, draft, contexts),
        seeded=False,
    )
    return (
        # Version 2: random users are drawn among those that the row's snapshot knows.
        Stage(contexts, ("corpus", *reads), _n_context_users, choose, seeded=seeded, version=2 if seeded else 1),
        *method_stages(key, name, prompts),
    )


STAGES = (
    Stage(
        "candidates-cf",
        ("corpus", "crm", "neighbours"),
        lambda config: {"n": config.evidence.n_candidates, "activity": config.finding.activity},
        _crm_candidates,
    ),
    *_variant("base", "SCORE-base", ("candidates-base",), _first_of("candidates-base")),
    *_variant("cf", "SCORE-cf", ("candidates-cf",), _first_of("candidates-cf")),
    *_variant("rerank", "SCORE-rerank", ("candidates",), _first_of("candidates")),
    *_variant("random", "random users", (), _random, seeded=True),
    *_variant("shuffled", "shuffled evidence", ("contexts",), _shuffled, seeded=True),
    *_variant("oracle", "oracle (knows the label)", ("candidates",), _oracle),
    *method_stages(
        "empty",
        "evidence without content",
        Stage(
            "prompts-empty",
            ("prompts-score",),
            lambda config: {"word": config.prompt.words.singular},
            _empty_prompts,
            seeded=False,
        ),
    ),
)
