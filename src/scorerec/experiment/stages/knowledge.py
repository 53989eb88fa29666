"""Stages of what numbers tell: the counts, what models expect by them, and what similar raters share with the user."""

from __future__ import annotations

import pyarrow as pa

from scorerec.core.artifacts import Draft
from scorerec.core.tables import KNOWLEDGE, SCORES, SHARED, TableSchema
from scorerec.experiment.run import Run
from scorerec.experiment.stages.judged import score_table
from scorerec.pipeline.expecting import counter_of, expecting_of
from scorerec.pipeline.producers import shuffled
from scorerec.pipeline.sharing import SharedFinder


def counted(run: Run, draft: Draft) -> None:
    """Count what is known of each target."""
    draft.write(KNOWLEDGE, counter_of(run, run.interactions).count(run.all_targets, run.queries))


def expected(run: Run, draft: Draft) -> None:
    """Score all rows by the models of what is known; training rows by models that saw none of their user's."""
    found = expecting_of(run).of_targets(run.queries)
    draft.write(SCORES, pa.concat_tables(score_table(run.all_targets, key, p_yes) for key, p_yes in found.items()))


def shared(run: Run, draft: Draft) -> None:
    """Find the raters of each target who are most like its user."""
    config = run.config
    finder = SharedFinder(run.interactions, config.corpus.kind, config.shared.n_users, config.shared.n_items)
    draft.write(SHARED, finder.find(run.all_targets, run.queries))


def of_another_row(run: Run, draft: Draft, stage: str, schema: TableSchema) -> None:
    """Give each row what a stage says of another one's target.

    Args:
        run: what was made so far.
        draft: of this stage.
        stage: its name.
        schema: of its table.
    """
    draft.write(schema, shuffled(run.all_targets, run.table(stage, schema), schema, run.config.seed))
