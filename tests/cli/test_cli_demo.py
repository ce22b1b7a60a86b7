"""The demo: every row shown, every operation shown, with the real server and nothing set up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from imagewright.catalog.load import catalog
from imagewright.catalog.row import OperationName, Row
from imagewright.cli.commands.demo import cast_operations, lay_out, scenes
from imagewright.cli.main import main
from imagewright.engine.check import check
from imagewright.imaging.files import probe

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
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


def test_the_demo_calls_every_tool_and_writes_pictures_and_one_sheet_more(
    tmp_path: Path, home: Path, spawn: Callable[..., CompletedProcess[str]]
) -> None:
    """The one whole run, as a newcomer starts it: no option, and here not for the first time."""
    out = home / "pictures" / "demo"
    out.mkdir(parents=True)
    earlier = out / "contact-sheet.png"
    earlier.write_text("of an earlier demo", encoding="utf-8")
    done = spawn("-m", "imagewright", "demo", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    for row in ROWS:
        pictures = sorted(out.glob(f"{row.tool}*"))
        assert pictures, row.tool
        assert f"{row.tool}: " in done.stderr
        assert row.tool in done.stdout
    (sheet,) = (one for one in out.glob("contact-sheet*") if one != earlier)
    assert probe(sheet).width > 600
    assert str(sheet) in done.stdout
    assert earlier.read_text(encoding="utf-8") == "of an earlier demo"
    assert "\x1b" not in done.stdout + done.stderr
    assert not list((home / "pictures").glob("*.png"))


@pytest.mark.usefixtures("importable")
def test_out_is_where_it_goes_and_only_the_tools_that_are_on_are_shown(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = next(row for row in ROWS if OperationName.REFRAME in row.operations)
    out = tmp_path / "shown here"
    assert main(["demo", "--tools", row.tool, "--out", str(out)]) == 0
    assert list(out.glob(f"{row.tool}*"))
    assert len(list(out.glob("contact-sheet*"))) == 1
    shown = capsys.readouterr().out
    assert all(other.tool not in shown for other in ROWS if other is not row)
    assert not (home / "pictures" / "demo").exists()


@pytest.mark.parametrize("words", [["--tools", "image_guide"], ["--disable", ",".join(row.tool for row in ROWS)]])
def test_with_no_tool_on_it_says_so(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", *words]) == 1
    assert "imagewright tools" in capsys.readouterr().out
