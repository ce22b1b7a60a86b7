"""Which command is meant, and what every command's parser has in common. On the start-up path of the server."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from imagewright import __version__
from imagewright.errors import SettingsError
from imagewright.settings.load import CommandLine
from imagewright.settings.table import SETTINGS
from imagewright.text import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

COMMANDS = {
    "serve": "run the MCP server on standard input and output; this is what happens without a command",
    "demo": "start the server, call every tool on sample pictures, and show what comes out; needs no key",
    "run": "call one tool from here: imagewright run TOOL --prompt ...",
    "models": "what each model can do, as a table",
    "tools": "which tools are on and why; switch them on or off",
    "guide": "how to use the tools well, or one of them",
    "gallery": "find earlier pictures",
    "jobs": "what runs and what it cost; watch or cancel a job, carry on what was left behind",
    "schemas": "write every tool's schema to tool_schemas/, or check that they are current",
    "doctor": "look for what is missing or wrong: keys, folders, configuration, server",
}
"""Every command with what it is for; each is the module of that name in `imagewright.cli.commands`."""
SHARED = {one.option: ("NAMES", one.help) for one in SETTINGS if one.option}
"""Options every command takes, before or after its name; they beat the environment and the configuration file."""


def split(words: Sequence[str]) -> tuple[str, list[str]]:
    """The command, and all other words for its own parser; `serve` when none is named.

    Raises:
        SettingsError: there is no such command; names the nearest and all there are.
        SystemExit: it was `--help` or `--version`, which is done here.
    """
    command, rest = take_name(words)
    if command is None:
        _answer_general_questions(rest)
        return "serve", rest
    if command not in COMMANDS:
        meant = did_you_mean(command, COMMANDS)
        raise SettingsError(f"there is no command {command!r}{meant}. The commands are: {', '.join(COMMANDS)}.")
    return command, rest


def take_name(words: Sequence[str]) -> tuple[str | None, list[str]]:
    """The first word that is neither an option nor the value of a shared option, and all words without it."""
    place = 0
    while place < len(words) and words[place].startswith("-"):
        place += 2 if words[place] in SHARED else 1
    if place >= len(words):
        return None, list(words)
    return words[place], [*words[:place], *words[place + 1 :]]


def command_parser(
    name: str,
    *,
    usage: str | None = None,
    description: str = "",
    epilog: str | None = None,
    first: Sequence[argparse.ArgumentParser] = (),
) -> argparse.ArgumentParser:
    """A parser for one command, with the shared options.

    Args:
        name: the command.
        usage: in place of the generated line.
        description: in place of the command's line in `COMMANDS`.
        epilog: what comes after the options.
        first: parsers whose options come before the shared ones.
    """
    about = COMMANDS[name]
    parser = argparse.ArgumentParser(
        prog=f"imagewright {name}",
        usage=usage,
        description=description or f"{about[0].upper()}{about[1:]}.",
        epilog=epilog,
        parents=first,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    group = parser.add_argument_group("for every command")
    for option, (word, text) in SHARED.items():
        group.add_argument(option, metavar=word, action="append", default=[], help=text)
    return parser


def positive(text: str) -> int:
    """A whole number above 0, as an option's type.

    Raises:
        ArgumentTypeError: it is none.
    """
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def command_line(message: argparse.Namespace) -> CommandLine:
    """The shared options as the settings want them."""
    providers = tuple(",".join(message.provider).replace(",", " ").split())
    return CommandLine(
        tools=",".join(message.tools) if message.tools else None,
        disable=",".join(message.disable),
        providers=providers or None,
    )


def shared_words(message: argparse.Namespace, *, but: Collection[str] = ()) -> list[str]:
    """The shared options again, as words for another process of ours.

    Args:
        message: what was parsed.
        but: options that are left out.
    """
    options = [option for option in SHARED if option not in but]
    return [word for option in options for value in getattr(message, option[2:]) for word in (option, value)]


def _answer_general_questions(words: Sequence[str]) -> None:
    if "--version" in words:
        sys.stdout.write(f"imagewright {__version__}\n")
        raise SystemExit(0)
    if "--help" in words or "-h" in words:
        sys.stdout.write(_overview())
        raise SystemExit(0)


def _overview() -> str:
    def lines(entries: dict[str, str]) -> str:
        return "".join(f"  {name:<18} {text}\n" for name, text in entries.items())

    shared = {f"{option} {word}": text for option, (word, text) in SHARED.items()}
    return (
        "Imagewright: seven image models as seven tools for an AI assistant, over MCP.\n\n"
        "usage: imagewright [COMMAND] [OPTIONS]\n\n"
        f"commands:\n{lines(COMMANDS)}\n"
        f"options of every command:\n{lines(shared)}\n"
        f"also:\n{lines({'--version': 'say the version', 'COMMAND --help': 'options of one command'})}\n"
        "New here? Try: imagewright demo\n"
    )
