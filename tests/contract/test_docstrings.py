"""Whoever calls a public function of three or more arguments reads what each of them means."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import scorerec

SOURCE = Path(scorerec.__file__).parent
_ROUTES = ("get", "post", "delete")
PUBLIC = [
    path.relative_to(SOURCE)
    for path in sorted(SOURCE.rglob("*.py"))
    # A command's arguments are described where typer reads them.
    if "cli" not in path.relative_to(SOURCE).parts and (path.stem == "__init__" or not path.stem.startswith("_"))
]


@pytest.mark.parametrize("path", PUBLIC, ids=str)
def test_every_argument_is_described_where_there_are_three_or_more(path: Path) -> None:
    tree = ast.parse((SOURCE / path).read_text(encoding="utf-8"))
    lacking = {
        f"{name}, line {function.lineno}": missing
        for name, function in public_functions(tree.body)
        if len(names := parameters(function)) >= 3 and (missing := set(names) - described(function))
    }

    assert not lacking, f"write an Args: section in {path}: {lacking}"


def test_an_argument_that_is_not_named_is_found() -> None:
    tree = ast.parse('''
def first(a, b, *, c):
    """Do it.

    Args:
        a: a number; and where
            b: it goes on, it is no name.
        c (int): another one.

    Returns:
        b: no argument.
    """
''')
    [(name, function)] = public_functions(tree.body)

    assert (name, parameters(function), described(function)) == ("first", ["a", "b", "c"], {"a", "c"})


def public_functions(body: list[ast.stmt], prefix: str = "") -> Iterator[tuple[str, ast.FunctionDef]]:
    """Public functions, and public methods of public classes; neither stubs of a Protocol nor overloads.

    Nor routes: what they are sent is described where the OpenAPI document is made from.
    """
    for node in body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_") and "Protocol" not in names_of(node.bases):
            yield from public_functions(node.body, f"{prefix}{node.name}.")
        is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if is_function and not node.name.startswith("_") and not {"overload", *_ROUTES} & names_of(node.decorator_list):
            yield f"{prefix}{node.name}", node


def names_of(expressions: list[ast.expr]) -> set[str]:
    """The last words of dotted names: `Protocol` of `typing.Protocol[T]`."""
    return {ast.unparse(expression).split("[")[0].split("(")[0].split(".")[-1] for expression in expressions}


def parameters(function: ast.FunctionDef) -> list[str]:
    """All names that a caller gives and the function reads; not the object itself."""
    arguments = function.args
    packed = [argument for argument in (arguments.vararg, arguments.kwarg) if argument]
    every = [*arguments.posonlyargs, *arguments.args, *packed, *arguments.kwonlyargs]
    return [argument.arg for argument in every if argument.arg not in {"self", "cls", "_"}]


def described(function: ast.FunctionDef) -> set[str]:
    """The names in the section `Args:` of a docstring, one to a line at the section's own depth."""
    section = re.search(r"^Args:\n((?: +.*\n?|\n)+)", ast.get_docstring(function) or "", re.MULTILINE)
    return set(re.findall(r"^ {4}\*{0,2}(\w+)(?: \(.*\))?:", section[1], re.MULTILINE)) if section else set()
