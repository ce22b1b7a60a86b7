"""A prompt from standard input, and what `run` prints where it is asked for more or less of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from imagewright.catalog.load import catalog
from imagewright.catalog.row import OperationName
from imagewright.cli import inputs
from imagewright.cli.main import main
from imagewright.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

MAKER = min(
    (row for row in catalog().values() if OperationName.GENERATE in row.operations),
    key=lambda row: row.operations[OperationName.GENERATE].rank,
).tool
SCALER = next(row.tool for row in catalog().values() if OperationName.UPSCALE in row.operations)


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The end of a pipe to write to, whose other end is standard input."""
    read, write = os.pipe()
    with os.fdopen(read, encoding="utf-8") as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        yield write


def prompt_of(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """The prompt of the picture that a call makes."""
    capsys.readouterr()
    assert main(["run", MAKER, "--json", *words]) == 0
    picture = json.loads(capsys.readouterr().out)["images"][0]["id"]
    assert main(["gallery", "--json"]) == 0
    return next(str(one["prompt"]) for one in json.loads(capsys.readouterr().out) if one["id"] == picture)


@pytest.mark.parametrize("words", [[], ["-"], ["--prompt", "-"]])
def test_the_prompt_comes_through_the_pipe(words: list[str], pipe: int, capsys: pytest.CaptureFixture[str]) -> None:
    os.write(pipe, "\ufeff a fox,\nein Füchslein 🦊\n".encode())
    os.close(pipe)
    assert prompt_of(capsys, *words) == "a fox,\nein Füchslein 🦊"


def test_a_file_is_read_like_a_pipe_and_a_list_that_a_loop_reads_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "prompts.txt"
    file.write_text("a fox\nan owl\n", encoding="utf-8")
    with file.open(encoding="utf-8") as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        assert prompt_of(capsys, "an elk") == "an elk"
        assert main(["run", SCALER, "--images", "nosuch.png", "--scale", "2"]) == 2  # needs no prompt
        assert os.lseek(stdin.fileno(), 0, os.SEEK_CUR) == 0
        assert prompt_of(capsys) == "a fox\nan owl"


@pytest.mark.parametrize(
    ("sent", "words", "answer"),
    [
        (b"", [], "--prompt: is required"),
        (b" \n", ["-"], "standard input, which - stands for, is empty"),
        (b"\xff\xfe", ["-"], "is no UTF-8 text"),
        (b"x" * (inputs.MOST_PROMPT + 1), ["-"], "standard input has more than 100 kB"),
        (b"a fox", ["-", "--prompt", "an owl"], "there are two prompts"),
    ],
)
def test_what_is_no_prompt_is_refused(
    sent: bytes, words: list[str], answer: str, pipe: int, *, capsys: pytest.CaptureFixture[str]
) -> None:
    def send() -> None:
        os.write(pipe, sent)
        os.close(pipe)

    writer = threading.Thread(target=send)  # a pipe holds less than the most
    writer.start()
    assert main(["run", MAKER, *words]) == 2
    assert answer in capsys.readouterr().err
    writer.join(timeout=10)
    assert not writer.is_alive()


def test_an_empty_prompt_is_not_taken_for_a_picture(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", MAKER, ""]) == 2
    assert "--prompt: is required to generate; it was sent empty" in capsys.readouterr().err


def test_a_pipe_that_stays_silent_keeps_nobody_waiting(pipe: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "PATIENCE", 0.05)
    with pytest.raises(Refusal, match="nothing came through the pipe"):
        inputs.piped_prompt()
    os.close(pipe)


def test_quiet_prints_paths_alone_and_verbose_why_and_when(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", MAKER, "a fox", "--quiet"]) == 0
    shown = capsys.readouterr()
    assert Path(shown.out.rstrip("\n")).is_file()
    assert shown.err == ""
    assert main(["run", MAKER, "an owl", "--verbose"]) == 0
    shown = capsys.readouterr()
    assert f"{MAKER}: offline (" in shown.err
    stages = [line.split()[1:4] for line in shown.err.splitlines() if " s  " in line]
    assert stages[-1][2] == "completed"
    seconds = [float(stage[0]) for stage in stages]
    assert seconds == sorted(seconds)
    assert main(["run", MAKER, "a fox", "--quiet", "--verbose"]) == 2


def test_dry_run_says_who_would_make_it_for_how_much(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", MAKER, "a fox", "--dry-run"]) == 0
    assert capsys.readouterr().out.endswith(" would make 1 picture for about $0; nothing was begun\n")
    assert main(["run", MAKER, "a fox", "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["count"] == 1
    assert not home.exists()


@pytest.mark.parametrize(("screen", "code", "heard"), [("", 0, False), (":0", 0, True), (":0", 1, True)])
def test_open_hands_the_picture_to_the_viewer_and_says_where_there_is_none(
    screen: str, code: int, *, heard: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setenv("DISPLAY", screen)

    def launch(path: str) -> int:
        opened.append(path)
        return code

    monkeypatch.setattr(click, "launch", launch)
    assert main(["run", MAKER, "a fox", "--quiet", "--open"]) == 0
    shown = capsys.readouterr()
    assert opened == (shown.out.splitlines() if heard else [])
    assert ("there is no viewer here" in shown.err) == (not heard or code != 0)


@pytest.mark.skipif(os.name != "posix", reason="a pipe of a shell")
def test_a_real_pipe(child_environment: dict[str, str]) -> None:
    command = f"printf 'a fox' | {sys.executable} -m imagewright run {MAKER} --quiet"
    done = subprocess.run(command, shell=True, capture_output=True, check=False, timeout=60, env=child_environment)  # noqa: S602 - our own words
    assert (done.returncode, done.stderr) == (0, b"")
    assert Path(done.stdout.decode().rstrip("\n")).is_file()
