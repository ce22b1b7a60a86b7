"""`imagewright run TOOL --images ... --into FOLDER`: one call for each picture, none of them paid twice."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from imagewright.catalog.load import catalog
from imagewright.catalog.row import OperationName
from imagewright.cli.inputs import Input, result_names
from imagewright.cli.main import main
from tests.support.pictures import saved

if TYPE_CHECKING:
    from tests.emulators.kie import KieEmulator

ONE = next(row for row in catalog().values() if OperationName.REMOVE_BACKGROUND in row.operations)
"""Takes one picture in a call."""
SEVERAL = next(
    row for row in catalog().values() if any((form.max_items or 0) > 1 for form in row.arguments().get("images", ()))
)
"""Takes several."""
SIDE = 256
MANY = 40
PATIENCE = 60.0
"""Seconds until what never comes fails the test."""

pytestmark = pytest.mark.usefixtures("hurried")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the user stands, which may be read and written."""
    place = tmp_path / "place"
    (place / "photos").mkdir(parents=True)
    monkeypatch.chdir(place)
    monkeypatch.setenv("IMAGEWRIGHT_ROOTS", str(place))
    return place


def put_photos(folder: Path, *names: str) -> None:
    """A picture of its own under each name."""
    for name in names:
        file = folder / "photos" / name
        file.parent.mkdir(exist_ok=True)
        grey = len(list((folder / "photos").rglob("*.*")))
        file.write_bytes(saved(Image.new("RGB", (SIDE, SIDE), (grey, 90, 160)), "png"))


def run(*words: str, tool: str = ONE.tool, pictures: str = "photos/*") -> int:
    return main(["run", tool, "--images", pictures, "--into", "out", *words])


def rows(text: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(text)
    return found


def test_each_picture_gets_a_call_and_a_result_of_its_name_and_a_second_run_makes_nothing(
    folder: Path, kie: KieEmulator, capsys: pytest.CaptureFixture[str]
) -> None:
    kie.seconds = 0
    put_photos(folder, "a.png", "b.png", "c d.png")
    assert run("--json") == 0
    first = rows(capsys.readouterr().out)
    assert [(one["input"], one["status"]) for one in first] == [
        ("photos/a.png", "made"),
        ("photos/b.png", "made"),
        ("photos/c d.png", "made"),
    ]
    assert sorted(file.name for file in (folder / "out").iterdir()) == ["a.png", "b.png", "c d.png"]
    put_photos(folder, "e.png")
    assert run("--json", "--quiet") == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    second = rows(shown.out)
    assert [one["status"] for one in second] == ["made before"] * 3 + ["made"]
    assert [one["job"]["job_id"] for one in second[:3]] == [one["job"]["job_id"] for one in first]
    assert len(kie.tasks) == len(kie.charges) == 4
    assert main(["run", ONE.tool, "--images", "photos", "--into", "elsewhere", "--quiet"]) == 0
    shown = capsys.readouterr()
    assert [Path(line).parent.name for line in shown.out.splitlines()] == ["elsewhere"] * 4
    assert shown.err == ""
    assert len(kie.charges) == 8


def test_what_would_be_done_is_said_with_its_price_and_nothing_is_begun(
    folder: Path, home: Path, kie: KieEmulator, capsys: pytest.CaptureFixture[str]
) -> None:
    put_photos(folder, "a.png", "b.png")
    assert run("--dry-run") == 0
    shown = capsys.readouterr()
    heading, *lines = [line for line in shown.out.splitlines() if "─" not in line]
    assert heading.split() == ["picture", "result", "status", "cost"]
    assert [re.split(r"\t|  +", line.strip())[0] for line in lines] == ["photos/a.png", "photos/b.png"]
    assert re.fullmatch(r"2 pictures: 2 to make, for about \$0\.\d+ by kie\n", shown.err)
    assert not kie.tasks
    assert not (folder / "out").exists()
    assert not home.exists()


@pytest.mark.parametrize(("limit", "room"), [("BUDGET_PER_DAY", 1), ("BUDGET_PER_MONTH", 1), ("BUDGET_PER_CALL", 0)])
def test_a_budget_without_room_for_all_refuses_before_the_first(
    limit: str,
    room: int,
    folder: Path,
    *,
    kie: KieEmulator,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    put_photos(folder, "a.png", "b.png", "c.png")
    assert run("--dry-run", "--json") == 0
    usd = rows(capsys.readouterr().out)[0]["estimate"]["usd"]
    monkeypatch.setenv(f"IMAGEWRIGHT_{limit}", str(usd * 1.5 if room else usd / 2))
    assert run() == 2
    shown = capsys.readouterr().err
    assert "nothing was begun" in shown
    assert "raise" in shown
    assert (f"there is room for {room}." in shown) == bool(room)
    assert f"${usd * 3 if room else usd:.4g}" in shown
    assert not kie.tasks


def test_above_the_threshold_the_whole_batch_is_asked_about_once(
    folder: Path, kie: KieEmulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kie.seconds = 0
    put_photos(folder, "a.png", "b.png")
    monkeypatch.setenv("IMAGEWRIGHT_CONFIRM_ABOVE", "0.0001")
    assert run() == 2
    shown = capsys.readouterr().err
    assert shown.count("These 2 calls cost about $") == 1
    assert "--yes" in shown
    assert not kie.tasks
    assert run("--yes") == 0
    assert len(kie.charges) == 2


def test_what_is_no_picture_stops_all_before_anything_is_spent_unless_it_is_left_out(
    folder: Path, kie: KieEmulator, capsys: pytest.CaptureFixture[str]
) -> None:
    kie.seconds = 0
    put_photos(folder, "a.png", "b.png")
    (folder / "photos" / "notes.txt").write_text("nothing to see", encoding="utf-8")
    (folder / "photos" / "empty.png").write_bytes(b"")
    assert run() == 2
    shown = capsys.readouterr().err
    assert "photos/notes.txt: " in shown
    assert "photos/empty.png: " in shown
    assert "--skip makes the other 2" in shown
    assert "a.png" not in shown
    assert not kie.tasks
    assert run("--skip") == 5
    assert sorted(file.name for file in (folder / "out").iterdir()) == ["a.png", "b.png"]
    assert len(kie.charges) == 2


def test_a_mistake_in_the_call_is_said_once_and_not_for_each_picture(
    folder: Path, kie: KieEmulator, capsys: pytest.CaptureFixture[str]
) -> None:
    put_photos(folder, "a.png", "b.png", "c.png")
    assert run("a fox", "--each", "--aspect-ratio", "7:1", tool=SEVERAL.tool) == 2
    shown = capsys.readouterr().err
    assert shown.count("--aspect-ratio: ") == 1
    assert "photos/" not in shown
    assert not kie.tasks


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["run", ONE.tool, "--images", "photos/*.png"], "--into FOLDER makes one call for each"),
        (["run", ONE.tool, "--into", "out"], "--images: is required"),
        (
            ["run", ONE.tool, "--images", "nosuch/*.png", "--into", "out"],
            "nosuch/*.png names no picture: nothing matches",
        ),
        (["run", ONE.tool, "--images", "photos/nosuch.png", "--into", "out"], "There is no file"),
        (["run", ONE.tool, "--images", "", "--into", "out"], "an empty text names no picture"),
        (["run", ONE.tool, "--images", "photos/a.png", " ", "--into", "out"], "an empty text names no picture"),
        (["run", ONE.tool, "--images", "photos", "--into", "photos"], "name another folder after --into"),
        (["run", ONE.tool, "--images", "photos", "--into", "photos/a.png"], "is a file, not a folder"),
        (["run", ONE.tool, "--images", "photos", "--into", "photos/a.png/below"], "a.png is a file, not a folder"),
        (["run", ONE.tool, "--images", "photos", "--into", ""], "--into: is empty"),
        (["run", ONE.tool, "--images", "photos", "--into", "/proc/nowhere"], "imagewright: '/proc/nowhere' leads to"),
        (["run", ONE.tool, "photos/a.png", "photos/b.png", "--into", "out"], "many behind --images with --into"),
        (
            ["run", SEVERAL.tool, "--images", "photos/*", "winter", "--each", "--into", "out"],
            "'winter' is no file; a prompt stands before --images",
        ),
        (["run", ONE.tool, "--images", "photos", "--into", "out", "--key", "k"], "--key: does not go with --into"),
        (["run", ONE.tool, "--images", "photos", "--into", "out", "--save-as", "k"], "--save-as: does not go with"),
        (["run", ONE.tool, "--image", "photos/a.png", "--skip"], "--skip: goes with --into FOLDER"),
        (["run", ONE.tool, "--images", "photos", "--into", "out", "--explain"], "--explain: is for one call"),
        (["run", ONE.tool, "--images", "photos", "--into", "out", "--open"], "--open: is for one call"),
        (["run", ONE.tool, "--images", "data:image/png;base64,AAAA", "--into", "out"], "a data URI has no name"),
        (["run", ONE.tool, "--image", "photos/a.png", "photos/b.png"], "many behind --images with --into"),
        (["run", SEVERAL.tool, "a fox", "--images", "photos", "--into", "out"], "--each makes one call for each"),
    ],
)
def test_what_is_not_clear_is_refused_with_what_to_type(
    words: list[str], answer: str, folder: Path, kie: KieEmulator, capsys: pytest.CaptureFixture[str]
) -> None:
    put_photos(folder, "a.png", "b.png")
    assert main(words) == 2
    assert answer in capsys.readouterr().err
    assert not kie.tasks
    assert not (folder / "out").exists()


def test_results_are_no_inputs_of_the_next_run_and_nothing_is_overwritten(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put_photos(folder, "a.png", "sub/a.png")
    (folder / "photos" / "out").mkdir()
    (folder / "photos" / "out" / "a-png.png").write_bytes(b"mine")
    words = ["run", ONE.tool, "--images", "photos/**/*.png", "--into", "photos/out", "--json"]
    assert main(words) == 0
    first = capsys.readouterr()
    assert "left out: 1 picture in" in first.err
    made = {Path(one["job"]["images"][0]["path"]).name for one in rows(first.out)}
    assert made == {"photos-a-png.png", "sub-a-png.png"}
    assert (folder / "photos" / "out" / "a-png.png").read_bytes() == b"mine"
    assert main(words) == 0
    assert {one["status"] for one in rows(capsys.readouterr().out)} == {"made before"}


@pytest.mark.parametrize(
    ("files", "names"),
    [
        (["/p/a.jpg", "/p/b.jpg"], ["a", "b"]),
        (["/p/a.jpg", "/p/a.png", "/p/b.png"], ["a-jpg", "a-png", "b"]),
        (["/p/A.jpg", "/p/a.png"], ["A-jpg", "a-png"]),
        (["/p/a.jpg", "/q/a.jpg"], ["p-a-jpg", "q-a-jpg"]),
        (["/x/p/a.jpg", "/y/p/a.jpg"], ["p-a-jpg", "p-a-jpg-2"]),
        (["/p/holiday.2024.jpg"], ["holiday.2024"]),
        (["https://example.com/x/cat.webp?key=secret", "img_abc"], ["cat", "img_abc"]),
        (["/p/star*.png", "/p/star?.png", "/p/-dash.png"], ["p-star_-png", "p-star_-png-2", "dash"]),
    ],
)
def test_two_results_never_have_the_same_name(files: list[str], names: list[str]) -> None:
    assert result_names([Input(file, file) for file in files]) == names


def test_files_with_names_that_no_new_file_may_have_get_results_all_the_same(
    folder: Path, kie: KieEmulator, capsys: pytest.CaptureFixture[str]
) -> None:
    kie.seconds = 0
    names = ("star*", "-dash", 'quote"', "x" * 251, "f\u0308r", " ")
    put_photos(folder, *(f"{name}.png" for name in names))
    assert run("--json", pictures="photos") == 0
    shown = rows(capsys.readouterr().out)
    assert len(kie.charges) == len({one["job"]["images"][0]["path"] for one in shown}) == len(names)


def test_what_is_the_same_as_a_file_that_cannot_be_used_cannot_be_used_either(
    folder: Path, kie: KieEmulator, capsys: pytest.CaptureFixture[str]
) -> None:
    put_photos(folder, "a.png")
    for place in range(8):
        (folder / "photos" / f"text{place}.png").write_text("hello", encoding="utf-8")
    assert run() == 2
    shown = capsys.readouterr().err
    assert "text0.png, photos/text1.png, photos/text2.png, photos/text3.png, photos/text4.png and 3 more: " in shown
    assert "--skip makes the other 1\n" in shown
    (folder / "photos" / "a.png").unlink()
    assert run("--skip") == 2
    assert "--skip" not in capsys.readouterr().err
    assert not kie.tasks


def test_drafts_made_without_a_key_do_not_keep_the_pictures_from_being_made_with_one(
    folder: Path, kie: KieEmulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kie.seconds = 0
    put_photos(folder, "a.png", "b.png")
    monkeypatch.setenv("KIE_API_KEY", "")
    words = ("make it winter", "--each", "--json")
    assert run(*words, tool=SEVERAL.tool) == run(*words, tool=SEVERAL.tool) == 0
    assert capsys.readouterr().err.count("note: ") == 1
    monkeypatch.setenv("KIE_API_KEY", kie.key)
    for statuses in (["made", "made"], ["made before", "made before"]):
        assert run(*words, tool=SEVERAL.tool) == 0
        shown = rows(capsys.readouterr().out)
        assert [one["status"] for one in shown] == statuses
        assert {one["job"]["provider"] for one in shown} == {"kie"}
        assert len(kie.charges) == 2
    assert len(list((folder / "out").iterdir())) == 4


def test_the_same_content_is_made_once(folder: Path, kie: KieEmulator, capsys: pytest.CaptureFixture[str]) -> None:
    kie.seconds = 0
    put_photos(folder, "a.png")
    (folder / "photos" / "copy.png").write_bytes((folder / "photos" / "a.png").read_bytes())
    assert run("--json") == 0
    assert [one["status"] for one in rows(capsys.readouterr().out)] == ["made", "same as another"]
    assert [file.name for file in (folder / "out").iterdir()] == ["a.png"]
    assert len(kie.charges) == 1


def test_what_was_paid_and_is_gone_is_made_again_only_when_that_is_asked_for(
    folder: Path, kie: KieEmulator, capsys: pytest.CaptureFixture[str]
) -> None:
    kie.seconds = 0
    put_photos(folder, "a.png", "b.png")
    assert run("--quiet") == 0
    (folder / "out" / "a.png").unlink()
    capsys.readouterr()
    assert run() == 5
    assert "photos/a.png: " in (shown := capsys.readouterr().err)
    assert "--again makes and pays it anew" in shown
    assert len(kie.charges) == 2
    assert run("--again", "--quiet") == 0
    assert run("--again", "--quiet") == run("--quiet") == 0
    assert (folder / "out" / "a.png").is_file()
    assert len(kie.charges) == 3


def test_some_that_fail_have_a_code_of_their_own_and_are_tried_again(
    folder: Path, kie: KieEmulator, capsys: pytest.CaptureFixture[str]
) -> None:
    kie.seconds = 0
    put_photos(folder, "a.png", "b.png", "c.png")
    kie.fail_task_next("500", "the model broke")
    assert run("--at-once", "1") == 5
    shown = capsys.readouterr()
    assert "the model broke" in shown.err
    assert "3 pictures: 1 failed, 2 made; " in shown.err
    assert "1/3 photos/a.png: failed" in shown.err
    assert run() == 0
    assert len(kie.charges) == 3


def test_an_account_without_credit_ends_the_batch_at_the_first_refusal(
    folder: Path, kie: KieEmulator, capsys: pytest.CaptureFixture[str]
) -> None:
    kie.credits = 0
    put_photos(folder, "a.png", "b.png", "c.png")
    assert run("--at-once", "1") == 1
    shown = capsys.readouterr().err
    assert "3 pictures: 1 failed, 2 to make; " in shown
    assert not kie.tasks


@pytest.mark.skipif(os.name != "posix", reason="sends signals")
def test_forty_photos_killed_in_the_middle_and_started_again_are_kept_and_paid_once_each(
    folder: Path, home: Path, kie: KieEmulator, child_environment: dict[str, str]
) -> None:
    """First Ctrl-C, then SIGKILL, then to the end."""
    kie.seconds = 0.3
    put_photos(folder, *(f"{place:02}.png" for place in range(MANY)))
    words = [sys.executable, "-m", "imagewright", "run", ONE.tool, "--images", "photos/*.png"]
    words += ["--into", "out", "--at-once", "12"]
    own = {"PYTHONPATH": child_environment["PYTHONPATH"], "IMAGEWRIGHT_LEASE": "1"}
    environment = child_environment | dict(os.environ) | own

    def started() -> subprocess.Popen[str]:
        return subprocess.Popen(words, cwd=folder, env=environment, stderr=subprocess.PIPE, encoding="utf-8")  # noqa: S603 - our own words

    for how, tasks in ((signal.SIGINT, 10), (signal.SIGKILL, 25)):
        with started() as process:
            until = time.monotonic() + PATIENCE
            while len(kie.tasks) < tasks and process.poll() is None:
                assert time.monotonic() < until
                time.sleep(0.01)
            process.send_signal(how)
            assert process.stderr is not None
            shown = process.stderr.read()
            assert process.wait(timeout=PATIENCE) == (130 if how == signal.SIGINT else -how)
        assert len(kie.tasks) < MANY
        assert "Traceback" not in shown
        assert ("The same command again carries on; nothing is paid twice" in shown) == (how == signal.SIGINT)
    with started() as process:
        assert process.stderr is not None
        shown = process.stderr.read()
        assert process.wait(timeout=PATIENCE) == 0, shown
    assert len({file.stem for file in (folder / "out").glob("*.png")}) == len(list((folder / "out").iterdir())) == MANY
    assert len(kie.tasks) == len(kie.charges) == MANY
    assert home.exists()
