"""The tables that rooms exchange: names, keys and columns, each written once.

A table travels as a ``pyarrow.Table``. ``TableSchema.check`` is what every writer and reader passes through.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from scorerec.core.columns import (
    AGREEING_AGAINST,
    AGREEING_FOR,
    ALIKE,
    ALIKE_DISLIKES,
    ALIKE_LATELY,
    ALIKE_LIKES,
    ARGUES,
    BEHAVIOUR_ID,
    BY_ITEMS,
    DROPPED_EVIDENCE,
    DROPPED_HISTORY,
    GAP,
    ITEM_ID,
    ITEM_IDS,
    LABEL,
    LENIENCY,
    LIKED,
    LIKED_LATELY,
    METHOD,
    MODEL,
    MOVE,
    N_BEFORE,
    N_DISLIKES,
    N_LIKED,
    N_LIKES,
    N_RATED,
    N_RATERS,
    N_SIMILAR,
    N_SIMILAR_LIKED,
    N_TOKENS,
    NEIGHBOUR_ID,
    OPPOSED_AGAINST,
    OPPOSED_FOR,
    P_YES,
    PROMPT_HASH,
    QUERY_ID,
    RANK,
    RATING,
    RATING_SUM,
    RELEVANCE,
    REPLY,
    ROW_ID,
    SCORE,
    SEGMENTS,
    SIMILAR_AGAINST,
    SIMILAR_FOR,
    SIMILARITY,
    SNAPSHOT,
    SPLIT,
    TARGET_ID,
    TIMESTAMP,
    TITLE,
    TOKENS_IN,
    TOKENS_OUT,
    USER_ID,
    VALID_FROM,
    VALID_TO,
    VECTOR,
)
from scorerec.core.errors import ArtifactError

SPLITS = ("train", "valid", "test")

SEGMENT = pa.struct(
    [
        ("kind", pa.string()),  # wording | history | dislike | evidence | target | verdict
        ("text", pa.string()),
        (ITEM_ID, pa.string()),  # null for wording
        (BEHAVIOUR_ID, pa.string()),  # whose behaviour it is part of: evidence, and the wording around it
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
        except (ValueError, pa.ArrowNotImplementedError) as error:
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
    (ROW_ID,),
    _schema(
        (ROW_ID, pa.int64()),  # position in the order (timestamp, position in the file)
        (USER_ID, pa.string()),
        (ITEM_ID, pa.string()),
        (RATING, pa.float32()),
        (LABEL, pa.int8()),
        (TIMESTAMP, pa.int64()),
        (SPLIT, pa.string()),
        (N_BEFORE, pa.int32()),  # positives of the user before this row
    ),
    nullable=("rating",),
)
ITEMS = TableSchema("items", (ITEM_ID,), _schema((ITEM_ID, pa.string()), (TITLE, pa.string())), is_open=True)
BEHAVIOURS = TableSchema(
    "behaviours",
    (BEHAVIOUR_ID,),
    _schema(
        (BEHAVIOUR_ID, pa.string()),
        (USER_ID, pa.string()),
        (VALID_FROM, pa.int64()),  # first snapshot that sees it
        (VALID_TO, pa.int64()),  # first snapshot that no longer sees it
        (ITEM_IDS, _ITEM_LIST),  # oldest first
    ),
)
QUERIES = TableSchema(
    "queries",
    (QUERY_ID,),
    _schema(
        (QUERY_ID, pa.string()),
        (USER_ID, pa.string()),
        (N_BEFORE, pa.int32()),
        (SNAPSHOT, pa.int64()),
        (ITEM_IDS, _ITEM_LIST),  # the user's positives before the row, oldest first
    ),
)
TARGETS = TableSchema(
    "targets",
    (TARGET_ID,),
    _schema(
        (TARGET_ID, pa.string()),
        (QUERY_ID, pa.string()),
        (ITEM_ID, pa.string()),
        (ROW_ID, pa.int64()),
        (LABEL, pa.int8()),
        (SPLIT, pa.string()),
    ),
    nullable=(ROW_ID, LABEL, SPLIT),
)
NEIGHBOURS = TableSchema(
    "neighbours",
    (BEHAVIOUR_ID, RANK),
    _schema(
        (BEHAVIOUR_ID, pa.string()),
        (RANK, pa.int32()),  # 1 = most similar
        (NEIGHBOUR_ID, pa.string()),
        (SIMILARITY, pa.float32()),
    ),
)
CANDIDATES = TableSchema(
    "candidates",
    (QUERY_ID, RANK),
    _schema(
        (QUERY_ID, pa.string()),
        (RANK, pa.int32()),
        (BEHAVIOUR_ID, pa.string()),
        (SIMILARITY, pa.float32()),
    ),
)
ASSESSMENTS = TableSchema(
    "assessments",
    (TARGET_ID,),
    _schema(
        (TARGET_ID, pa.string()),
        (REPLY, pa.string()),
        (MODEL, pa.string()),
        (PROMPT_HASH, pa.string()),
        (TOKENS_IN, pa.int32()),
        (TOKENS_OUT, pa.int32()),
    ),
    nullable=("tokens_in", "tokens_out"),
)
RANKINGS = TableSchema(
    "rankings",
    (TARGET_ID, RANK),
    _schema(
        (TARGET_ID, pa.string()),
        (RANK, pa.int32()),
        (BEHAVIOUR_ID, pa.string()),
        (RELEVANCE, pa.float32()),
    ),
)
CONTEXTS = TableSchema(
    "contexts",
    (TARGET_ID, RANK),
    _schema(
        (TARGET_ID, pa.string()),
        (RANK, pa.int32()),
        (BEHAVIOUR_ID, pa.string()),
        (SCORE, pa.float32()),
    ),
)
VERDICTS = TableSchema(
    "verdicts",
    (TARGET_ID,),
    _schema(
        (TARGET_ID, pa.string()),
        (N_RATERS, pa.int32()),  # other users who are known to have rated the target
        (N_LIKED, pa.int32()),  # of them, who liked it
        (N_SIMILAR, pa.int32()),  # of the raters, the most similar ones, at most so many as are asked for
        (N_SIMILAR_LIKED, pa.int32()),
    ),
)
KNOWLEDGE = TableSchema(
    "knowledge",
    (TARGET_ID,),
    _schema(
        (TARGET_ID, pa.string()),
        # What other users think of the target:
        (N_RATERS, pa.int32()),
        (N_LIKED, pa.int32()),
        (N_RATED, pa.int32()),  # of them, whose rating is known: data may have labels alone
        (RATING_SUM, pa.float32()),
        # of them, weighted by the logarithm of 1 + how many of the user's likes they share:
        (SIMILAR_FOR, pa.float32()),
        (SIMILAR_AGAINST, pa.float32()),
        # and by how many of these they did not like:
        (OPPOSED_FOR, pa.float32()),
        (OPPOSED_AGAINST, pa.float32()),
        # What the user's own likes say of the target:
        (BY_ITEMS, pa.float32()),  # what EASE expects, from users of whom the row's own is none
        (N_LIKES, pa.int32()),
        (ALIKE, pa.float32()),  # mean share of the target's metadata that a liked item has; null: it has none to share
        (ALIKE_LATELY, pa.float32()),  # of the latest few
        (GAP, pa.float32()),  # target minus the mean of the liked, mean over numbers such as the year, standardised
        # What the user's own dislikes say, where these may be known; else 0:
        (N_DISLIKES, pa.int32()),
        (LIKED_LATELY, pa.float32()),  # share of likes among the latest few ratings
        (LENIENCY, pa.float32()),  # likes less those that others' shares would have, per rating
        (ALIKE_LIKES, pa.int32()),  # likes that share metadata with the target
        (ALIKE_DISLIKES, pa.int32()),
        (AGREEING_FOR, pa.float32()),  # raters of the target, weighted as above by the dislikes that they share
        (AGREEING_AGAINST, pa.float32()),
    ),
    nullable=(ALIKE, ALIKE_LATELY),
)
SHARED = TableSchema(
    "shared",
    (TARGET_ID, RANK),
    _schema(
        (TARGET_ID, pa.string()),
        (RANK, pa.int32()),  # of a similar user who rated the target, the most similar first
        (LIKED, pa.bool_()),  # whether they liked it
        (ITEM_IDS, pa.list_(pa.string())),  # what they and the user both like, the most telling first
    ),
)
TITLE_AUDIT = TableSchema(
    "title_audit",
    (ITEM_ID,),
    _schema(
        (ITEM_ID, pa.string()),
        (MOVE, pa.float64()),  # log odds of Yes with its title, less those with the catalogue's middle one
        (ARGUES, pa.bool_()),  # whether that is beyond what titles do usually
    ),
)
PROMPTS = TableSchema(
    "prompts",
    (TARGET_ID,),
    _schema(
        (TARGET_ID, pa.string()),
        (SEGMENTS, pa.list_(SEGMENT)),
        (DROPPED_HISTORY, pa.int32()),  # history titles left out
        (DROPPED_EVIDENCE, pa.int32()),  # evidence titles left out
    ),
)
SCORES = TableSchema(
    "scores",
    (TARGET_ID, METHOD),
    _schema((TARGET_ID, pa.string()), (METHOD, pa.string()), (P_YES, pa.float64()), (N_TOKENS, pa.int32())),
    nullable=(N_TOKENS,),
)


def vectors_schema(key: str, dimension: int) -> TableSchema:
    """Return the schema of a table of vectors, keyed by ``behaviour_id`` or ``query_id``."""
    columns = _schema((key, pa.string()), (VECTOR, pa.list_(pa.float32(), dimension)))
    return TableSchema("vectors", (key,), columns)
