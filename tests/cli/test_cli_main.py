"""Commands are found, errors become one sentence and a code, and the start of the server stays light."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import imagewright
from imagewright.cli.main import main
from imagewright.cli.parser import COMMANDS, SHARED, command_line, command_parser, shared_words, split
from imagewright.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable

    Spawn = Callable[..., subprocess.CompletedProcess[str]]


@pytest.mark.parametrize(
    ("words", "command", "rest"),
    [
        ([], "serve", []),
        (["serve"], "serve", []),
        (["--tools", "qwen"], "serve", ["--tools", "qwen"]),
        (["--provider", "offline", "serve"], "serve", ["--provider", "offline"]),
        (["--provider=offline", "models", "--json"], "models", ["--provider=offline", "--json"]),
        (["--disable", "models", "tools"], "tools", ["--disable", "models"]),
        (["guide", "serve"], "guide", ["serve"]),
    ],
)
def test_the_command_is_the_first_word_that_is_no_option_and_no_value(
    words: list[str], command: str, rest: list[str]
) -> None:
    assert split(words) == (command, rest)


def test_an_unknown_command_names_the_nearest_and_all() -> None:
    with pytest.raises(SettingsError) as caught:
        split(["modles"])
    assert "'models'" in str(caught.value)
    assert all(command in str(caught.value) for command in COMMANDS)


def test_shared_options_are_read_repeated_and_with_commas_and_said_again() -> None:
    words = ["--provider", "a,b", "--tools", "x", "--provider", "c", "--disable", "y z", "--tools", "w"]
    text = command_parser("serve").parse_args(words)
    line = command_line(text)
    assert line.providers == ("a", "b", "c")
    assert line.tools == "x,w"
    assert line.disable == "y z"
    assert command_line(command_parser("serve").parse_args(shared_words(text))) == line
    assert shared_words(text, but=("--provider",)) == ["--tools", "x", "--tools", "w", "--disable", "y z"]


def test_shared_options_that_are_not_given_say_nothing() -> None:
    line = command_line(command_parser("serve").parse_args([]))
    assert (line.providers, line.tools, line.disable) == (None, None, "")


def test_help_names_every_command_and_shared_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in (*COMMANDS, *SHARED))
    assert all(len(line) <= 120 for line in shown.splitlines())


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("usage: imagewright")
    assert command in shown.splitlines()[0]


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"imagewright {imagewright.__version__}\n"


@pytest.mark.parametrize(
    ("words", "variables"),
    [
        (["nosuch"], {}),
        (["serve", "--tools", "nosuch"], {}),
        (["models", "--disable", "nosuch"], {}),
        (["models"], {"IMAGEWRIGHT_DISABLE": "nosuch"}),
        (["serve"], {"IMAGEWRIGHT_HOME": "relative/folder"}),
        (["models", "--provider", "nosuch"], {}),
    ],
)
def test_wrong_settings_are_one_line_on_stderr_and_code_2(
    words: list[str],
    variables: dict[str, str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert main(words) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("imagewright: ")
    assert shown.err.count("\n") == 1
    wrong = "relative/folder" if "relative/folder" in variables.values() else "nosuch"
    assert wrong in shown.err


def test_an_unknown_option_is_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--nosuch"]) == 2
    assert "--nosuch" in capsys.readouterr().err


def test_the_real_command_runs_as_a_module(spawn: Spawn) -> None:
    done = spawn("-m", "imagewright", "--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"imagewright {imagewright.__version__}\n", "")


def test_a_reader_that_goes_away_is_no_error(child_environment: dict[str, str]) -> None:
    words = [sys.executable, "-m", "imagewright", "models", "--json"]
    with subprocess.Popen(  # noqa: S603 - our own interpreter and our own words
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=child_environment
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=60) == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("words", [["tools"], ["--version"]])
def test_output_that_cannot_be_written_is_one_line_and_code_1(
    words: list[str], child_environment: dict[str, str]
) -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(  # noqa: S603 - our own interpreter and our own words
            [sys.executable, "-m", "imagewright", *words],
            stdout=full,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            check=False,
            env=child_environment,
        )
    assert done.returncode == 1
    assert done.stderr.startswith("imagewright: ")
    assert done.stderr.count("\n") == 1


def test_reading_the_command_line_of_serve_loads_no_heavy_module(spawn: Spawn) -> None:
    heavy = ["PIL", "httpx", "imagewright.catalog", "mcp", "rich", "tomlkit"]
    program = (
        "import sys; from imagewright.cli.main import main; main(['serve', '--help']);"
        f"print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)"
    )
    assert spawn("-c", program).stderr == "[]\n"
