"""Stages that read the source: interactions, the corpus, and the reference predictors."""

from __future__ import annotations

from scorerec.core.artifacts import Draft
from scorerec.core.tables import BEHAVIOURS, INTERACTIONS, ITEMS, QUERIES, SCORES, TARGETS
from scorerec.crm.references import fit_references
from scorerec.data.corpus import build_corpus
from scorerec.data.prepare import input_checksums, prepare
from scorerec.experiment.runner import Context, Stage
from scorerec.experiment.stages.judged import judged_targets, score_table


def _data(context: Context, draft: Draft) -> None:
    prepared = prepare(context.config.data)
    draft.write(INTERACTIONS, prepared.interactions)
    draft.write(ITEMS, prepared.items)
    draft.facts.update(prepared.notes)


def _corpus(context: Context, draft: Draft) -> None:
    corpus = build_corpus(context.inputs["data"].table(INTERACTIONS), context.config.corpus)
    draft.write(BEHAVIOURS, corpus.behaviours)
    draft.write(QUERIES, corpus.queries)
    draft.write(TARGETS, corpus.targets)
    draft.facts["behaviours"] = corpus.behaviours.num_rows
    draft.facts["queries"] = corpus.queries.num_rows


def _references(context: Context, draft: Draft) -> None:
    interactions = context.inputs["data"].table(INTERACTIONS)
    judged = judged_targets(context.inputs["corpus"].table(TARGETS), context.inputs["corpus"].table(QUERIES))
    predictors, facts = fit_references(interactions)
    parts = [
        score_table(judged, name, predictor.predict(judged["user_id"].to_pylist(), judged["item_id"].to_pylist()))
        for name, predictor in predictors.items()
    ]
    draft.write(SCORES, parts)
    draft.facts.update(facts)


STAGES = [
    Stage("data", (), lambda config: {**config.data.model_dump(mode="json"), "files": input_checksums(config.data)},
          _data, seeded=False),
    Stage("corpus", ("data",), lambda config: config.corpus.model_dump(mode="json"), _corpus, seeded=False),
    Stage("references", ("data", "corpus"), lambda _: {}, _references, seeded=False),
]
