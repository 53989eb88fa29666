"""A column is named by its constant: a misspelt one fails where it is written."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pyarrow as pa

import scorerec
from scorerec.core import columns, tables

NAMES = {value for key, value in vars(columns).items() if key.isupper()}
ROOT = Path(scorerec.__file__).parent
# They read files of users, records and JSON, or settings, whose keys may be called the same.
OTHERS = re.compile(
    r"^(core/columns|data/(sources/.*|inspect|form|proposal|plausible|delimited|raw|additions|origin)|"
    r"evaluate/(predictions|results|tables|report|verdict|plots)|reproduce/.*|cli/.*|"
    r"serve/(compare|python)|experiment/(actions|attention|effort|stages/expenses)|crm/(base|config|train)|"
    r"assess/(client|probabilities|completion|store)|retrieve/index|text/.*|nn/.*)\.py$"
)


def test_every_column_of_every_table_has_its_constant() -> None:
    schemas = [schema for schema in vars(tables).values() if isinstance(schema, tables.TableSchema)]
    schemas.append(tables.vectors_schema("query_id", 3))
    assert len(schemas) > 10
    assert {name for schema in schemas for name in schema.columns.names} == NAMES
    assert all(pa.types.is_string(pa.scalar(name).type) for name in NAMES)
    for key, value in vars(columns).items():
        if key.isupper():
            assert key == value.upper()


def bare(source: str) -> list[tuple[int, str]]:
    """Return line and text of each string that names a column where a table is asked for it."""
    found = []
    for node in ast.walk(ast.parse(source)):
        asked: list[ast.expr] = []
        if isinstance(node, ast.Subscript) and not (isinstance(node.value, ast.Name) and node.value.id == "Literal"):
            asked = [node.slice]
        called = node.func.attr if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) else ""
        if isinstance(node, ast.Call) and called in (
            "select",
            "col",
            "group_by",
            "sort_by",
            "sort",
            "over",
            "append_column",
        ):
            asked = list(node.args)
        found += [
            (part.lineno, part.value)
            for part in asked
            if isinstance(part, ast.Constant) and isinstance(part.value, str) and part.value in NAMES
        ]
    return found


def test_a_bare_name_is_found() -> None:
    assert bare('x = table["user_id"]\ny = pl.col("label")\nz = table[USER_ID]\nw: Literal["model"]\n') == [
        (1, "user_id"),
        (2, "label"),
    ]


def test_nobody_asks_a_table_for_a_bare_name() -> None:
    found = {
        name: faults
        for path in sorted(ROOT.rglob("*.py"))
        if not OTHERS.match(name := path.relative_to(ROOT).as_posix())
        and (faults := bare(path.read_text(encoding="utf-8")))
    }
    assert found == {}
