"""The options of `imagewright run` are the row's arguments, and carry what was typed without judging it."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pytest

import imagewright
from imagewright.catalog.facts import argument_names
from imagewright.catalog.load import catalog
from imagewright.cli.commands.run import ToolCommand, command
from imagewright.cli.inputs import arguments
from imagewright.cli.options import SHARED, for_person, option_name
from imagewright.engine.check import check
from imagewright.errors import Refusal
from imagewright.text import shown

if TYPE_CHECKING:
    from imagewright.catalog.row import Argument, Row

ROWS = list(catalog().values())
ARGUMENTS = [(row, name, forms[0]) for row in ROWS for name, forms in row.arguments().items()]
OWN = {"--help", *(one.opts[0] for one in command.params)}
"""Those of every tool."""


def typed(row: Row, *words: str) -> dict[str, Any]:
    """What the engine would be given."""
    ctx = ToolCommand(row).make_context(row.tool, [*words])
    return arguments(row, ctx.params, ctx.args)


def named(row: Row, name: str) -> str:
    return f"{row.tool}.{name}"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.tool)
def test_options_are_exactly_the_arguments_in_the_schema_s_order(row: Row) -> None:
    options = [one.opts[0] for one in ToolCommand(row).params]
    own = [word for word in options if word not in OWN and word not in SHARED]
    names = [option_name(name) for name in argument_names(row)]
    # one call for each of many pictures is not an argument of a tool that takes one
    assert own == (names if "--image" not in names else [*names, "--images"])


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.tool)
def test_nothing_is_required_or_judged_by_the_parser(row: Row) -> None:
    for one in ToolCommand(row).params:
        assert not one.required
        if one.opts[0] in OWN:
            continue
        assert isinstance(one.type, click.types.StringParamType | click.types.BoolParamType)
    assert typed(row) == {}


@pytest.mark.parametrize(("row", "name", "argument"), ARGUMENTS, ids=lambda part: getattr(part, "tool", None))
def test_help_shows_description_choices_and_default(row: Row, name: str, argument: Argument) -> None:
    command = ToolCommand(row)
    (given,) = (one for one in command.params if one.name == name)
    assert isinstance(given, click.Option)
    text = given.help or ""
    assert for_person(argument.describe) in text
    assert all(shown(value) in text for value in argument.values or ())
    if argument.default is not None:
        assert "default" in text
    page = " ".join(command.get_help(click.Context(command, info_name=row.tool)).split())
    assert " ".join(text.split())[:20] in page


def valid(argument: Argument) -> Any:
    """A value of the argument's type."""
    if argument.values:
        return argument.values[-1]
    of_kind: dict[str, Any] = {
        "integer": int(argument.maximum or 3),
        "number": float(argument.minimum or 0) + 0.5,
        "boolean": True,
        "picture": "img_abcdefghijklmnop",
        "pictures": ["img_abcdefghijklmnop", "https://example.com/a.png"],
    }
    return of_kind.get(argument.kind, "a fox, 50% off")


@pytest.mark.parametrize(("row", "name", "argument"), ARGUMENTS, ids=lambda part: getattr(part, "tool", None))
def test_every_argument_arrives_in_its_own_type(row: Row, name: str, argument: Argument) -> None:
    value = valid(argument)
    if argument.kind == "boolean":
        words = [option_name(name)]
        assert typed(row, f"--no-{name.replace('_', '-')}") == {name: False}
    elif argument.kind == "pictures":
        words = [word for one in value for word in (option_name(name), one)]
        assert typed(row, option_name(name), *value) == {name: value}
    else:
        words = [option_name(name), shown(value)]
    given = check(row, typed(row, *words)).given
    assert given == {name: value}
    assert type(given[name]) is type(value)


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        ("integer", "3"),
        ("integer", "-3"),
        ("integer", "three"),
        ("number", "high"),
        ("choice", "nosuch"),
        ("text", ""),
        ("text", "- a list"),
    ],
)
@pytest.mark.parametrize("joined", [True, False])
def test_what_is_typed_is_passed_on_as_it_is(kind: str, word: str, *, joined: bool) -> None:
    row, name = next((row, name) for row, name, argument in ARGUMENTS if argument.kind == kind)
    words = [f"{option_name(name)}={word}"] if joined else [option_name(name), word]
    assert typed(row, *words) == {name: word}


def picture_argument() -> tuple[Row, str]:
    return next((row, name) for row, name, argument in ARGUMENTS if argument.kind == "picture")


@pytest.mark.parametrize(
    "word",
    [
        "https://example.com/a.png",
        "file:///tmp/a.png",
        "data:image/png;base64," + "A" * 9000,
        "img_abcdefghijklmnop",
        str(Path(Path.cwd().anchor) / "pictures" / "a.png"),
        "",
    ],
)
def test_a_full_reference_to_a_picture_and_an_empty_one_are_left_alone(word: str) -> None:
    row, name = picture_argument()
    assert typed(row, option_name(name), word) == {name: word}


@pytest.mark.parametrize("word", ["a.png", "sub/a.png", "img_from_my_phone.jpg"])
def test_a_relative_path_is_taken_from_where_the_user_stands(
    word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    row, name = picture_argument()
    assert typed(row, option_name(name), word) == {name: str(tmp_path / word)}


def test_a_path_under_the_home_is_understood_where_the_shell_did_not() -> None:
    row, name = picture_argument()
    assert typed(row, f"{option_name(name)}=~/a.png") == {name: str(Path.home() / "a.png")}


def test_unknown_options_reach_the_engine_to_be_refused_with_all_else() -> None:
    assert typed(ROWS[0], "--no-such", "7", "--odd=x", "--bare") == {"no_such": "7", "odd": "x", "bare": True}


TALKS = next(row for row in ROWS if "prompt" in row.arguments())
SILENT = next(row for row in ROWS if "prompt" not in row.arguments())


def test_a_word_without_an_option_is_the_prompt() -> None:
    assert typed(TALKS, "a fox", "--seed", "7") == typed(TALKS, "--seed", "7", "--prompt", "a fox")
    assert typed(TALKS, "--", "--a fox") == {"prompt": "--a fox"}


@pytest.mark.parametrize(
    ("row", "words", "answer"),
    [
        (
            TALKS,
            ["a", "fox"],
            r"'a' and 'fox' belong to no option; a prompt of several words stands in quotes: \"a fox\"",
        ),
        (TALKS, ["a fox", "--prompt", "an owl"], "--prompt: there are two prompts, this one and 'a fox'"),
        (TALKS, ["--images", "a.png", "make it snow"], "'make it snow' is no file; a prompt stands before --images"),
        (
            SILENT,
            ["a fox"],
            f"'a fox' belongs to no option; {SILENT.tool} takes no prompt, its picture goes behind --image",
        ),
        (SILENT, [__file__], "pictures go behind --image, many behind --images with --into"),
    ],
)
def test_words_that_are_no_prompt_are_refused_with_what_to_type(row: Row, words: list[str], answer: str) -> None:
    with pytest.raises(Refusal, match=answer):
        typed(row, *words)


FOR_AN_ASSISTANT = re.compile(r"\bthe user\b|\bimage_(job|gallery|guide)\b|\b[Cc]all (it )?(again|once more)\b")


def test_what_is_written_for_an_assistant_has_words_for_a_person() -> None:
    """Sentences of the engine reach both; a new one of this kind needs its line in `FOR_PERSON`."""
    found = []
    for floor in ("engine", "storage", "net", "providers"):
        for file in (Path(imagewright.__file__).parent / floor).rglob("*.py"):
            tree = ast.parse(file.read_text(encoding="utf-8"))
            docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
            texts = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in docs]
            sentences = [node.value for node in texts if isinstance(node.value, str) and " " in node.value]
            found += [text for text in sentences if FOR_AN_ASSISTANT.search(text)]
    assert len(found) > 5
    assert [text for text in found if FOR_AN_ASSISTANT.search(for_person(text))] == []
