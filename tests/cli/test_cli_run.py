"""`imagewright run` and `imagewright gallery`: a call made by hand, its pictures found again, its refusals whole."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from imagewright.catalog.load import catalog
from imagewright.catalog.row import OperationName
from imagewright.cli.main import main
from imagewright.cli.options import option_name
from imagewright.engine.config import all_routes
from imagewright.providers import KEY_VARIABLES
from imagewright.surface.definitions import GALLERY_PICTURE_SCHEMA, JOB_SCHEMA
from imagewright.text import listed
from tests.support.pictures import quarters, saved

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from tests.emulators.kie import KieEmulator

MAKERS = [row for row in catalog().values() if OperationName.GENERATE in row.operations]
MAKER = min(MAKERS, key=lambda row: row.operations[OperationName.GENERATE].rank).tool
COUNTED = min(
    (row for row in MAKERS if "variants" in row.operations[OperationName.GENERATE].arguments),
    key=lambda row: "resolution" in row.operations[OperationName.GENERATE].arguments,
)
"""One that makes several, and small ones."""


def made(capsys: pytest.CaptureFixture[str], tool: str, *words: str) -> dict[str, Any]:
    """The structured result of a call."""
    capsys.readouterr()
    assert main(["run", tool, "--json", *words]) == 0
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    return result


def found(capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, Any]]:
    """The pictures of `imagewright gallery --json`."""
    capsys.readouterr()
    assert main(["gallery", "--json", *words]) == 0
    pictures: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return pictures


def test_a_call_prints_the_paths_of_its_pictures_and_a_summary(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", COUNTED.tool, "--prompt", "a red fox", "--variants", "2"]) == 0
    shown = capsys.readouterr()
    lines = shown.out.splitlines()
    paths = [Path(line) for line in lines if Path(line).is_absolute()]
    assert len(paths) == 2
    assert all(path.is_file() and home in path.parents for path in paths)
    assert sum(line.startswith("  img_") for line in lines) == 2
    assert any(line.startswith("completed by offline") for line in lines)
    assert any(line.startswith("note: ") and "draft" in line.lower() for line in lines)
    assert f"{COUNTED.tool}: completed (100%)" in shown.err
    assert "\x1b" not in shown.out + shown.err


def test_as_json_it_prints_what_a_client_would_get(capsys: pytest.CaptureFixture[str]) -> None:
    result = made(capsys, MAKER, "--prompt", "a red fox")
    assert set(JOB_SCHEMA["required"]) <= set(result) <= set(JOB_SCHEMA["properties"])
    assert result["status"] == "completed"
    assert Path(result["images"][0]["path"]).is_file()


def test_all_problems_of_a_call_come_at_once_each_on_its_line(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--prompt", "", "--variants", "99", "--aspect-ratio", "7:1", "--nosuch", "1"]
    assert main(["run", COUNTED.tool, *words]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    lines = shown.err.splitlines()
    for name in ("--prompt", "--variants", "--aspect-ratio", "--nosuch"):
        assert sum(line.startswith(f"imagewright: {name}: ") for line in lines) == 1
    assert len(lines) == 4
    assert not list(home.rglob("*.png"))


OUTSIDE = [
    (row.tool, name, str(int(highest) + 1))
    for row in catalog().values()
    for name, forms in row.arguments().items()
    if (highest := max(form.maximum or 0 for form in forms))
]
RULED = [
    (row.tool, words, name)
    for row in catalog().values()
    for rule in row.rules
    for name in rule.values
    if "_" in name
    for words in [[word for one, value in rule.when.items() for word in (option_name(one), str(value))]]
]


@pytest.mark.parametrize(("tool", "argument", "value"), OUTSIDE)
def test_a_problem_is_named_by_its_option(
    tool: str, argument: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", tool, option_name(argument), value]) == 2
    assert f"imagewright: {option_name(argument)}: " in capsys.readouterr().err


@pytest.mark.parametrize(("tool", "words", "other"), RULED)
def test_a_rule_between_arguments_names_both_as_options(
    tool: str, words: list[str], other: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", tool, "--prompt", "a fox", *words, option_name(other), "nothing allowed"]) == 2
    shown = capsys.readouterr().err
    assert option_name(other) in next(line for line in shown.splitlines() if words[0] in line)
    assert other not in shown


def test_one_of_several_pictures_is_named_by_its_place(capsys: pytest.CaptureFixture[str], home: Path) -> None:
    tool, name = next(
        (row.tool, name) for row in MAKERS for name, one in row.arguments().items() if one[0].kind == "pictures"
    )
    assert main(["run", tool, "--prompt", "a fox", option_name(name), str(home / "nosuch.png")]) == 2
    assert f"imagewright: {option_name(name)} (picture 1): " in capsys.readouterr().err


def test_a_key_of_another_call_is_named_by_its_option(capsys: pytest.CaptureFixture[str]) -> None:
    made(capsys, COUNTED.tool, "--prompt", "a red fox", "--key", "mine")
    assert main(["run", COUNTED.tool, "--prompt", "an owl", "--key", "mine"]) == 2
    assert "imagewright: --key: " in capsys.readouterr().err


def test_an_option_of_another_tool_names_that_tool_and_guesses_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    scaler = next(row for row in catalog().values() if "scale" in row.arguments())
    other = next(row for row in MAKERS if "scale" not in row.arguments())
    assert main(["run", other.tool, "--prompt", "a fox", "--scale", "2"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        f"imagewright: --scale: {other.tool} has no such option",
        f"imagewright: can do it instead: {scaler.tool}",
    ]


def test_an_option_beside_one_of_another_tool_still_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    editor = next(row for row in MAKERS if "images" in row.arguments() and "scale" not in row.arguments())
    assert main(["run", editor.tool, "--scale", "2", "--image", "a.png", "--prompt", "a fox"]) == 2
    assert f"--image: {editor.tool} has no such option (did you mean '--images'?)\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("--size", "'--aspect-ratio' or '--resolution'"),
        ("--num-images", "'--variants'"),
        ("--image-url", "'--images'"),
        ("--imageUrl", "'--images'"),
        ("--filename", "'--save-as'"),
    ],
)
def test_a_word_of_other_tools_leads_to_the_option_that_is_meant(
    typed: str, meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    row = next(row for row in MAKERS if {"variants", "resolution", "images"} <= {*row.arguments()})
    assert main(["run", row.tool, "--prompt", "a fox", typed, "2"]) == 2
    assert capsys.readouterr().err == f"imagewright: {typed}: {row.tool} has no such option (did you mean {meant}?)\n"


def test_an_endless_option_is_shortened_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", MAKER, "--prompt", "a fox", f"--a-{'b' * 1000}"]) == 2
    assert capsys.readouterr().err == f"imagewright: --a-{'b' * 55}…: {MAKER} has no such option\n"


def test_what_is_no_number_is_not_blamed_for_being_typed(capsys: pytest.CaptureFixture[str]) -> None:
    row, name = next((row, name) for row in MAKERS for name, one in row.arguments().items() if one[0].kind == "integer")
    assert main(["run", row.tool, "--prompt", "a fox", option_name(name), "many"]) == 2
    assert capsys.readouterr().err == f"imagewright: {option_name(name)}: must be a whole number\n"


def test_a_word_without_an_option_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", MAKER, "a", "fox"]) == 2
    assert "'a' and 'fox' belong to no option" in capsys.readouterr().err


def test_a_budget_is_for_the_person_at_the_terminal_to_raise(
    kie: KieEmulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("IMAGEWRIGHT_BUDGET_PER_CALL", "0.0001")
    assert main(["run", MAKER, "--prompt", "a red fox"]) == 2
    shown = capsys.readouterr().err
    assert "raise the budget" in shown
    assert "the user" not in shown
    assert not kie.tasks


def test_an_unknown_tool_names_the_nearest_and_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", f"{MAKER}x", "--prompt", "a"]) == 2
    text = capsys.readouterr().err
    assert f"did you mean {MAKER!r}?" in text
    assert all(tool in text for tool in catalog())


def test_without_a_tool_it_says_what_each_is_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run"]) == 2
    shown = " ".join(capsys.readouterr().err.split())
    assert all(f"{row.tool} {row.first_choice}" in shown for row in catalog().values())


def test_a_tool_that_is_off_names_what_can_do_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--disable", MAKER, MAKER, "--prompt", "a fox"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == f"imagewright: {MAKER} is off: switched off by the command line"
    others = {row.tool for row in MAKERS} - {MAKER}
    assert set(lines[1].partition("instead: ")[2].split(", ")) == others


def test_a_picture_beside_the_user_is_taken_by_its_relative_path(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    row = next(row for row in catalog().values() if OperationName.REMOVE_BACKGROUND in row.operations)
    argument = next(name for name, one in row.arguments().items() if one[0].kind == "picture")
    beside = tmp_path / "beside"
    beside.mkdir()
    side = row.pictures.min_side or 64
    (beside / "vase.png").write_bytes(saved(quarters(side, side), "png"))
    monkeypatch.setenv("IMAGEWRIGHT_ROOTS", str(beside))
    monkeypatch.chdir(beside)
    result = made(capsys, row.tool, option_name(argument), "vase.png")
    assert result["operation"] == "remove_background"
    assert home in Path(result["images"][0]["path"]).parents


def test_a_picture_outside_the_roots_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outside = tmp_path / "elsewhere.png"
    outside.write_bytes(b"\x89PNG\r\n\x1a\n")
    row = next(row for row in catalog().values() if any(one[0].kind == "picture" for one in row.arguments().values()))
    argument = next(name for name, one in row.arguments().items() if one[0].kind == "picture")
    assert main(["run", row.tool, option_name(argument), str(outside)]) == 2
    assert f"imagewright: {option_name(argument)}: " in capsys.readouterr().err


def test_the_gallery_finds_by_text_tool_day_parent_and_limit(capsys: pytest.CaptureFixture[str]) -> None:
    fox = made(capsys, MAKER, "--prompt", "a red fox in the snow")["images"][0]["id"]
    owl = made(capsys, COUNTED.tool, "--prompt", "an owl")["images"][0]["id"]
    everything = found(capsys)
    assert [one["id"] for one in everything] == [owl, fox]
    assert set(everything[0]) <= set(GALLERY_PICTURE_SCHEMA["properties"])
    assert [one["id"] for one in found(capsys, "snow")] == [fox]
    assert [one["id"] for one in found(capsys, "--tool", COUNTED.tool)] == [owl]
    assert [one["id"] for one in found(capsys, "--limit", "1")] == [owl]
    assert [one["id"] for one in found(capsys, "--day", "2000-01-01")] == []
    assert found(capsys, "--parent", fox) == []


def test_the_gallery_in_a_pipe_is_a_line_for_each_picture_with_nothing_cut(capsys: pytest.CaptureFixture[str]) -> None:
    prompt = ("word " * 60).strip()
    picture = made(capsys, MAKER, "--prompt", prompt)["images"][0]
    assert main(["gallery"]) == 0
    heading, line = capsys.readouterr().out.splitlines()
    found = dict(zip(heading.split("\t"), line.split("\t"), strict=True))
    assert (found["id"], found["path"], found["prompt"]) == (picture["id"], picture["path"], prompt)
    assert found["size"] == f"{picture['width']}x{picture['height']}"


def test_on_a_narrow_terminal_paths_stay_in_one_piece(
    terminal: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = made(capsys, MAKER, "--prompt", "word " * 60)["images"][0]
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("sys.stdout", terminal)
    assert main(["gallery"]) == 0
    lines = terminal.plain()
    assert lines[0].startswith(f"{picture['id']}  ")
    assert len(lines[1]) <= 80
    assert lines[2] == f"  {picture['path']}"


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        (["gallery"], f'imagewright run {MAKER} "a red fox"'),
        (["gallery", "--limit", "3"], f'imagewright run {MAKER} "a red fox"'),
        (["gallery", "nothing like it"], "All there are: imagewright gallery"),
        (["gallery", "--tool", "nosuch"], "All there are: imagewright gallery"),
    ],
)
def test_an_empty_gallery_says_what_to_type(words: list[str], advice: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 0
    assert advice in capsys.readouterr().err
    assert found(capsys) == []


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--limit", "0"], "'--limit': '0'"),
        (["--limit", "many"], "'--limit': 'many'"),
        (["--day", "yesterday-ish"], "--day: 'yesterday-ish'"),
        ([" ".join(map(str, range(101)))], "TEXT: has 101 words"),
    ],
)
def test_a_wrong_search_is_code_2(words: list[str], named: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gallery", *words]) == 2
    assert named in capsys.readouterr().err


def test_a_key_joins_a_second_call_to_the_first_and_without_one_it_is_a_new_job(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = [COUNTED.tool, "--prompt", "a red fox"]
    first, second = (made(capsys, *words, "--key", "mine") for _ in range(2))
    assert first["job_id"] == second["job_id"]
    assert "joined" in second["notes"][-1]
    assert made(capsys, *words)["job_id"] != made(capsys, *words)["job_id"]


def test_explain_names_every_provider_of_the_edition_and_the_later_editions_and_does_nothing(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    editions = list(catalog()[MAKER].editions)
    able: dict[str, set[str]] = {}
    for route in all_routes():
        if (route.tool, route.operation) == (MAKER, OperationName.GENERATE) and KEY_VARIABLES[route.provider]:
            able.setdefault(route.edition, set()).add(route.provider)
            monkeypatch.setenv(KEY_VARIABLES[route.provider][0], "never-sent")
    assert main(["run", MAKER, "--prompt", "a red fox", "--explain"]) == 0
    lines = capsys.readouterr().out.splitlines()
    *looked_at, later = lines
    assert {line.split(" ")[0] for line in looked_at} == able[editions[0]]
    assert later == f"not considered, as model was left out: {listed(name for name in editions[1:] if name in able)}"
    assert sum("taken" in line for line in lines) == 1
    assert main(["run", MAKER, "--prompt", "a red fox", "--explain", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == lines
    assert main(["run", MAKER, "--explain", "--prompt", ""]) == 2
    assert not home.exists()


def test_where_nobody_can_be_asked_a_price_above_the_threshold_is_refused(
    kie: KieEmulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("IMAGEWRIGHT_CONFIRM_ABOVE", "0")
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert main(["run", MAKER, "--prompt", "a red fox"]) == 2
    text = capsys.readouterr().err
    assert "$" in text
    assert "--yes" in text
    assert "IMAGEWRIGHT_CONFIRM_ABOVE" in text
    assert not kie.tasks


@pytest.mark.parametrize(
    ("answer", "sent"), [("y\n", True), ("Yes\n", True), ("n\n", False), ("\n", False), ("", False), ("--yes", True)]
)
def test_on_a_terminal_the_user_is_asked_and_silence_is_no(
    answer: str,
    sent: bool,  # noqa: FBT001 - pytest passes by name
    kie: KieEmulator,
    terminal: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # an empty account lets a sent call fail at once
    kie.credits = 0
    monkeypatch.setenv("IMAGEWRIGHT_CONFIRM_ABOVE", "0")
    monkeypatch.setattr("sys.stdin", type(terminal)(answer))
    monkeypatch.setattr("sys.stderr", terminal)
    beforehand = ["--yes"] if answer == "--yes" else []
    assert main(["run", MAKER, "--prompt", "a red fox", *beforehand]) == 1
    shown = "\n".join(terminal.plain())
    assert ("[y/N]" in shown) == (not beforehand)
    assert ("nothing was spent" in shown) == (not sent)
    assert ("imagewright: kie " in shown) == sent


def test_the_real_command_makes_a_picture(spawn: Callable[..., subprocess.CompletedProcess[str]], home: Path) -> None:
    done = spawn("-m", "imagewright", "run", MAKER, "--prompt", "a red fox")
    assert done.returncode == 0, done.stderr
    path = Path(done.stdout.splitlines()[0])
    assert path.is_file()
    assert home in path.parents
    assert os.fspath(path).endswith(".png")
