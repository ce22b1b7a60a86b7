"""Commands and options are found or the nearest is named, errors are one sentence and a code, the start stays light."""

from __future__ import annotations

import gc
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

import imagewright
from imagewright.catalog.load import catalog
from imagewright.catalog.row import OperationName
from imagewright.catalog.schema import union
from imagewright.cli.commands import COMMANDS, COMPLETE, SHELLS, root
from imagewright.cli.main import main
from imagewright.cli.options import FOR_PERSON, SHARED, Command, Group, command_line, shared_words
from imagewright.settings.load import CommandLine
from imagewright.text import shown as as_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Spawn = Callable[..., subprocess.CompletedProcess[str]]

SOURCE = Path(imagewright.__file__).parent
MAKER = next(row.tool for row in catalog().values() if OperationName.GENERATE in row.operations)


def tree(command: click.Command, *names: str, parent: click.Context | None = None) -> Iterator[click.Context]:
    """The context of a command, and of every command below it."""
    ctx = click.Context(
        command, info_name=names[-1] if names else "imagewright", parent=parent, **command.context_settings
    )
    yield ctx
    if isinstance(command, click.Group):
        for name in command.list_commands(ctx):
            below = command.get_command(ctx, name)
            assert below is not None
            yield from tree(below, *names, name, parent=ctx)


def words_of(ctx: click.Context) -> list[str]:
    """What is typed for a command, without the program's name."""
    return ctx.command_path.split()[1:]


EVERY = list(tree(root))
GROUPS = [ctx for ctx in EVERY if isinstance(ctx.command, click.Group)]
OPTIONS = [
    (ctx, name)
    for ctx in EVERY
    for one in ctx.command.get_params(ctx)
    for name in (*one.opts, *one.secondary_opts)
    if name.startswith("--")
]


def path(value: object) -> str | None:
    return value.command_path if isinstance(value, click.Context) else None


def misspelt(name: str) -> str:
    return f"{name}{name[-1]}"


@pytest.mark.parametrize(
    ("ctx", "name"),
    [(ctx, name) for ctx in GROUPS for name in ctx.command.list_commands(ctx)],  # type: ignore[attr-defined] # all of them are groups
    ids=path,
)
def test_a_misspelt_command_names_the_nearest_and_all(
    ctx: click.Context, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words_of(ctx), misspelt(name)]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.count("\n") == 1
    assert f"{misspelt(name)!r} (did you mean {name!r}?)" in shown.err
    assert isinstance(ctx.command, click.Group)
    assert all(other in shown.err for other in ctx.command.list_commands(ctx))


@pytest.mark.parametrize(("ctx", "name"), OPTIONS, ids=path)
def test_a_misspelt_option_names_the_nearest(
    ctx: click.Context, name: str, capsys: pytest.CaptureFixture[str], home: Path
) -> None:
    assert main([*words_of(ctx), misspelt(name)]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert f"(did you mean {name!r}?)" in shown.err
    assert misspelt(name) in shown.err
    assert not home.exists()


@pytest.mark.parametrize(
    "words",
    [
        ["models", "--nothing-like-it"],
        ["run", next(iter(catalog())), "--nothing-like-it"],
        ["demo", "--nosuch"],  # but for the dashes it would be a little like `--out`
        ["models", "--version"],
        ["--json"],
    ],
)
def test_an_option_like_no_other_is_refused_without_a_guess(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    shown = capsys.readouterr().err
    assert words[-1] in shown
    assert "did you mean" not in shown


@pytest.mark.parametrize("ctx", EVERY, ids=path)
@pytest.mark.parametrize("how", ["--help", "-h", "help"])
def test_every_command_has_help(ctx: click.Context, how: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = words_of(ctx)
    assert main(["help", *words] if how == "help" else [*words, how]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"Usage: {ctx.command_path}")
    options = [option for one in ctx.command.get_params(ctx) for option in one.opts if option.startswith("--")]
    assert all(option in shown for option in options)
    assert all(len(line) <= 100 for line in shown.splitlines())


@pytest.mark.parametrize("name", COMMANDS)
def test_help_may_be_asked_for_before_the_command(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help", name]) == 0
    assert capsys.readouterr().out.startswith(f"Usage: imagewright {name} ")


@pytest.mark.parametrize("count", ["0", "-1", "x", "2.5", "1e3", "", "9" * 5000])
def test_a_limit_that_is_no_count_is_refused_in_plain_words(count: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gallery", "--limit", count]) == 2
    assert "is not a whole number above 0\n" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["show", "watch", "cancel"])
def test_a_job_that_is_not_named_is_asked_for(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["jobs", name]) == 2
    shown = capsys.readouterr().err
    assert shown.startswith(f"Usage: imagewright jobs {name} [OPTIONS] ID\n")
    assert "which job? Its id is in the list that is shown by: imagewright jobs\n" in shown


def test_help_names_every_command_and_shared_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in (*COMMANDS, *SHARED))


@pytest.mark.parametrize(("words", "wanted"), [(["modles"], "'models'"), (["jobs", "wathc"], "'watch'")])
def test_help_of_a_command_there_is_not_names_the_nearest(
    words: list[str], wanted: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["help", *words]) == 2
    assert f"did you mean {wanted}?" in capsys.readouterr().err


def test_help_of_what_has_no_subcommands_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help", "models", "prices"]) == 2
    assert "imagewright models has no subcommands" in capsys.readouterr().err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"imagewright {imagewright.__version__}\n"


@pytest.mark.parametrize("shell", SHELLS)
def test_the_completion_script_is_what_the_shell_takes(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert COMPLETE in script
    assert "imagewright" in script
    if interpreter := shutil.which(shell):
        subprocess.run([interpreter, "-n"], input=script, encoding="utf-8", check=True)  # noqa: S603 - a shell of this machine


def test_a_shell_that_is_not_known_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "tcsh"]) == 2
    assert all(shell in capsys.readouterr().err for shell in ("tcsh",))


TOOL = next(row for row in catalog().values() if any(one[0].values for one in row.arguments().values()))
CHOICE, VALUES = next((name, found) for name in TOOL.arguments() if (found := union(TOOL, name).argument.values))


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("imagewright mod", ["models"]),
        ("imagewright jobs wat", ["watch"]),
        ("imagewright jobs --co", ["--cost"]),
        (f"imagewright run {TOOL.tool[:-1]}", [TOOL.tool]),
        (f"imagewright run {TOOL.tool} --expl", ["--explain"]),
        (f"imagewright run {TOOL.tool} --{CHOICE.replace('_', '-')} ", [*map(as_text, VALUES)]),
        (f"imagewright tools disable {TOOL.tool[:-1]}", [TOOL.tool]),
        (f"imagewright guide {TOOL.tool[:-1]}", [TOOL.tool]),
        ("imagewright help jo", ["jobs"]),
        ("imagewright help jobs res", ["resume"]),
    ],
)
def test_a_line_is_completed(
    line: str, wanted: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(COMPLETE, "bash_complete")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(line.split(" ")) - 1))
    assert main([]) == 0
    offered = [one.partition(",")[2] for one in capsys.readouterr().out.splitlines()]
    assert offered[: len(wanted)] == wanted


def given(*words: str) -> tuple[CommandLine, list[str]]:
    """What a command finds on the command line: the settings, and the shared options as words again."""
    found: list[tuple[CommandLine, list[str]]] = []
    probe = Command("probe", callback=lambda: found.append((command_line(), shared_words(but=("--provider",)))))
    program = Group("imagewright", commands=[probe])
    with program.make_context("imagewright", [*words]) as ctx:
        program.invoke(ctx)
    return found[0]


def test_shared_options_stand_before_and_after_the_command_and_add_up() -> None:
    line, words = given(
        "--provider", "a,b", "--tools=x", "probe", "--provider", "c", "--disable", "y z", "--tools", "w"
    )
    assert (line.providers, line.tools, line.disable) == (("a", "b", "c"), "x,w", "y z")
    assert words == ["--tools", "x", "--tools", "w", "--disable", "y z"]
    assert given("probe", *words)[0] == CommandLine(tools="x,w", disable="y z")


def test_shared_options_that_are_not_given_say_nothing() -> None:
    assert given("probe") == (CommandLine(), [])


FIRST = next(iter(catalog()))


@pytest.mark.parametrize(
    "words",
    [
        ["tools", "--json", "--disable", FIRST],
        ["--disable", FIRST, "tools", "--json"],
        [f"--disable={FIRST}", "tools", "--json"],
        ["--json", "--disable", FIRST, "tools"],
        ["--disable", FIRST, "--json", "tools"],
    ],
)
def test_the_command_is_the_first_word_that_is_no_option_and_no_value(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 0
    assert f'"tool": "{FIRST}",\n    "on": false' in capsys.readouterr().out


@pytest.mark.parametrize(
    "words", [["gallery", "--limit"], ["gallery", "--limit", "--json"], ["run", FIRST, "--prompt", "--nosuch"]]
)
def test_an_option_without_its_value_is_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    assert next(word for word in reversed(words[:3]) if word.startswith("--")) in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "variables"),
    [
        (["nosuch"], {}),
        (["serve", "--tools", "nosuch"], {}),
        (["--tools", "nosuch"], {}),
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
    assert gc.isenabled(), "a server that does not come to serve has not turned it on again"
    wrong = "relative/folder" if "relative/folder" in variables.values() else "nosuch"
    assert wrong in shown.err


def test_the_words_that_are_put_right_for_a_person_are_the_engine_s() -> None:
    """A phrase that nobody writes any more has no place in the table."""
    engine = [file for file in SOURCE.rglob("*.py") if "cli" not in file.relative_to(SOURCE).parts]
    source = "\n".join(re.sub(r'"\s+f?"', "", file.read_text(encoding="utf-8")) for file in engine)
    assert [phrase for phrase in FOR_PERSON if phrase not in source] == []


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


@pytest.mark.skipif(os.name != "posix", reason="sends signals")
def test_a_second_ctrl_c_ends_the_process_without_a_traceback(spawn: Spawn) -> None:
    code = """
import os, signal
from imagewright.cli import commands
from imagewright.cli.main import main
def interrupted(words):
    os.kill(os.getpid(), signal.SIGINT)
commands.run_command = interrupted
assert main() == 130
os.kill(os.getpid(), signal.SIGINT)
"""
    done = spawn("-c", code)
    assert (done.returncode, done.stderr) == (-signal.SIGINT, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("words", [["tools"], ["--version"], ["run", MAKER, "a fox", "--quiet"]])
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


@pytest.mark.skipif(os.name != "posix", reason="closes them as a shell of POSIX does")
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize(
    ("words", "code"),
    [(["help"], 0), (["tools", "--json"], 0), (["run", FIRST, "--explain"], 2), (["nosuch"], 2), (["serve"], 2)],
)
def test_a_standard_stream_that_is_closed_costs_nothing_but_its_words(
    closed: str, words: list[str], code: int, child_environment: dict[str, str]
) -> None:
    if words == ["serve"] and closed == "2>&-":
        code = 0  # it needs the other two only, and the client hangs up at once
    line = f'exec "$@" {closed}'
    done = subprocess.run(  # noqa: S603 - our own interpreter and our own words
        ["/bin/sh", "-c", line, "sh", sys.executable, "-m", "imagewright", *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        check=False,
        env=child_environment,
    )
    assert done.returncode == code
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "words", [["serve", "--help"], ["--version"], ["--help"], ["help", "serve"], ["completion", "zsh"]]
)
def test_reading_the_command_line_loads_no_heavy_module(words: list[str], spawn: Spawn) -> None:
    heavy = ["PIL", "httpx", "imagewright.catalog", "mcp", "rich", "sqlite3", "tomlkit"]
    program = (
        f"import sys; from imagewright.cli.main import main; main({words!r});"
        f"print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)"
    )
    assert spawn("-c", program).stderr == "[]\n"
