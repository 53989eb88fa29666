"""What this room may use of a run, whoever made it."""

from __future__ import annotations

from typing import Any, Protocol

import pyarrow as pa

from scorerec.core.tables import TableSchema
from scorerec.pipeline.prompting import Prompter


class Experiment(Protocol):
    """A run, as far as evidence needs it."""

    @property
    def config(self) -> Any: ...  # noqa: D102 - as in ``experiment.run.Run``
    @property
    def behaviours(self) -> pa.Table: ...  # noqa: D102
    @property
    def interactions(self) -> pa.Table: ...  # noqa: D102
    @property
    def queries(self) -> pa.Table: ...  # noqa: D102
    @property
    def items(self) -> pa.Table: ...  # noqa: D102
    @property
    def all_targets(self) -> pa.Table: ...  # noqa: D102
    @property
    def prompter(self) -> Prompter: ...  # noqa: D102
    def table(self, stage: str, schema: TableSchema) -> pa.Table: ...  # noqa: D102
