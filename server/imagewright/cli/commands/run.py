"""`imagewright run TOOL ...`: one call, in this process, with the options of the tool's row.

Options only carry what was typed: the engine decides whether a value is allowed, and names everything wrong at
once. So nothing is required, bounded or restricted to choices here, and options that the tool does not have
reach the engine too.
"""

from __future__ import annotations

import glob
from dataclasses import asdict
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
from imagewright.cli.batch import run_batch
from imagewright.cli.calls import AT_ONCE, Wanted
from imagewright.cli.inputs import ID_START, MANY, PROMPT, absolute, arguments, picture_argument, show_pictures
from imagewright.cli.options import Command, Group, Option, completions, for_person, option_name, positive
from imagewright.cli.output import money, print_error, print_json, summary
from imagewright.cli.progress import CODES, DONE, exit_code, follow
from imagewright.cli.session import THRESHOLD, agrees, complete_picture_id, with_engine
from imagewright.engine.engine import job_data
from imagewright.errors import ConfirmationNeededError, Problem, Refusal
from imagewright.storage.accounts import LOCAL
from imagewright.text import counted, plain, shown, span

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from imagewright.catalog.row import Argument, Row
    from imagewright.engine.budget import Estimate
    from imagewright.engine.engine import Engine

LAST_OPTION = "imagewright.last option"
"""Where a context keeps the last option of a line that is being completed."""
OPTIONS = (
    *("explain", "dry_run", "yes", "key", "as_json", "quiet", "verbose", "open_them"),
    *("into", "each", "at_once", "skip", "again"),
)
"""The names of the options that are no arguments."""
AT_ONCE_HELP = f"calls that run at the same time (default: {AT_ONCE})"


class ToolCommand(Command):
    """`imagewright run <tool>`, with one option per argument of the row, in the order of its schema."""

    def __init__(self, row: Row) -> None:
        super().__init__(
            row.tool,
            params=[*(_option(row, name) for name in argument_names(row)), *_call_options(row)],
            help=f"{row.title}: {row.character}. {row.caution}".strip(),
            options_metavar="[PROMPT] [OPTIONS]" if PROMPT in row.arguments() else "[OPTIONS]",
            epilog=CODES,
            callback=partial(_run, row),
            context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
        )
        self.row = row

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does; an option for several pictures takes all that stand behind it."""
        options = [word for word in args if word.startswith("-") and word != "-"]
        ctx.meta[LAST_OPTION] = options[-1] if options else ""
        return super().parse_args(ctx, list(_each_by_its_option(args, {option_name(MANY)})))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Options that begin so; behind an option for several pictures, more of them."""
        if ctx.meta.get(LAST_OPTION) == option_name(MANY) and not incomplete.startswith("-"):
            return _complete_picture(ctx, self.params[0], incomplete)
        return super().shell_complete(ctx, incomplete)


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


def _complete_picture(ctx: click.Context, option: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Files; of what begins like an id, also ids."""
    if not incomplete.startswith(ID_START):
        return [CompletionItem(incomplete, type="file")]
    files = sorted(str(file) for file in Path().glob(f"{glob.escape(incomplete)}*"))
    return [*complete_picture_id(ctx, option, incomplete), *completions(files, incomplete)]


def _folder(_ctx: click.Context, _option: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(incomplete, type="dir")]


def _call_options(row: Row | None = None) -> list[click.Parameter]:
    """Those that are no arguments of the tool; with `row` also the one for many pictures, if its tool lacks that."""
    about, many = "About the call", "Many pictures, one call for each"
    explain = "say which provider would serve it and why not the others; do nothing"
    dry = "say what would be done and what it would cost; do nothing"
    key = "idempotency key: a second call with the same key is the same job"
    agree = f"agree to the price beforehand, whatever {THRESHOLD} says"
    verbose = "say why this provider was taken, and each stage with its time"
    into = "make one call for each picture and save the results here; started again, it does nothing twice"
    images = "files, folders, or patterns in quotes, such as 'photos/*.jpg'; needs --into"
    pictures = _complete_picture
    lacking = row is not None and MANY not in row.arguments() and picture_argument(row)

    def flag(name: str, text: str, section: str = about) -> Option:
        return Option([name], is_flag=True, help=text, section=section)

    return [
        flag("--explain", explain),
        flag("--dry-run", dry),
        flag("--yes", agree),
        Option(["--key"], default="", metavar="KEY", help=key, section=about, label="idempotency key"),
        Option(["--json", "as_json"], is_flag=True, help="the result as JSON", section=about),
        flag("--quiet", "print the paths of the pictures and nothing else, but for errors"),
        flag("--verbose", verbose),
        Option(["--open", "open_them"], is_flag=True, help="show the pictures in the system's viewer", section=about),
        *(
            [Option(["--images"], metavar="PICTURE", multiple=True, help=images, section=many, shell_complete=pictures)]
            if lacking
            else []
        ),
        Option(["--into"], default=None, metavar="FOLDER", help=into, section=many, shell_complete=_folder),
        flag("--each", "one call for each picture, where the tool takes several in a call", many),
        Option(["--at-once"], type=positive, default=AT_ONCE, metavar="N", help=AT_ONCE_HELP, section=many),
        flag("--skip", "leave out pictures that cannot be used, in place of beginning nothing", many),
        flag("--again", "make and pay anew what was paid for and is not there any more", many),
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
    parts = [for_person(argument.describe)]
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


def _complete(argument: Argument, ctx: click.Context, option: click.Parameter, incomplete: str) -> list[CompletionItem]:
    if argument.kind in PICTURE_KINDS:
        return _complete_picture(ctx, option, incomplete)
    if argument.kind == "path":
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


def _run(row: Row, **typed: Any) -> int:
    """Make the call, or one for each of many pictures; the codes are in `cli.progress`."""
    how = {name: typed.pop(name) for name in OPTIONS}
    if how["quiet"] and how["verbose"]:
        raise Refusal(Problem("--quiet", "says the opposite of --verbose"))
    many = [*typed[MANY]] if typed.get(MANY) else []
    if how["into"] is not None:
        return _many(row, typed, many, how)
    if batch_only := [option_name(name) for name in ("each", "skip", "again") if how[name]]:
        raise Refusal(Problem(batch_only[0], "goes with --into FOLDER, which makes one call for each picture"))
    if many and MANY not in row.arguments():
        one = option_name(picture_argument(row))
        text = f"{row.tool} takes one picture in a call: {one}. --into FOLDER makes one call for each of many"
        raise Refusal(Problem(option_name(MANY), text))
    given = arguments(row, typed, click.get_current_context().args)
    if how["explain"] or how["dry_run"]:
        return _foresee(row, given, how)
    made: list[Path] = []
    done = _make(row.tool, given, how, made, confirmed=how["yes"])
    if isinstance(done, ConfirmationNeededError):
        if not agrees(done):
            return 1
        done = _make(row.tool, given, how, made, confirmed=True)
    if isinstance(done, ConfirmationNeededError):  # never asked for twice
        raise done
    if how["open_them"]:
        show_pictures(made)
    return done


def _many(row: Row, typed: dict[str, Any], many: list[str], how: Mapping[str, Any]) -> int:
    """One call for each picture.

    Raises:
        Refusal: it is not clear that this is meant, or something is wrong with a call; nothing was begun.
    """
    argument = picture_argument(row)
    if not how["into"]:
        raise Refusal(Problem("--into", "is empty; name a folder"))
    if not argument:
        raise Refusal(Problem("--into", f"{row.tool} takes no pictures; --save-as says where its result goes"))
    if row.arguments()[argument][0].kind == "picture" and typed.get(argument):
        many.append(typed[argument])
    most = max(form.max_items or 1 for form in row.arguments()[argument])
    if most > 1 and not how["each"]:
        text = f"{row.tool} can take several pictures in one call: --each makes one call for each of them"
        raise Refusal(Problem("--into", f"{text}; without --into they go into one call, and --save-as says where to"))
    for name in ("explain", "verbose", "open_them"):
        if how[name]:
            raise Refusal(Problem(option_name(name.removesuffix("_them")), "is for one call, without --into"))
    for name in ("save_as", "key"):
        if typed.get(name) or how.get(name):
            raise Refusal(Problem(option_name(name), "does not go with --into, which names each result itself"))
    without = {name: None if name in {argument, "save_as"} else value for name, value in typed.items()}
    given = arguments(row, without, click.get_current_context().args, pictures=[*map(absolute, many)])
    if not many:
        raise Refusal(Problem(option_name(MANY), "is required: files, folders or patterns in quotes"))
    wanted = Wanted(
        row,
        given,
        argument,
        several=row.arguments()[argument][0].kind == "pictures",
        into=Path(absolute(how["into"])).resolve(),
        at_once=how["at_once"],
        again=how["again"],
        skip=how["skip"],
    )
    given_how = {"dry": how["dry_run"], "yes": how["yes"], "as_json": how["as_json"], "quiet": how["quiet"]}
    return run_batch(wanted, many, **given_how)


def _foresee(row: Row, given: dict[str, Any], how: Mapping[str, Any]) -> int:
    """Say who would serve the call, or what it would cost."""
    if how["explain"]:
        reasons = _explain(row.tool, given)
        if how["as_json"]:
            print_json(list(reasons))
        else:
            put("".join(f"{plain(reason)}\n" for reason in reasons))
        return 0
    found = _estimate(row.tool, given)
    if how["as_json"]:
        print_json(asdict(found))
    else:
        price = "at an unknown price" if found.usd is None else f"for about {money(found.usd)}"
        count = counted(found.count, "picture")
        put(f"{found.provider} ({plain(found.model)}) would make {count} {price}; nothing was begun\n")
    return 0


@with_engine
async def _explain(engine: Engine, tool: str, given: dict[str, Any]) -> tuple[str, ...]:
    return await engine.explain(tool, given)


@with_engine
async def _estimate(engine: Engine, tool: str, given: dict[str, Any]) -> Estimate:
    return await engine.estimate(LOCAL, tool, given)


@with_engine
async def _make(
    engine: Engine, tool: str, given: dict[str, Any], how: Mapping[str, Any], made: list[Path], *, confirmed: bool
) -> int | ConfirmationNeededError:
    """Make the call and print what came of it, with its files added to `made`.

    Returns:
        The exit code; the question where the user has to be asked first.
    """
    try:
        job = await engine.start(LOCAL, tool, given, key=how["key"], confirmed=confirmed)
    except ConfirmationNeededError as needed:
        return needed
    await follow(engine, [job], quiet=how["quiet"], verbose=how["verbose"])
    made += [picture.path for picture in job.pictures if picture.path is not None]
    if how["as_json"]:
        print_json(job_data(job))
    elif how["quiet"]:
        put("".join(f"{plain(str(path))}\n" for path in made))
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
