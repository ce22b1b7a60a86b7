"""`imagewright run TOOL ...`: one call, in this process, with the options of the tool's row.

Options only carry what was typed: the engine decides whether a value is allowed, and names everything wrong at
once. So nothing is required, bounded or restricted to choices here, and options that the tool does not have
reach the engine too.
"""

from __future__ import annotations

import re
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import click
from click.shell_completion import CompletionItem

from imagewright.catalog.facts import argument_names
from imagewright.catalog.load import catalog
from imagewright.catalog.row import KINDS, PICTURE_KINDS
from imagewright.catalog.schema import union
from imagewright.cli import put, put_error
from imagewright.cli.options import Command, Group, Option, completions, option_name
from imagewright.cli.output import print_error, print_json, summary
from imagewright.cli.progress import CODES, DONE, exit_code, follow
from imagewright.cli.session import with_engine
from imagewright.engine.engine import job_data
from imagewright.errors import ConfirmationNeededError, Problem, Refusal
from imagewright.storage.records import LOCAL
from imagewright.text import listed, plain, shown, span

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from imagewright.catalog.row import Argument, Kind, Row
    from imagewright.engine.engine import Engine

THRESHOLD = "IMAGEWRIGHT_CONFIRM_ABOVE"
YES = frozenset({"y", "yes"})
ID_START = "img_"
"""How the id of an earlier picture starts; with a file extension behind it, it is a file."""
SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
"""Start of a URL or data URI; two letters at least, as one is a Windows drive."""


class ToolCommand(Command):
    """`imagewright run <tool>`, with one option per argument of the row, in the order of its schema."""

    def __init__(self, row: Row) -> None:
        super().__init__(
            row.tool,
            params=[*(_option(row, name) for name in argument_names(row)), *_call_options()],
            help=f"{row.title}: {row.character}. {row.caution}".strip(),
            epilog=CODES,
            callback=partial(_run, row),
            context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
        )
        self.row = row

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does; an option for several pictures takes all that stand behind it."""
        several = {option_name(name) for name, forms in self.row.arguments().items() if forms[0].kind == "pictures"}
        return super().parse_args(ctx, list(_each_by_its_option(args, several)))


class Tools(Group):
    """`imagewright run`, with a subcommand per tool."""

    noun: ClassVar[str] = "tool"

    def summaries(self) -> Mapping[str, str]:
        """Every tool with what it is the first choice for."""
        return {row.tool: row.first_choice for row in catalog().values()}

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's own
        """The command of that tool."""
        row = catalog().get(cmd_name)
        return None if row is None else ToolCommand(row)


def _call_options() -> list[click.Parameter]:
    about = "About the call"
    explain = "say which provider would serve it and why not the others; do nothing"
    key = "idempotency key: a second call with the same key is the same job"
    agree = f"agree to the price beforehand, whatever {THRESHOLD} says"
    return [
        Option(["--explain"], is_flag=True, help=explain, section=about),
        Option(["--yes"], is_flag=True, help=agree, section=about),
        Option(["--key"], default="", metavar="KEY", help=key, section=about, label="idempotency key"),
        Option(["--json", "as_json"], is_flag=True, help="the result as JSON", section=about),
    ]


@click.group(
    cls=Tools,
    params=_call_options(),
    invoke_without_command=True,
    subcommand_metavar="TOOL [OPTIONS]...",
    help="Call one tool from here and wait for its pictures.",
    epilog=f"Options of one tool: imagewright run TOOL --help\n\n{CODES}",
)
@click.pass_context
def command(ctx: click.Context, /, **_: object) -> int | None:
    """Without a tool, say what each is for."""
    if ctx.invoked_subcommand is not None:
        return None
    put_error(f"{ctx.get_help()}\n")
    return 2


def _option(row: Row, name: str) -> Option:
    joined = union(row, name)
    argument = joined.argument
    more: dict[str, Any] = {
        "default": None,
        "help": _help(argument, joined.notes),
        "section": f"Arguments of {row.tool}",
        "shell_complete": partial(_complete, argument),
    }
    if argument.kind == "boolean":
        return Option([f"{option_name(name)}/{option_name(f'no_{name}')}"], **more)
    several = argument.kind == "pictures"
    return Option([option_name(name)], metavar=KINDS[argument.kind].metavar, multiple=several, **more)


def _help(argument: Argument, notes: Sequence[str]) -> str:
    parts = [argument.describe]
    if argument.values:
        parts.append(", ".join(shown(value) for value in argument.values))
    if argument.minimum is not None and argument.maximum is not None:
        parts.append(span(argument.minimum, argument.maximum))
    if argument.min_items is not None and argument.max_items is not None:
        parts.append(f"{span(argument.min_items, argument.max_items)} picture{'' if argument.max_items == 1 else 's'}")
    if argument.max_length is not None:
        parts.append(f"at most {argument.max_length} characters")
    if argument.default is not None:
        parts.append(f"default {shown(argument.default)}")
    if argument.required:
        parts.append("required")
    return "; ".join([*parts, *notes])


def _complete(
    argument: Argument, _ctx: click.Context, _option: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    if argument.kind == "path" or argument.kind in PICTURE_KINDS:
        return [CompletionItem(incomplete, type="file")]
    return completions([shown(value) for value in argument.values or ()], incomplete)


def _each_by_its_option(words: Sequence[str], several: set[str]) -> Iterator[str]:
    """`--images a b` as `--images a --images b`: click has no option that takes as many values as there are."""
    option, behind = "", False
    for word in words:
        if word.startswith("-") and word != "-":
            option, behind = (word if word in several else ""), False
        elif option:
            if behind:
                yield option
            behind = True
        yield word


def _run(row: Row, *, explain: bool, yes: bool, key: str, as_json: bool, **typed: Any) -> int:
    """Call the tool, wait for its pictures, and say where they are; the codes are in `cli.progress`."""
    given = arguments(row, typed, click.get_current_context().args)
    if explain:
        reasons = _explain(row.tool, given)
        if as_json:
            print_json(list(reasons))
        else:
            put("".join(f"{plain(reason)}\n" for reason in reasons))
        return 0
    done = _make(row.tool, given, key=key, confirmed=yes, as_json=as_json)
    if isinstance(done, ConfirmationNeededError):
        if not _agrees(done):
            put_error("imagewright: not made, and nothing was spent\n")
            return 1
        done = _make(row.tool, given, key=key, confirmed=True, as_json=as_json)
    if isinstance(done, ConfirmationNeededError):  # never asked for twice
        raise done
    return done


@with_engine
async def _explain(engine: Engine, tool: str, given: dict[str, Any]) -> tuple[str, ...]:
    return await engine.explain(tool, given)


@with_engine
async def _make(
    engine: Engine, tool: str, given: dict[str, Any], *, key: str, confirmed: bool, as_json: bool
) -> int | ConfirmationNeededError:
    """Make the call and print what came of it; returns the question where the user has to be asked first."""
    try:
        job = await engine.start(LOCAL, tool, given, key=key, confirmed=confirmed)
    except ConfirmationNeededError as needed:
        return needed
    await follow(engine, [job])
    if as_json:
        print_json(job_data(job))
    else:
        put(summary(job))
    await engine.answered(job)
    print_error(job)
    code = exit_code([job])
    if code != DONE and job.error is None:
        put_error(
            f"imagewright: {job.id} is {job.record.state}: {len(job.pictures)} of {job.record.expected} pictures\n"
        )
    return code


def _agrees(needed: ConfirmationNeededError) -> bool:
    """Ask the user; anything but yes is no.

    Raises:
        Refusal: there is nobody to ask.
    """
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise Refusal(Problem("", f"{needed} Nobody is here to ask: agree with --yes, or raise {THRESHOLD}"))
    put_error(f"{needed} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in YES


def arguments(row: Row, typed: Mapping[str, Any], unknown: Sequence[str]) -> dict[str, Any]:
    """The call's arguments from the options that were typed, which are None or empty where one was not given.

    The words that no option took, `--like this` or `--like=this`, become arguments that the engine refuses.

    Raises:
        Refusal: a word stands without its option.
    """
    given = {
        name: _from_here(forms[0].kind, typed[name])
        for name, forms in row.arguments().items()
        if typed[name] not in (None, ())
    }
    return given | _strangers(unknown, row.tool)


def _strangers(words: Sequence[str], tool: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    loose: list[str] = []
    name = ""
    for word in words:
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            name = name.replace("-", "_")
            found[name] = value if equals else True
            if equals:
                name = ""
        elif name:
            found[name] = word
            name = ""
        else:
            loose.append(word)
    if loose:
        belong = f"{listed([repr(word) for word in loose])} belong{'s' if len(loose) == 1 else ''}"
        raise Refusal(Problem("", f"{belong} to no option; imagewright run {tool} --help lists them"))
    return found


def _from_here(kind: Kind, typed: Any) -> Any:
    """The value with relative paths of pictures made absolute; numbers and choices are read by the engine."""
    if kind == "pictures":
        return [_picture(one) for one in typed]
    return _picture(typed) if kind == "picture" else typed


def _picture(typed: str) -> str:
    """A path relative to where the user stands, made absolute; a URL, data URI or picture id as it is."""
    picture_id = typed.startswith(ID_START) and not Path(typed).suffix
    if picture_id or SCHEME.match(typed):
        return typed
    path = Path(typed).expanduser() if typed.startswith(("~/", "~\\")) else Path(typed)
    return str(Path.cwd() / path)
