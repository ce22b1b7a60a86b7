"""What commands print fits every screen without breaking a word, and is a line for each record in a pipe."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from imagewright.catalog.load import catalog
from imagewright.cli import output
from imagewright.cli.main import main
from imagewright.cli.progress import Board, reporting
from imagewright.settings.load import load_settings
from tests.support.seeded_jobs import spend

if TYPE_CHECKING:
    from collections.abc import Sequence

PROMPTS = (
    "a red fox in the snow at dusk, looking at the reader, with mountains far away and a village at their feet",
    "雪の中の赤い狐 🦊 がこちらを見ている、夕暮れの森、とても静かな雰囲気の写真で、遠くに山が見える、そして村が",
    "x",
)
WIDTHS = (60, 80, 100, 200)
HEADINGS = ("name", "what-it is", "words")
ROWS = [("狐🦊", "a-b-c", "some words that are longer than the column"), ("plain", "none", "short")]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A home with pictures and jobs."""
    home = str(tmp_path_factory.mktemp("kept"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IMAGEWRIGHT_HOME", home)
        for tool, prompt in zip(catalog(), PROMPTS, strict=False):
            assert main(["run", tool, prompt, "--quiet"]) == 0
        spend(load_settings(dict(os.environ)).folders.database, 0.1, 0.25, 12.5)
    return home


def shown(width: int, renderable: Any, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("TERM", "xterm-256color")
    screen = Console(width=width, force_terminal=True, no_color=True, highlight=False)
    with screen.capture() as capture:
        screen.print(renderable)
    return [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in capture.get().splitlines()]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(
    "words", [["jobs"], ["gallery"], ["models"], ["models", "--ends"], ["models", "--prices"], ["jobs", "--cost"]]
)
def test_no_line_is_wider_than_the_screen_and_no_word_is_broken(
    words: Sequence[str], width: int, kept: str, terminal: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMAGEWRIGHT_HOME", kept)
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr("sys.stdout", terminal)
    assert main([*words]) == 0
    # a path stays in one piece, so that it can be copied
    lines = [line.rstrip() for line in terminal.plain() if kept not in line]
    assert len(lines) > 3
    assert [line for line in lines if cell_len(line) > width] == []
    whole = re.sub(r"\s+", " ", " ".join(lines))
    for word in ("completed",) if words == ["jobs"] else catalog() if words[0] == "models" and words[1:] == [] else ():
        assert word in whole


@pytest.mark.parametrize(
    "words",
    [
        *(["jobs"], ["jobs", "--cost"], ["gallery"], ["models"], ["models", "--ends"], ["models", "--prices"]),
        *(["tools"], ["keys"], ["config", "show"]),
    ],
)
def test_in_a_pipe_each_record_is_a_line_whose_fields_stand_between_tabs(
    words: list[str], kept: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMAGEWRIGHT_HOME", kept)
    monkeypatch.setenv("COLUMNS", "60")  # some shells hand it on
    capsys.readouterr()
    assert main(words) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 1
    assert all(lines[0].split("\t"))
    assert len({line.count("\t") for line in lines}) == 1
    text = "\n".join(lines)
    assert not set("\x1b─│…") & set(text)
    assert all(prompt in text for prompt in PROMPTS) == (words == ["gallery"])


def test_a_listing_loses_nothing_however_narrow_the_screen_is(monkeypatch: pytest.MonkeyPatch) -> None:
    tables = 0
    for width in range(8, 80):
        lines = shown(width, output.table(HEADINGS, ROWS), monkeypatch)
        assert all(cell_len(line) <= width for line in lines), width
        text = re.sub(r"\s", "", "".join(lines))
        if "─" not in text:
            assert text == re.sub(r"\s", "", "".join(cell for row in ROWS for cell in row)), width
            continue
        tables += 1
        assert {word for row in ROWS for cell in row for word in cell.split()} <= set(" ".join(lines).split()), width
        second = [cell_len(line[: found.start()]) for line in lines if (found := re.search("a-b-c|none", line))]
        assert second[0] == second[1], width
    assert 40 < tables < 72


@pytest.mark.parametrize("text", PROMPTS)
@pytest.mark.parametrize("width", [10, 30, 58, 98, 198])
def test_a_prompt_is_clipped_between_words_where_it_has_such(text: str, width: int) -> None:
    found = output.clipped(text, width)
    assert cell_len(found) <= width
    if found == text:
        assert cell_len(text) <= width
        return
    assert text.startswith(start := found.removesuffix("…"))
    assert found.endswith("…")
    if " " not in text:
        return
    if text.isascii():
        assert not any(one.isalnum() and text[len(start)].isalnum() for one in start[-1:])
    assert cell_len(start) >= width // 2 - 2


@pytest.mark.parametrize(
    ("ago", "short"),
    [(timedelta(0), "%H:%M"), (timedelta(days=1), None), (timedelta(days=800), "%Y-%m-%d %H:%M")],
)
def test_a_moment_is_as_long_as_it_must_be(ago: timedelta, short: str | None) -> None:
    moment = datetime.now(UTC) - ago
    local = moment.astimezone()
    same_year = local.year == datetime.now().astimezone().year
    form = short or ("%b %d %H:%M" if same_year else "%Y-%m-%d %H:%M")
    assert output.when(moment, short=True) == local.strftime(form)
    assert output.when(moment) == local.strftime("%Y-%m-%d %H:%M")


def test_the_blocks_of_a_narrow_screen_are_broken_at_the_same_fields() -> None:
    rows = [[Text(cell) for cell in row] for row in (("id_1", "short", "x"), ("id_2", "much longer than it", "y"))]
    found = list(output.blocks(rows, 20))
    assert [len(block) for block in found] == [3, 3]
    assert all(len(one) == len(other) for one, other in pairwise(found))


@pytest.mark.parametrize("width", [60, 100])
def test_progress_is_one_line_within_the_screen_and_leaves_nothing(
    width: int, terminal: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("COLUMNS", str(width))
    with reporting() as reporter:
        board = Board(reporter, "recraft", 40)
        tell = reporter.begin("qwen")
        tell(0.5, f"submitted\x1b[2J {'and very much more ' * 20}")
        for place in range(3):
            board.began()
            board.ended(f"{place}", good=place > 0, usd=0.005)
        reporter.say("a line that stays")
    frames = [
        re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line) for line in terminal.getvalue().replace("\r", "\n").split("\n")
    ]
    bars = [line for line in frames if "━" in line]
    assert bars
    assert max(map(cell_len, bars)) <= width - len("^C ")  # which a terminal puts behind it
    assert any("3/40, 1 failed, $0.015, about" in line for line in bars)
    assert any("submitted" in line and line.rstrip().endswith("…") for line in bars)
    assert "\x1b[2J" not in terminal.getvalue()
    assert terminal.getvalue().endswith("\x1b[1A\x1b[2K" * 2)  # the lines of both are cleared
    assert "a line that stays" in frames


@pytest.mark.parametrize(("term", "quiet"), [("dumb", False), ("xterm", True)])
def test_where_a_line_cannot_be_redrawn_or_is_not_wanted_there_is_no_bar(
    term: str, *, quiet: bool, terminal: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", term)
    with reporting(quiet=quiet) as reporter:
        Board(reporter, "recraft", 1).ended("a.png: made", good=True, usd=0.0)
    assert terminal.getvalue() == ("" if quiet else "1/1 a.png: made\n")
