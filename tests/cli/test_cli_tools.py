"""Listing and switching tools, looking at models and pages: what is said is what a server would offer."""

from __future__ import annotations

import io
import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from imagewright.catalog.facts import COLUMNS
from imagewright.catalog.load import catalog
from imagewright.catalog.row import MODEL, verb
from imagewright.cli import output
from imagewright.cli.main import main
from imagewright.engine.config import all_routes
from imagewright.engine.offer import tool_names
from imagewright.providers.base import EVERY_EDITION
from imagewright.settings.sources import read_config
from imagewright.settings.table import DISABLE

if TYPE_CHECKING:
    from pathlib import Path

ROWS = list(catalog().values())
FIRST, SECOND = ROWS[0].tool, ROWS[1].tool
LONGEST_LINE = 500
"""Characters of a line of prices: more is no table for people."""


@pytest.fixture
def config(home: Path) -> Path:
    return home / "config.toml"


def listed(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, dict[str, Any]]:
    """`imagewright tools --json` by name."""
    capsys.readouterr()
    assert main(["tools", "--json", *words]) == 0
    return {one["tool"]: one for one in json.loads(capsys.readouterr().out)}


def test_all_tools_are_on_at_first_and_say_who_serves_them(capsys: pytest.CaptureFixture[str]) -> None:
    tools = listed(capsys)
    assert tuple(tools) == tool_names()
    assert all(one["on"] for one in tools.values())
    assert all("offline" in tools[row.tool]["because"] for row in ROWS)


def test_off_and_on_again(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tools", "disable", FIRST, SECOND]) == 0
    assert capsys.readouterr().out.splitlines() == [f"{name} is off in {config}" for name in (FIRST, SECOND)]
    tools = listed(capsys)
    assert not tools[FIRST]["on"]
    assert str(config) in tools[FIRST]["because"]
    assert main(["tools", "disable", FIRST]) == 0
    assert "already off" in capsys.readouterr().out
    assert main(["tools", "enable", FIRST, SECOND]) == 0
    assert all(one["on"] for one in listed(capsys).values())


@pytest.mark.parametrize("words", [[f"{FIRST},{SECOND}"], [f"{FIRST},", SECOND]])
def test_names_may_be_separated_by_commas_as_in_the_option(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tools", "disable", *words]) == 0
    assert not any(listed(capsys)[name]["on"] for name in (FIRST, SECOND))
    assert main(["tools", "enable", *words]) == 0
    assert all(one["on"] for one in listed(capsys).values())


@pytest.mark.parametrize("action", ["enable", "disable"])
def test_a_misspelt_name_changes_nothing(action: str, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tools", action, FIRST, f"{SECOND}x"]) == 2
    message = capsys.readouterr().err
    assert f"did you mean {SECOND!r}?" in message
    assert all(name in message for name in tool_names())
    assert not config.exists()


@pytest.mark.parametrize("words", [["tools", "enable"], ["tools", "disable"], ["tools", "nosuch", "x"]])
def test_an_incomplete_switch_is_code_2(words: list[str], config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    assert "imagewright" in capsys.readouterr().err
    assert not config.exists()


@pytest.mark.parametrize(
    ("action", "variable", "value"),
    [
        ("disable", "IMAGEWRIGHT_TOOLS", f"{FIRST},{SECOND}"),
        ("enable", "IMAGEWRIGHT_DISABLE", FIRST),
        ("enable", "IMAGEWRIGHT_TOOLS", SECOND),
    ],
)
def test_a_stronger_variable_is_named(
    action: str,
    variable: str,
    value: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(variable, value)
    assert main(["tools", action, FIRST]) == 0
    message = capsys.readouterr()
    stays = "on" if action == "disable" else "off"
    assert f"but {FIRST} stays {stays} here" in message.err
    assert variable in message.err


def test_a_stronger_option_is_named_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tools", "--tools", FIRST, "disable", FIRST]) == 0
    assert f"but {FIRST} stays on here: listed in the command line" in capsys.readouterr().err


def test_nothing_is_reported_of_overriding_where_nothing_overrides(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tools", "disable", FIRST]) == 0
    assert capsys.readouterr().err == ""


def test_the_other_tables_of_the_file_stay(config: Path) -> None:
    config.parent.mkdir(parents=True)
    config.write_text('providers = ["offline"] # mine\n', encoding="utf-8")
    assert main(["tools", "disable", FIRST]) == 0
    assert config.read_text(encoding="utf-8").startswith('providers = ["offline"] # mine\n')
    assert read_config(config)[DISABLE] == (FIRST,)


def test_the_list_reads_well_when_piped(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tools", "--disable", FIRST]) == 0
    lines = capsys.readouterr().out.splitlines()
    line = next(line for line in lines if line.startswith(FIRST))
    assert line.split() == [FIRST, "off", "switched", "off", "by", "the", "command", "line"]
    assert "\x1b" not in "".join(lines)


def test_models_show_every_row_and_every_column(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--disable", FIRST]) == 0
    shown = capsys.readouterr().out
    assert all(heading in shown for heading in COLUMNS)
    for row in ROWS:
        line = next(line for line in shown.splitlines() if line.startswith(row.tool))
        rest = line.removeprefix(row.tool)
        for cell in COLUMNS.values():
            assert cell(row) in rest
            rest = rest.partition(cell(row))[2]
    assert "switched off by the command line" in shown


def test_models_as_json_hold_the_rows(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--json", "--disable", FIRST]) == 0
    models = {one["tool"]: one for one in json.loads(capsys.readouterr().out)}
    assert list(models) == [row.tool for row in ROWS]
    assert {name: one["on"] for name, one in models.items()} == {row.tool: row.tool != FIRST for row in ROWS}
    for row in ROWS:
        assert models[row.tool]["table"] == {heading: cell(row) for heading, cell in COLUMNS.items()}
        assert list(models[row.tool]["input_schema"]["properties"])
        assert set(models[row.tool]["operations"]) == {str(name) for name in row.operations}


@pytest.mark.parametrize("row", [row for row in ROWS if row.editions], ids=lambda row: row.tool)
def test_the_editions_stand_below_the_table_with_the_days_on_which_they_end(
    row: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models"]) == 0
    heading, *lines = (line.split("\t") for line in capsys.readouterr().out.splitlines())
    line = next(dict(zip(heading, line, strict=True)) for line in lines if line[0] == row.tool)["editions"]
    names = next(one.arguments[MODEL].values for one in row.operations.values() if MODEL in one.arguments)
    assert line.startswith(names[0])
    for name in names:
        end = row.editions[name].ends
        assert (f"{name} (until {end})" if end else name) in line.split(", ")


def test_prices_are_those_of_every_route_with_their_source(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--prices", "--json"]) == 0
    prices = json.loads(capsys.readouterr().out)
    assert [(one["provider"], one["tool"], one["operation"], one["model"], one["usd"]) for one in prices] == [
        (route.provider, route.tool, str(route.operation), route.model, route.price.usd) for route in all_routes()
    ]
    assert [list(one["table"].values()) for one in prices] == [
        list(route.price.table.values()) for route in all_routes()
    ]
    assert all(one["source"] for one in prices if one["usd"] is not None)
    assert all(one["checked"] for one in prices if one["usd"])

    assert main(["models", "--prices"]) == 0
    _, *lines = capsys.readouterr().out.splitlines()
    for line, route in zip(lines, all_routes(), strict=True):
        assert line.split("\t")[:3] == [route.provider, route.tool, str(route.operation)]
        assert {route.model, *route.models.values()} == set(line.split("\t")[4].split(", "))
        assert route.price.source in line
        assert len(line) <= LONGEST_LINE
        figures = [*route.price.table.values(), *(usd for _, usd in route.price.by_side)]
        assert {f"{usd:g}" for usd in figures and (min(figures), max(figures))} <= set(re.split("[^0-9.]", line))
        charged = route.price.per_input > 0 and "images" in route.takes
        assert (f"{route.price.per_input:g} for each input picture" in line) == charged
        assert ("after the first" in line) == (charged and route.price.inputs_free > 0)


def test_on_a_terminal_a_model_that_generates_and_edits_at_one_price_is_one_row(
    terminal: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["models", "--prices"]) == 0
    lines = [re.split(r" {2,}", line.strip()) for line in terminal.plain()]
    for route in all_routes():
        if route.edition in ("", EVERY_EDITION) or route.price.table:
            continue
        rows = [line for line in lines if line[:2] == [route.provider, route.edition] and line[-1] == route.model]
        assert [line[3].partition(";")[0] for line in rows] == [f"{route.price.usd:g}"] * len(rows)
        does = ", ".join(line[2] for line in rows)
        assert does.count(verb(route.operation)) == 1, rows


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.tool)
def test_every_tool_has_a_page(row: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["guide", row.tool]) == 0
    text = capsys.readouterr().out
    assert text.startswith("# ")
    assert text.endswith("\n")


def test_the_overview_speaks_of_what_is_on_only(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["guide", "--disable", FIRST]) == 0
    text = capsys.readouterr().out
    assert SECOND in text
    assert FIRST not in text


def test_a_page_that_is_off_or_unknown_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["guide", FIRST, "--disable", FIRST]) == 2
    assert f"{FIRST} is off: switched off by the command line" in capsys.readouterr().err
    assert main(["guide", f"{SECOND}x"]) == 2
    assert f"did you mean {SECOND!r}?" in capsys.readouterr().err


@pytest.mark.parametrize(("variable", "coloured"), [("", True), ("NO_COLOR", False)])
@pytest.mark.parametrize("words", [["models"], ["tools"]])
def test_colours_are_for_terminals_that_want_them(
    words: list[str],
    variable: str,
    coloured: bool,  # noqa: FBT001 - pytest passes by name
    terminal: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stdout", terminal)
    if variable:
        monkeypatch.setenv(variable, "1")
    assert main(words) == 0
    assert ("\x1b[3" in terminal.getvalue() or ";3" in terminal.getvalue()) == coloured


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("words", [["models"], ["tools"], ["guide"], ["guide", FIRST], ["models", "--prices"]])
def test_nothing_is_wider_than_the_terminal(
    words: list[str], width: int, terminal: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setenv("COLUMNS", str(width))
    assert main(words) == 0
    # a path is left in one piece, so that it can be copied
    plain = [line for line in terminal.plain() if not line.startswith("Configuration file")]
    assert plain
    assert all(len(line) <= width for line in plain)


def test_json_is_ascii_where_the_output_holds_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="cp1252", newline="\n")
    monkeypatch.setattr("sys.stdout", stream)
    output.print_json({"prompt": "fox 狐"})
    stream.flush()
    raw = stream.buffer
    assert isinstance(raw, io.BytesIO)
    assert raw.getvalue().isascii()
    assert json.loads(raw.getvalue()) == {"prompt": "fox 狐"}
