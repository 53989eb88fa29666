"""Tables refuse what would mislead a later stage."""

import pyarrow as pa
import pytest

from scorerec.core.errors import ArtifactError
from scorerec.core.tables import CANDIDATES, ITEMS, SCORES, vectors_schema


def candidates(**changes):
    columns = {
        "query_id": ["q1", "q1"],
        "rank": [1, 2],
        "behaviour_id": ["a", "b"],
        "similarity": [0.5, 0.25],
    }
    return pa.table(columns | changes)


def test_columns_are_ordered_and_cast():
    shuffled = candidates().select(["similarity", "rank", "behaviour_id", "query_id"])
    assert CANDIDATES.check(shuffled).schema == CANDIDATES.columns


def test_a_missing_column_is_named():
    with pytest.raises(ArtifactError, match=r"candidates.*\['rank'\] missing"):
        CANDIDATES.check(candidates().drop_columns(["rank"]))


def test_an_unexpected_column_is_refused_except_in_open_tables():
    with pytest.raises(ArtifactError, match="unexpected"):
        CANDIDATES.check(candidates(extra=[1, 2]))
    items = ITEMS.check(pa.table({"year": [1999], "item_id": ["1"], "title": ["A"]}))
    assert items.column_names == ["item_id", "title", "year"]


def test_a_repeated_key_is_shown():
    with pytest.raises(ArtifactError, match=r"'rank': 1.*occurs 2 times"):
        CANDIDATES.check(candidates(rank=[1, 1]))


def test_empty_values_are_refused_unless_the_schema_allows_them():
    with pytest.raises(ArtifactError, match="empty values in behaviour_id"):
        CANDIDATES.check(candidates(behaviour_id=["a", None]))
    scores = pa.table({"target_id": ["t"], "method": ["m"], "p_yes": [0.5], "n_tokens": pa.nulls(1, pa.int32())})
    assert SCORES.check(scores).num_rows == 1


def test_values_of_another_type_are_refused():
    with pytest.raises(ArtifactError, match="candidates"):
        CANDIDATES.check(candidates(rank=["first", "second"]))


def test_vectors_have_one_dimension():
    schema = vectors_schema("query_id", 2)
    assert schema.check(pa.table({"query_id": ["q"], "vector": [[0.0, 1.0]]})).num_rows == 1
    with pytest.raises(ArtifactError):
        schema.check(pa.table({"query_id": ["q"], "vector": [[0.0, 1.0, 2.0]]}))
