"""Every table that rooms exchange keeps the same promises."""

import pyarrow as pa
import pytest

from scorerec.core import tables
from scorerec.core.artifacts import read_table, write_table
from scorerec.core.errors import ArtifactError

SCHEMAS = {name: value for name, value in vars(tables).items() if isinstance(value, tables.TableSchema)}

each_table = pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)


def value_of(dtype):
    if pa.types.is_string(dtype):
        return "x"
    if pa.types.is_list(dtype):
        return [value_of(dtype.value_type)]
    if pa.types.is_struct(dtype):
        return {field.name: value_of(field.type) for field in dtype}
    return True if pa.types.is_boolean(dtype) else 1


def one_row(schema):
    return pa.Table.from_pylist([{field.name: value_of(field.type) for field in schema.columns}], schema.columns)


def test_every_table_of_the_house_is_here():
    assert {schema.name for schema in SCHEMAS.values()} >= {
        "interactions", "items", "behaviours", "queries", "targets", "neighbours", "candidates", "assessments",
        "rankings", "contexts", "prompts", "scores",
    }  # fmt: skip
    assert len({schema.name for schema in SCHEMAS.values()}) == len(SCHEMAS)


@each_table
def test_it_comes_back_from_disk_as_it_was(schema, tmp_path):
    table = one_row(schema)
    write_table(tmp_path, schema, table)
    assert read_table(tmp_path, schema).equals(table)


@each_table
def test_it_may_be_empty(schema, tmp_path):
    write_table(tmp_path, schema, schema.empty())
    assert read_table(tmp_path, schema).num_rows == 0


@each_table
def test_a_key_occurs_once(schema):
    with pytest.raises(ArtifactError, match="occurs 2 times"):
        schema.check(pa.concat_tables([one_row(schema)] * 2))


@each_table
def test_each_required_column_is_missed(schema):
    for name in schema.columns.names:
        with pytest.raises(ArtifactError, match=name):
            schema.check(one_row(schema).drop_columns([name]))


@each_table
def test_only_columns_that_say_so_may_be_empty(schema):
    for name in schema.columns.names:
        row = one_row(schema).to_pylist()[0] | {name: None}
        table = pa.Table.from_pylist([row], schema.columns)
        if name in schema.nullable:
            schema.check(table)
        else:
            with pytest.raises(ArtifactError, match=f"empty values in {name}"):
                schema.check(table)
