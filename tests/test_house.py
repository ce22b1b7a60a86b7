"""What holds of every file: its length, its names, and that no test leans on another test's file."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCES = [file for folder in ("server", "tests", "benchmarks") for file in sorted((ROOT / folder).rglob("*.py"))]
TEXTS = [*SOURCES, *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "server").rglob("*.md"))]
TESTS = [file for file in SOURCES if file.name.startswith("test_")]
FEWER_THAN = 400
"""Lines of a file: what is longer has more than one subject."""
MOST_FILES = 226
"""Python files below `server/`. The aim is 170: who follows a call should have to open a dozen of them."""
UNCLEAR = {"said", "told", "looked"}
"""Names that do not tell what a variable holds."""


def _name(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def _bound(node: ast.AST) -> str:
    """The name that is bound here, without the underscore before it."""
    match node:
        case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()) | ast.arg(arg=name):
            return name.removeprefix("_")
    return ""


def _imported(node: ast.AST) -> list[str]:
    """Every part of the names of what is imported here: packages, modules, and what is taken from them."""
    match node:
        case ast.Import(names=names):
            return [part for one in names for part in one.name.split(".")]
        case ast.ImportFrom(module=str(module), names=names):
            return [*module.split("."), *(one.name for one in names)]
    return []


@cache
def _nodes(file: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))


def test_files_are_short() -> None:
    lines = {_name(file): len(file.read_text(encoding="utf-8").splitlines()) for file in TEXTS}
    assert {name: count for name, count in lines.items() if count >= FEWER_THAN} == {}


def test_there_are_few_files() -> None:
    assert sum(file.is_relative_to(ROOT / "server") for file in SOURCES) <= MOST_FILES


def test_a_variable_says_what_it_holds() -> None:
    unclear = {_name(file): UNCLEAR & {_bound(node) for node in _nodes(file)} for file in SOURCES}
    assert {name: found for name, found in unclear.items() if found} == {}


def test_a_test_imports_no_other_test() -> None:
    imported = {_name(file): {part for node in _nodes(file) for part in _imported(node)} for file in TESTS}
    found = {name: [part for part in parts if part.startswith("test_")] for name, parts in imported.items()}
    assert {name: parts for name, parts in found.items() if parts} == {}


def test_tests_are_functions() -> None:
    classes = {_name(file): [node.name for node in _nodes(file) if isinstance(node, ast.ClassDef)] for file in TESTS}
    found = {name: [one for one in names if one.startswith("Test")] for name, names in classes.items()}
    assert {name: names for name, names in found.items() if names} == {}
