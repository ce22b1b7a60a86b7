"""The demo: every row shown, every operation shown, with the real server and nothing set up."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from imagewright.catalog.load import catalog
from imagewright.catalog.row import OperationName, Row
from imagewright.cli.commands.demo import MADE, cast_operations, clear, lay_out, scenes
from imagewright.cli.main import main
from imagewright.engine.check import check
from imagewright.imaging.files import probe

if TYPE_CHECKING:
    from collections.abc import Callable
    from subprocess import CompletedProcess

ROWS = list(catalog().values())
STRANGE_LIMITS: dict[str, dict[str, Any]] = {
    "choice": {"values": ("a", "b")},
    "integer": {"minimum": 3, "maximum": 9},
    "number": {"maximum": 0.5},
    "boolean": {},
    "text": {"min_length": 3},
}


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return dict(lay_out(tmp_path_factory.mktemp("samples")))


def test_every_operation_is_shown_by_somebody() -> None:
    chosen = cast_operations(ROWS)
    assert sorted(chosen) == sorted(row.tool for row in ROWS)
    assert set(chosen.values()) == {name for row in ROWS for name in row.operations}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.tool)
def test_every_call_is_one_the_engine_takes(row: Row, samples: dict[str, Path], tmp_path: Path) -> None:
    (scene,) = (one for one in scenes(ROWS, samples, tmp_path) if one.row is row)
    checked = check(row, dict(scene.arguments))
    assert checked.problems == ()
    assert checked.operation == scene.operation


@pytest.mark.parametrize(("row", "operation"), [(row, operation) for row in ROWS for operation in row.operations])
def test_a_row_with_that_operation_alone_is_shown_too(
    row: Row, operation: OperationName, samples: dict[str, Path], tmp_path: Path
) -> None:
    """What an eighth row would be: any one operation, under a name the demo has never heard of."""
    alone = row.model_copy(update={"tool": "eighth", "operations": {operation: row.operations[operation]}})
    (scene,) = scenes([alone], samples, tmp_path)
    assert check(alone, dict(scene.arguments)).problems == ()


def test_a_required_argument_nobody_has_heard_of_gets_an_allowed_value(
    samples: dict[str, Path], tmp_path: Path
) -> None:
    row = ROWS[0]
    name, operation = next(iter(row.operations.items()))
    strange: dict[str, dict[str, Any]] = {
        f"strange_{kind}": {"kind": kind, "describe": "Strange", "required": True, **limits}
        for kind, limits in STRANGE_LIMITS.items()
    }
    content: dict[str, Any] = operation.model_dump()
    content["arguments"] |= strange
    odd = Row.model_validate(row.model_dump(exclude={"operations"}) | {"operations": {name: content}})
    (scene,) = scenes([odd], samples, tmp_path)
    assert check(odd, dict(scene.arguments)).problems == ()
    assert set(strange) <= set(scene.arguments)


@pytest.mark.usefixtures("importable")
def test_every_tool_is_called_and_a_second_demo_replaces_what_the_first_has_made(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The one whole run, as a newcomer starts it, and then one with options; the library knows of neither."""
    out = home / "pictures" / "demo"
    out.mkdir(parents=True)
    earlier = out / "contact-sheet.png"
    earlier.write_text("the user's own", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert main(["demo"]) == 0
    done = capsys.readouterr()
    for row in ROWS:
        pictures = sorted(out.glob(f"{row.tool}*"))
        assert pictures, row.tool
        assert f"{row.tool}: " in done.err
        assert row.tool in done.out
    (sheet,) = (one for one in out.glob("contact-sheet*") if one != earlier)
    assert probe(sheet).width > 600
    assert str(sheet) in done.out
    assert "\x1b" not in done.out + done.err

    row = next(row for row in ROWS if OperationName.REFRAME in row.operations)
    mine, *replaced = sorted(out.glob(f"{row.tool}*"))
    mine.write_text("changed by the user", encoding="utf-8")
    assert main(["demo", "--tools", row.tool, "--out", str(out)]) == 0
    shown = capsys.readouterr().out
    assert all((one.tool in shown) is (one is row) for one in ROWS)
    assert {*replaced, mine, earlier, sheet} <= {*out.glob("*.png")}
    assert {file.name.partition("-")[0] for file in out.glob("*.png")} == {row.tool, "contact"}
    assert (earlier.read_text("utf-8"), mine.read_text("utf-8")) == ("the user's own", "changed by the user")

    assert not list((home / "pictures").glob("*.png"))
    assert (main(["gallery", "--json"]), main(["jobs", "--json"])) == (0, 0)
    assert capsys.readouterr().out.split() == ["[]", "[]"]


@pytest.mark.parametrize("note", ["no JSON", "[1]", '{"../other.png": "0", "gone.png": "0", "kept.png": 3}'])
def test_a_note_that_somebody_has_edited_removes_nothing(note: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    others = [tmp_path / "other.png", out / "kept.png"]
    for file in others:
        file.write_bytes(b"not ours")
    (out / MADE).write_text(note, encoding="utf-8")
    clear(out)
    assert [*map(Path.read_bytes, others)] == [b"not ours"] * 2


def test_something_is_on_the_screen_before_the_protocol_is_loaded(spawn: Callable[..., CompletedProcess[str]]) -> None:
    program = (
        "import sys; from imagewright.cli.main import main; main(['demo', '--tools', 'image_guide']);"
        "print([name for name in ('mcp', 'httpx') if name in sys.modules])"
    )
    lines = spawn("-c", program).stdout.splitlines()
    assert lines[0].startswith("Imagewright ")
    assert lines[-1] == "[]"


@pytest.mark.parametrize("words", [["--tools", "image_guide"], ["--disable", ",".join(row.tool for row in ROWS)]])
def test_with_no_tool_on_it_says_so(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", *words]) == 1
    assert "imagewright tools" in capsys.readouterr().out
