"""What holds of every file: its length, its names, and that no test leans on another test's file."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = [
    file
    for folder in ("server", "packages", "tests", "benchmarks", "evals")
    for file in sorted((ROOT / folder).rglob("*.py"))
]
TEXTS = [*SOURCES, *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "server").rglob("*.md"))]
TESTS = [file for file in SOURCES if file.name.startswith("test_")]
FEWER_THAN = 400
"""Lines of a file: what is longer has more than one subject."""
MOST_FILES = 205
"""Python files below `server/`: who follows a call should have to open a dozen of them."""
GUIDES = {
    "SECURITY.md": ("",),
    "CONTRIBUTING.md": ("", "server/imagewright", "server/imagewright/providers/kie", "tests/support"),
    "docs/adding-a-model.md": ("",),
    "docs/adding-a-vendor.md": ("", "server/imagewright/providers/kie"),
    "docs/storage.md": ("", "server/imagewright/storage", "server/imagewright", "tests/storage"),
    "benchmarks/README.md": ("",),
}
"""Pages that name files, with the folders from which they do."""
EXAMPLES = {"<model>": "qwen", "<vendor>": "kie"}
UNCLEAR = {"said", "told", "looked"}
"""Names that do not tell what a variable holds."""


def _name(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


@dataclass
class Contents:
    """What a file holds, as far as it is looked at here."""

    bound: set[str] = field(default_factory=set)
    """The names that are given to values, without the underscore before them."""
    imported: set[str] = field(default_factory=set)
    """Every part of the names of what is imported: packages, modules, and what is taken from them."""
    classes: set[str] = field(default_factory=set)
    """The names of its classes."""

    def add(self, node: ast.AST) -> None:
        """Note what one node of the file's tree tells."""
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()) | ast.arg(arg=name):
                self.bound.add(name.removeprefix("_"))
            case ast.Import(names=names):
                self.imported.update(part for one in names for part in one.name.split("."))
            case ast.ImportFrom(module=str(module), names=names):
                self.imported.update(module.split("."), (one.name for one in names))
            case ast.ClassDef(name=name):
                self.classes.add(name)


@pytest.fixture(scope="module")
def contents() -> dict[str, Contents]:
    """What each file holds."""
    found = {_name(file): Contents() for file in SOURCES}
    for file in SOURCES:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            found[_name(file)].add(node)
    return found


def _found(names: dict[str, set[str]]) -> dict[str, set[str]]:
    """The files in which there is any such name."""
    return {file: those for file, those in names.items() if those}


def _starting(names: set[str], start: str) -> set[str]:
    return {name for name in names if name.startswith(start)}


def test_files_are_short() -> None:
    lines = {_name(file): len(file.read_text(encoding="utf-8").splitlines()) for file in TEXTS}
    assert {name: count for name, count in lines.items() if count >= FEWER_THAN} == {}


def test_there_are_few_files() -> None:
    assert sum(file.is_relative_to(ROOT / "server") for file in SOURCES) <= MOST_FILES


def test_a_variable_says_what_it_holds(contents: dict[str, Contents]) -> None:
    assert _found({file: held.bound & UNCLEAR for file, held in contents.items()}) == {}


def test_a_test_imports_no_other_test(contents: dict[str, Contents]) -> None:
    assert _found({file: _starting(contents[file].imported, "test_") for file in map(_name, TESTS)}) == {}


def test_tests_are_functions(contents: dict[str, Contents]) -> None:
    assert _found({file: _starting(contents[file].classes, "Test") for file in map(_name, TESTS)}) == {}


@pytest.mark.parametrize("page", GUIDES)
def test_what_a_page_names_is_there(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for placeholder, example in EXAMPLES.items():
        text = text.replace(placeholder, example)
    files = re.findall(r"(?<=[` ])[\w./-]+(?:\.(?:py|toml|md)|/)(?=[` ])", text)
    started = [name.replace(".", "/") for name in re.findall(r"python -m (tests[\w.]+)", text)]
    modules = [f"{name}/__main__.py" if (ROOT / name).is_dir() else f"{name}.py" for name in started]
    assert len(files + modules) > 3
    assert [name for name in files + modules if not any((ROOT / place / name).exists() for place in GUIDES[page])] == []


def test_a_link_between_pages_leads_to_a_file() -> None:
    pages = [file for folder in (".", "docs", "benchmarks", "evals") for file in sorted((ROOT / folder).glob("*.md"))]
    links = [
        (page, link) for page in pages for link in re.findall(r"\]\((?!\w+:|#)([^)#\s]+)", page.read_text("utf-8"))
    ]
    assert len(links) > 10
    assert [f"{_name(page)}: {link}" for page, link in links if not (page.parent / link).exists()] == []
