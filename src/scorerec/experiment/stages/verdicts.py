"""Stages of verdicts: the counts, the two controls of them, and what they say without a language model."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from scorerec.core.artifacts import Draft
from scorerec.core.columns import LABEL, N_LIKED, N_RATERS, N_SIMILAR, N_SIMILAR_LIKED, SPLIT
from scorerec.core.tables import SCORES, SPLITS, VERDICTS
from scorerec.crm.counts import fit_counts
from scorerec.experiment.run import Run
from scorerec.experiment.stages.judged import JUDGED, score_table
from scorerec.pipeline.opinions import OwnRatings
from scorerec.pipeline.verdicts import VerdictCounter


def counted(run: Run, draft: Draft) -> None:
    """Count what others thought of each target."""
    _count(run, draft, None)


def random(run: Run, draft: Draft) -> None:
    """Count with raters drawn at random in place of the most similar ones."""
    _count(run, draft, run.config.seed)


def _count(run: Run, draft: Draft, draw: int | None) -> None:
    config = run.config
    own = OwnRatings(run.interactions, "strict") if config.evidence.own_dislikes else None
    counter = VerdictCounter(run.interactions, config.corpus.kind, config.verdicts, own=own, draw=draw)
    draft.write(VERDICTS, counter.count(run.all_targets, run.queries))


def scores(run: Run, draft: Draft) -> None:
    """Score the judged rows by a logistic regression on their counts."""
    _regression(run, draft, JUDGED)


def teacher(run: Run, draft: Draft) -> None:
    """Say how probable Yes is for each training row, by the same regression: what an LM may learn from."""
    _regression(run, draft, ("train",))


def _regression(run: Run, draft: Draft, told: Collection[str]) -> None:
    table, targets = run.table("verdicts", VERDICTS), run.all_targets
    of_target = np.stack([table[name].to_numpy() for name in (N_RATERS, N_LIKED, N_SIMILAR, N_SIMILAR_LIKED)], axis=1)
    split, label = np.array(targets[SPLIT].to_pylist()), targets[LABEL].to_numpy()
    rows = {part: np.flatnonzero(split == part) for part in SPLITS}
    counts = {part: of_target[places].astype(np.float64) for part, places in rows.items()}
    found, facts = fit_counts(counts, {part: label[rows[part]] for part in ("train", "valid")})
    p_yes = np.zeros(len(split))
    for part in told:
        p_yes[rows[part]] = found[part]
    chosen = np.isin(split, list(told))
    draft.write(SCORES, score_table(targets.filter(chosen), "counts", p_yes[chosen]))
    draft.facts.update(facts)
