"""Work of the stages that read the source: interactions, the corpus, and the predictors that need no network."""

from __future__ import annotations

import pyarrow as pa

from scorerec.core.artifacts import Draft
from scorerec.core.columns import ITEM_ID, ROW_ID, SPLIT, TITLE, USER_ID
from scorerec.core.tables import BEHAVIOURS, INTERACTIONS, ITEMS, QUERIES, SCORES, TARGETS
from scorerec.crm.references import fit_references
from scorerec.crm.simple import fit_simple
from scorerec.data.corpus import build_corpus
from scorerec.data.prepare import prepare
from scorerec.experiment.run import Run
from scorerec.experiment.stages.judged import JUDGED, score_table, with_users
from scorerec.nn.encoders import encode, load_encoder


def data(run: Run, draft: Draft) -> None:
    """Read the source, label, select and split."""
    prepared = prepare(run.config.data)
    draft.write(INTERACTIONS, prepared.interactions)
    draft.write(ITEMS, prepared.items)
    draft.facts.update(prepared.notes)


_MANY_WITHOUT_HISTORY = 0.1


def corpus(run: Run, draft: Draft) -> None:
    """Write down whose behaviours may be retrieved, from which histories is asked, and for which items."""
    built = build_corpus(run.interactions, run.config.corpus)
    draft.write(BEHAVIOURS, built.behaviours)
    draft.write(QUERIES, built.queries)
    draft.write(TARGETS, built.targets)
    shares = draft.facts["without_history"] = built.without_history
    why = "what was liked in the same visit is left out, and users may be new; corpus.history=row knows of the visit"
    why = why if run.config.corpus.history == "visit" else "their users are new"
    draft.facts["warnings"] = [
        f"{share:.0%} of the {part} rows are asked without a history, and nobody can be found for them: {why}"
        for part, share in shares.items()
        if share > _MANY_WITHOUT_HISTORY
    ]


def references(run: Run, draft: Draft) -> None:
    """Score the judged rows by the means of items and users."""
    judged = with_users(run.targets(*JUDGED), run.queries)
    predictors, facts = fit_references(run.interactions)
    users, items = judged[USER_ID].to_pylist(), judged[ITEM_ID].to_pylist()
    parts = [score_table(judged, key, predictor.predict(users, items)) for key, predictor in predictors.items()]
    draft.write(SCORES, pa.concat_tables(parts))
    draft.facts.update(facts)


def simple(run: Run, draft: Draft) -> None:
    """Score the judged rows with the four predictors that need no network of their own."""
    embedder = load_encoder(run.config.evidence.text_embedder, device=run.device)
    vectors = encode(embedder, run.items[TITLE].to_pylist())
    found = fit_simple(run.interactions, dict(zip(run.item_ids, vectors, strict=True)), run.config.seed)
    judged, ordered = run.targets(*JUDGED), run.interactions.sort_by(ROW_ID)
    splits = ordered[SPLIT].to_pylist()
    parts = []
    for key, by_split in found.items():
        scores: dict[int, float] = {}
        for split, one in by_split.items():
            rows = ordered.filter([part == split for part in splits])[ROW_ID].to_pylist()
            scores |= dict(zip(rows, one.p_yes.tolist(), strict=True))
        parts.append(score_table(judged, key, [scores[row] for row in judged[ROW_ID].to_pylist()]))
        draft.facts[key] = by_split["valid"].facts
    draft.write(SCORES, pa.concat_tables(parts))
