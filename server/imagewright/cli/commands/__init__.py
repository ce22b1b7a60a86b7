"""The tree of commands: one module per command, loaded when it is given; each has its click command as `command`.

On the start-up path of the server: nothing else is loaded here.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING

import click
from click.exceptions import Exit
from click.shell_completion import (
    BashComplete,
    add_completion_class,
    get_completion_class,
    shell_complete,
    split_arg_string,
)

from imagewright import __version__
from imagewright.cli import ended_by_the_system, put_error
from imagewright.cli.options import SHARED, Command, Group, completions, nearest_option
from imagewright.text import plain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from click.shell_completion import CompletionItem

PROGRAM = "imagewright"
COMPLETE = f"_{PROGRAM.upper()}_COMPLETE"
"""The variable by which a shell asks for completions; click derives the scripts from it."""
SHELLS = ("bash", "zsh", "fish")
COMMANDS = {
    "serve": "run the MCP server on standard input and output, which is what happens without a command; or over HTTP",
    "demo": "start the server, call every tool on sample pictures, and show what comes out; needs no key",
    "connect": "put Imagewright into the configuration of a client, such as Claude Desktop or Cursor",
    "run": "call one tool from here, or make one call for each of many pictures: imagewright run TOOL PROMPT",
    "models": "what each model can do, as a table",
    "tools": "which tools are on and why; switch them on or off",
    "keys": "set, list, check and remove the keys of the vendors",
    "config": "what is set and where; set it, or print a commented example",
    "guide": "how to use the tools well, or one of them",
    "gallery": "find earlier pictures",
    "jobs": "what runs and what it cost; watch or cancel a job, carry on what was left behind",
    "schemas": "write every tool's schema to tool_schemas/, or check that they are current",
    "doctor": "look for what is missing or wrong: keys, folders, configuration, server",
}
"""Every command with what it is for; each is the module of that name in this package."""


@add_completion_class
class Bash(BashComplete):
    """Completion in bash, also of values with a colon, at which bash splits a word in two: `16:9`."""

    name = "bash"
    source_template = BashComplete.source_template.replace(
        "env COMP_WORDS=", 'env COMP_LINE="$COMP_LINE" COMP_POINT="$COMP_POINT" COMP_WORDS='
    )

    def get_completion_args(self) -> tuple[list[str], str]:
        """The whole words up to the cursor, and the one that is being typed."""
        if "COMP_LINE" not in os.environ:  # a script that was saved to a file by an older release
            words, self._typed = super().get_completion_args()
            return words, self._typed
        line = os.environ["COMP_LINE"][: int(os.environ["COMP_POINT"])]
        words = split_arg_string(line)
        self._typed = "" if not words or line.endswith((" ", "\t")) else words.pop()
        return words[1:], self._typed

    def format_completion(self, item: CompletionItem) -> str:
        """The part of the word that bash takes for it."""
        value = self._typed.partition("=")[2] if self._typed.startswith("--") else self._typed
        split = max(value.rfind(":"), value.rfind("=")) + 1
        whole = item.type != "plain" or not str(item.value).startswith(value[:split])
        return f"{item.type},{item.value if whole else item.value[split:]}"


class Root(Group):
    """The program, which loads only the command that is given."""

    def summaries(self) -> Mapping[str, str]:
        """Every command, those of this module last."""
        return COMMANDS | dict(super().summaries())

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does; any option of a command may also stand before its name, as in `imagewright --json models`."""
        words, place, of_command = [*args], 0, []
        while place < len(words) and words[place].startswith("-"):
            if words[place] in SHARED:
                place += 2  # its value stands behind it
            elif words[place] == "--version":
                place += 1
            else:
                of_command.append(words.pop(place))
        return super().parse_args(ctx, [*words[: place + 1], *of_command, *words[place + 1 :]])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name."""
        if cmd_name not in COMMANDS:
            return super().get_command(ctx, cmd_name)
        with ended_by_the_system():
            module = import_module(f"{__name__}.{cmd_name}")
        command: click.Command = module.command
        about = COMMANDS[cmd_name]
        command.help = f"{about[0].upper()}{about[1:]}."
        return command


@click.group(
    PROGRAM,
    cls=Root,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="New here? Try: imagewright demo\n",
)
@click.version_option(__version__, message=f"{PROGRAM} %(version)s", help="Show the version and exit.")
@click.pass_context
def root(ctx: click.Context) -> int | None:
    """Imagewright: seven image models as seven tools for an AI assistant, over MCP."""
    if ctx.invoked_subcommand is not None:
        return None
    serve = root.get_command(ctx, "serve")
    code: int = ctx.invoke(serve) if serve else 0
    return code


def _named(root_context: click.Context, names: tuple[str, ...]) -> click.Context:
    """The context of a command that is named as it is typed, without running it.

    Raises:
        SettingsError: there is no such command.
    """
    ctx = root_context
    for name in names:
        if not isinstance(ctx.command, click.Group):
            raise click.UsageError(f"{ctx.command_path} has no subcommands", root_context)
        _, found, _ = ctx.command.resolve_command(ctx, [name])
        if found is not None:
            ctx = click.Context(found, info_name=name, parent=ctx)
    return ctx


def _complete_command(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    named = _named(ctx.find_root(), ctx.params.get("names") or ())
    return completions(named.command.summaries(), incomplete) if isinstance(named.command, Group) else []


@root.command("help", cls=Command, help="Show the help of a command, such as: imagewright help run qwen")
@click.argument("names", nargs=-1, metavar="[COMMAND]...", shell_complete=_complete_command)
@click.pass_context
def show_help(ctx: click.Context, names: tuple[str, ...]) -> int:
    """Print a help page without running anything."""
    click.echo(_named(ctx.find_root(), names).get_help())
    return 0


@root.command(
    "completion",
    cls=Command,
    help='Print the script that completes commands in your shell, such as: eval "$(imagewright completion bash)"',
)
@click.argument("shell", type=click.Choice(SHELLS), metavar="|".join(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> int:
    """Print click's script for the shell."""
    completer = get_completion_class(shell)
    if completer is not None:
        click.echo(completer(ctx.find_root().command, {}, PROGRAM, COMPLETE).source())
    return 0


def run_command(words: Sequence[str]) -> int:
    """Run the command that the words name, and say what is wrong with them where they name none; returns the exit code.

    It takes the place of click's own `main`, which treats Ctrl-C and a closed pipe in its own way.
    """
    if asked := os.environ.get(COMPLETE):
        return shell_complete(root, {}, PROGRAM, COMPLETE, asked)
    try:
        with root.make_context(PROGRAM, [*words]) as ctx:
            code: int = root.invoke(ctx)
    except Exit as end:
        return end.exit_code
    except click.UsageError as error:
        message = error.format_message()
        if error.ctx is not None:
            put_error(f"{plain(error.ctx.get_usage())}\n")
            if isinstance(error, click.NoSuchOption):
                message = f"there is no option {error.option_name!r}{nearest_option(error.option_name, error.ctx)}"
        put_error(f"{PROGRAM}: {plain(message)}\n")
        return error.exit_code
    return code
