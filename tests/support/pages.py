"""The pages that people read: their blocks, and the commands that stand in them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click
from click.exceptions import Exit

from imagewright.cli.commands import root
from imagewright.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md")
"""Every page whose blocks are tried."""
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", flags=re.DOTALL | re.MULTILINE)
CODE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
PLACEHOLDER = re.compile(r"\.\.\.|<|\||\b[A-Z]{2,}\b(?!=)")
"""Of a command in a sentence: it stands for several, or for a word of the reader's own."""
PROMPT = "$ "
"""Begins a command in a block that shows answers, too."""
OURS = "imagewright"
STARTERS = (("uvx",), ("pipx", "run"), ("uv", "run"))
"""Programs that start ours, by their first words."""
OTHERS = {
    "bash",
    "cat",
    "cd",
    "chmod",
    "claude",
    "cmd",
    "code",
    "codex",
    "cp",
    "curl",
    "docker",
    "echo",
    "eval",
    "export",
    "gemini",
    "git",
    "goose",
    "ls",
    "mkdir",
    "mv",
    "node",
    "npm",
    "npx",
    "pip",
    "pipx",
    "pytest",
    "python",
    "python3",
    "rm",
    "sh",
    "uv",
    "uvx",
    "which",
}
"""Programs and shell words that pages may use where nothing is run."""


class Block(NamedTuple):
    """A fenced block of a page."""

    page: str
    language: str
    text: str

    @property
    def commands(self) -> list[str]:
        """Its lines without comments, and without answers where commands have a prompt; a continued line is one."""
        lines = self.text.replace("\\\n", " ").splitlines()
        if any(line.startswith(PROMPT) for line in lines):
            return [line.removeprefix(PROMPT) for line in lines if line.startswith(PROMPT)]
        return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def blocks(page: Path, *languages: str) -> list[Block]:
    """The blocks of a page in their order; only of these languages where any are named."""
    name = page.relative_to(ROOT).as_posix()
    found = [Block(name, *one.groups()) for one in BLOCK.finditer(page.read_text(encoding="utf-8"))]
    return [one for one in found if not languages or one.language in languages]


def commands_in_sentences(page: Path) -> Iterator[str]:
    """Commands of ours between backquotes that could be typed as they stand."""
    for code in CODE.findall(BLOCK.sub("", page.read_text(encoding="utf-8"))):
        if Path(code.partition(" ")[0]).name == OURS and " " in code and not PLACEHOLDER.search(code):
            yield code


def fault_of(command: str, *, run: bool = False) -> str:
    """Why a line of commands could not be typed: a program or an option that is not there; empty if nothing is wrong.

    Of other programs' words nothing is known, and where the line is `run` elsewhere not even which programs there are.
    """
    lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    parts: list[list[str]] = [[]]
    for word in lexer:
        if set(word) <= set("|&;()"):
            parts.append([])
        else:
            parts[-1].append(word)
    return " ".join(filter(None, (_fault(part, run=run) for part in parts)))


def _fault(words: Sequence[str], *, run: bool) -> str:
    files = {place + 1 for place, word in enumerate(words) if set(word) <= set("<>")}
    words = [word for place, word in enumerate(words) if not {place, place + 1} & files]
    while words and re.match(r"\w+=", words[0]):
        words = words[1:]
    if not words:
        return ""
    program = Path(words[0]).name
    if program == OURS:
        return _refused(words[1:])
    if not run and program not in OTHERS:
        return f"{program}: no program that is known here"
    starts = any(tuple(words[: len(start)]) == start for start in STARTERS)
    return _refused(words[words.index(OURS) + 1 :]) if starts and OURS in words else ""


def _refused(words: Sequence[str]) -> str:
    """What the command line has against these words."""
    try:
        ctx = root.make_context(OURS, [*words])
        while isinstance(ctx.command, click.Group) and (rest := [*ctx._protected_args, *ctx.args]):  # noqa: SLF001 - click has no other way to read a line without running it
            name, command, more = ctx.command.resolve_command(ctx, rest)
            assert command is not None
            ctx = command.make_context(name, more, parent=ctx)
    except Exit:
        return ""
    except (click.UsageError, SettingsError) as error:
        return str(error)
    return " ".join(word for word in ctx.args if word.startswith("-"))
