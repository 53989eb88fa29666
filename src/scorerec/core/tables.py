"""The tables that rooms exchange: names, keys and columns, each written once.

A table travels as a ``pyarrow.Table``. ``TableSchema.check`` is what every writer and reader passes through.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from scorerec.core.errors import ArtifactError

SPLITS = ("train", "valid", "test")

SEGMENT = pa.struct(
    [
        ("kind", pa.string()),  # wording | history | dislike | evidence | target
        ("text", pa.string()),
        ("item_id", pa.string()),  # null for wording
        ("behaviour_id", pa.string()),  # whose behaviour it is part of: evidence, and the wording around it
    ]
)


@dataclass(frozen=True)
class TableSchema:
    """What one table must hold.

    Attributes:
        name: the table's name, also its file name.
        key: columns that together are unique.
        columns: required columns, in order.
        is_open: whether further columns (item metadata) are kept.
        nullable: required columns that may be empty.
    """

    name: str
    key: tuple[str, ...]
    columns: pa.Schema
    is_open: bool = False
    nullable: tuple[str, ...] = ()

    def check(self, table: pa.Table) -> pa.Table:
        """Return ``table`` with the required columns first, in order and in their types.

        Raises:
            ArtifactError: a column is missing or of another type, a value is empty, or a key occurs twice.
        """
        missing = [name for name in self.columns.names if name not in table.column_names]
        if missing:
            raise ArtifactError(
                f"table {self.name}: wanted columns {self.columns.names}, {missing} missing; "
                f"it has {table.column_names}"
            )
        extra = [name for name in table.column_names if name not in self.columns.names]
        if extra and not self.is_open:
            raise ArtifactError(f"table {self.name}: unexpected columns {extra}")
        try:
            required = table.select(self.columns.names).cast(self.columns)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError) as error:
            raise ArtifactError(f"table {self.name}: {error}") from None
        for name in self.columns.names:
            if name not in self.nullable and required.column(name).null_count:
                raise ArtifactError(f"table {self.name}: {required.column(name).null_count} empty values in {name}")
        self._check_key(required)
        for name in extra:
            required = required.append_column(table.schema.field(name), table.column(name))
        return required.replace_schema_metadata(None)

    def empty(self) -> pa.Table:
        """Return a table with no rows."""
        return self.columns.empty_table()

    def _check_key(self, table: pa.Table) -> None:
        distinct = table.group_by(list(self.key)).aggregate([([], "count_all")])
        if distinct.num_rows < table.num_rows:
            counts = distinct.column("count_all").to_pylist()
            first = next(index for index, count in enumerate(counts) if count > 1)
            row = {name: distinct.column(name)[first].as_py() for name in self.key}
            raise ArtifactError(f"table {self.name}: key {row} occurs {counts[first]} times")


def _schema(*columns: tuple[str, pa.DataType]) -> pa.Schema:
    return pa.schema(list(columns))


_ITEM_LIST = pa.list_(pa.string())

INTERACTIONS = TableSchema(
    "interactions",
    ("row_id",),
    _schema(
        ("row_id", pa.int64()),  # position in the order (timestamp, position in the file)
        ("user_id", pa.string()),
        ("item_id", pa.string()),
        ("rating", pa.float32()),
        ("label", pa.int8()),
        ("timestamp", pa.int64()),
        ("split", pa.string()),
        ("n_before", pa.int32()),  # positives of the user before this row
    ),
    nullable=("rating",),
)
ITEMS = TableSchema("items", ("item_id",), _schema(("item_id", pa.string()), ("title", pa.string())), is_open=True)
BEHAVIOURS = TableSchema(
    "behaviours",
    ("behaviour_id",),
    _schema(
        ("behaviour_id", pa.string()),
        ("user_id", pa.string()),
        ("valid_from", pa.int64()),  # first snapshot that sees it
        ("valid_to", pa.int64()),  # first snapshot that no longer sees it
        ("item_ids", _ITEM_LIST),  # oldest first
    ),
)
QUERIES = TableSchema(
    "queries",
    ("query_id",),
    _schema(
        ("query_id", pa.string()),
        ("user_id", pa.string()),
        ("n_before", pa.int32()),
        ("snapshot", pa.int64()),
        ("item_ids", _ITEM_LIST),  # the user's positives before the row, oldest first
    ),
)
TARGETS = TableSchema(
    "targets",
    ("target_id",),
    _schema(
        ("target_id", pa.string()),
        ("query_id", pa.string()),
        ("item_id", pa.string()),
        ("row_id", pa.int64()),
        ("label", pa.int8()),
        ("split", pa.string()),
    ),
    nullable=("row_id", "label", "split"),
)
NEIGHBOURS = TableSchema(
    "neighbours",
    ("behaviour_id", "rank"),
    _schema(
        ("behaviour_id", pa.string()),
        ("rank", pa.int32()),  # 1 = most similar
        ("neighbour_id", pa.string()),
        ("similarity", pa.float32()),
    ),
)
CANDIDATES = TableSchema(
    "candidates",
    ("query_id", "rank"),
    _schema(
        ("query_id", pa.string()),
        ("rank", pa.int32()),
        ("behaviour_id", pa.string()),
        ("similarity", pa.float32()),
    ),
)
ASSESSMENTS = TableSchema(
    "assessments",
    ("target_id",),
    _schema(
        ("target_id", pa.string()),
        ("reply", pa.string()),
        ("model", pa.string()),
        ("prompt_hash", pa.string()),
        ("tokens_in", pa.int32()),
        ("tokens_out", pa.int32()),
    ),
    nullable=("tokens_in", "tokens_out"),
)
RANKINGS = TableSchema(
    "rankings",
    ("target_id", "rank"),
    _schema(
        ("target_id", pa.string()),
        ("rank", pa.int32()),
        ("behaviour_id", pa.string()),
        ("relevance", pa.float32()),
    ),
)
CONTEXTS = TableSchema(
    "contexts",
    ("target_id", "rank"),
    _schema(
        ("target_id", pa.string()),
        ("rank", pa.int32()),
        ("behaviour_id", pa.string()),
        ("score", pa.float32()),
    ),
)
PROMPTS = TableSchema(
    "prompts",
    ("target_id",),
    _schema(
        ("target_id", pa.string()),
        ("segments", pa.list_(SEGMENT)),
        ("dropped_history", pa.int32()),  # history titles left out
        ("dropped_evidence", pa.int32()),  # evidence titles left out
    ),
)
SCORES = TableSchema(
    "scores",
    ("target_id", "method"),
    _schema(("target_id", pa.string()), ("method", pa.string()), ("p_yes", pa.float64()), ("n_tokens", pa.int32())),
    nullable=("n_tokens",),
)


def vectors_schema(key: str, dimension: int) -> TableSchema:
    """Return the schema of a table of vectors, keyed by ``behaviour_id`` or ``query_id``."""
    columns = _schema((key, pa.string()), ("vector", pa.list_(pa.float32(), dimension)))
    return TableSchema("vectors", (key,), columns)
