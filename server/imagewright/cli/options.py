"""What all commands are made of: options, commands and groups that suggest the nearest name for a misspelt one.

On the start-up path of the server: nothing here loads anything but click.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from imagewright.errors import ImagewrightError, Problem, Refusal, SettingsError
from imagewright.settings.table import SETTINGS
from imagewright.text import SHOWN_LENGTH, clip, closest, did_you_mean, listed, quoted, shortened

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from imagewright.settings.load import CommandLine

SHARED = {one.option: one for one in SETTINGS if one.option}
"""Options every command takes, before or after its name; they beat the environment and the configuration file."""
OPTION_SHAPE = re.compile(r"--[a-z][a-z-]*(=.*)?", re.DOTALL)
"""What a person types only as an option, never as the value of one."""
UNDERSCORED = re.compile(r"\b[a-z]+(?:_[a-z]+)+\b")
"""Names of arguments that can be recognised in a sentence, because they are no English words."""
FOR_PERSON = {
    "have the user raise": "raise",
    "have the user set": "set",
    "(see image_gallery)": "(see imagewright gallery)",
    "do not call again": "do not run it again",
    "Do not call again": "Do not run it again",
    "call once more": "run it once more",
    "call again, or": "run it again, or",
    "Call again if": "Run it again if",
    "Call again later": "Run it again later",
    "Call again when": "Run it again when",
    "with image_job": "with imagewright jobs watch",
    "Absolute path": "Path",
    " and restart the server": "",
    "the user can allow it": "you can allow it",
}
"""Phrases of the engine for an assistant, and what a person who types commands reads instead."""


class Option(click.Option):
    """An option that may also stand before the name of the subcommand it is for.

    It stands under the heading `section` in the help page. `label` is what a refusal of the engine calls it, where that
    is not its parameter's name. All else is as for `click.Option`.
    """

    def __init__(self, names: Sequence[str], *, section: str = "Options", label: str = "", **more: Any) -> None:
        super().__init__(names, **more)
        self.section = section
        self.label = label or self.name

    def handle_parse_result(
        self, ctx: click.Context, opts: Mapping[str, Any], args: list[str]
    ) -> tuple[Any, list[str]]:
        """As click does, but `--prompt --json` does not mean the prompt `--json`: a value was forgotten."""
        given = opts.get(self.name or "")
        for value in given if isinstance(given, list) else [given]:
            if isinstance(value, str) and OPTION_SHAPE.fullmatch(value):
                raise click.UsageError(f"{self.opts[0]} needs a value, and {value} is an option", ctx)
        return super().handle_parse_result(ctx, opts, args)

    def process_value(self, ctx: click.Context, value: Any) -> Any:
        """The value that was given here, else the one that was given before the subcommand's name."""
        before = ctx.parent.params.get(self.name or "") if ctx.parent else None
        if before is not None and ctx.get_parameter_source(self.name or "") is not ParameterSource.COMMANDLINE:
            return before
        return super().process_value(ctx, value)


option = partial(click.option, cls=Option)
"""As `click.option`."""


class Command(click.Command):
    """A command with the shared options, whose refusals name its options as they are typed."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        given: dict[str, Any] = {"multiple": True, "expose_value": False, "callback": _collect}
        for name, one in SHARED.items():
            form = "NAMES" if one.kind.is_list else name.rpartition("-")[2].upper()
            own = given | {"shell_complete": _complete_names(name)}
            self.params.append(Option([name], help=one.help, metavar=form, section="Options of every command", **own))

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The options under their headings."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for option in self.get_params(ctx):
            if isinstance(option, click.Option) and (record := option.get_help_record(ctx)):
                sections.setdefault(getattr(option, "section", "Also"), []).append(record)
        for heading in sorted(sections, key="Also".__eq__):
            with formatter.section(heading):
                formatter.write_dl(sections[heading])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's own
        """The epilog as it is, its lines unbroken."""
        if self.epilog:
            formatter.write(f"\n{self.epilog}")

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command.

        Raises:
            Refusal: the engine's, with the names of arguments as this command's options.
            ImagewrightError: as it was raised, also where a task group has wrapped it.
        """
        try:
            try:
                return super().invoke(ctx)
            except BaseExceptionGroup as group:
                raise unwrapped(group) from group
        except Refusal as error:
            raise as_typed(error, ctx) from None


class Group(Command, click.Group):
    """A command with subcommands."""

    noun: ClassVar[str] = "command"
    """What its subcommands are called in a message."""

    def summaries(self) -> Mapping[str, str]:
        """Every subcommand with what it is for, without loading it."""
        helps = {name: command.help or "" for name, command in self.commands.items()}
        return {name: f"{text[:1].lower()}{text[1:]}".removesuffix(".") for name, text in helps.items()}

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's own
        """The subcommands in the order in which help pages show them."""
        return list(self.summaries())

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The subcommand that is named.

        Raises:
            SettingsError: there is none of that name; the message has the nearest and all there are.
        """
        name, known = args[0], self.summaries()
        if name in known:
            return name, self.get_command(ctx, name), args[1:]
        if ctx.resilient_parsing:  # completing a line that is not finished
            return None, None, args[1:]
        raise SettingsError(
            f"there is no {self.noun} {name!r}{did_you_mean(name, known)}. The {self.noun}s are: {', '.join(known)}."
        )

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The subcommands, and the options under their headings."""
        with formatter.section(f"{self.noun}s".capitalize()):
            formatter.write_dl(list(self.summaries().items()))
        super().format_options(ctx, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Nothing more: they stand before the options."""

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Subcommands and options that begin so, without loading any subcommand."""
        found = completions(self.summaries(), incomplete)
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]


def _collect(ctx: click.Context, option: click.Parameter, values: tuple[str, ...]) -> None:
    """Add to what was given before the subcommand's name; `meta` is one for a context and all below it."""
    ctx.meta.setdefault(option.opts[0], []).extend(values)


def unwrapped(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The one error that a task group has wrapped; a bug stays in its group and keeps its traceback."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error if isinstance(error, ImagewrightError | KeyboardInterrupt | OSError) else group


def as_typed(refusal: Refusal, ctx: click.Context) -> Refusal:
    """The refusal with `--aspect-ratio` for `aspect_ratio`; of options that no command has, the nearest it has."""
    names = {getattr(one, "label", one.name): _typed_name(one) for one in ctx.command.get_params(ctx)}
    unknown = [word.partition("=")[0] for word in ctx.args if word.startswith("--")]
    strays = {clip(word[2:].replace("-", "_")): shortened(word, SHOWN_LENGTH) for word in unknown}
    problems = []
    for problem in refusal.problems:
        name, picture, place = problem.argument.partition("[")
        message = for_person(UNDERSCORED.sub(lambda found: names.get(found[0], found[0]), problem.message))
        message = message.removesuffix(", not a text")  # whatever is typed is a text
        if name in strays and name not in names:
            meant = listed((f"'{names[one]}'" for one in problem.meant if one in names), "or")
            near = "" if refusal.instead else nearest_option(strays[name], ctx)  # else one of another tool is meant
            guessed = closest(name, problem.meant)  # by likeness among arguments: another option may be more like it
            hint = f" (did you mean {meant}?)" if meant and not (near and guessed) else near
            message = f"{ctx.info_name} has no such option{hint}"
        typed = strays.get(name) or names.get(name) or name
        problems.append(Problem(f"{typed} (picture {int(place[:-1]) + 1})" if picture else typed, message))
    made = Refusal(*problems, instead=refusal.instead, note=for_person(refusal.note))
    made.more = refusal.more
    return made


def _typed_name(parameter: click.Parameter) -> str:
    """`--limit` for an option, `TEXT` for `[TEXT]`."""
    return parameter.opts[0] if isinstance(parameter, click.Option) else parameter.human_readable_name.strip("[].")


def for_person(text: str) -> str:
    """What the engine writes for an assistant, as a person at a terminal reads it."""
    for theirs, ours in FOR_PERSON.items():
        text = text.replace(theirs, ours)
    return text


def nearest_option(name: str, ctx: click.Context) -> str:
    """` (did you mean '--json'?)`, of the options of a command; empty when none is near."""
    words = [word for one in ctx.command.get_params(ctx) for word in (*one.opts, *one.secondary_opts)]
    known = [word[2:] for word in words if word.startswith("--")]  # the dashes would make all of them alike
    return "".join(f" (did you mean '--{one}'?)" for one in closest(name[2:], known))


def positive(text: str | int) -> int:
    """A whole number above 0, as the type of an option."""
    try:
        number = int(text) if str(text).isdecimal() else 0
    except ValueError:  # Python reads no number of more than 4,300 digits
        number = 0
    if number < 1:
        raise click.BadParameter(f"{quoted(str(text), SHOWN_LENGTH)} is not a whole number above 0")
    return number


def option_name(argument: str) -> str:
    """`aspect_ratio` as `--aspect-ratio`."""
    return f"--{argument.replace('_', '-')}"


def completions(known: Mapping[str, str] | Iterable[str], incomplete: str) -> list[CompletionItem]:
    """The names that begin so, as the shell wants them, with their help where there is one."""
    helps = known if isinstance(known, dict) else dict.fromkeys(known, "")
    return [CompletionItem(name, help=text or None) for name, text in helps.items() if name.startswith(incomplete)]


def completing(known: Callable[[], Iterable[str]]) -> Callable[..., list[CompletionItem]]:
    """For `shell_complete` of an option or argument: completes these names, which are asked for only then."""
    return lambda _ctx, _parameter, incomplete: completions(known(), incomplete)


def _complete_names(option: str) -> Callable[..., list[CompletionItem]]:
    """For `shell_complete` of a shared option: the last of the names that commas join."""

    def complete(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from imagewright.engine.offer import tool_names  # noqa: PLC0415 - a shell asks for it, the server never
        from imagewright.providers import REGISTERED  # noqa: PLC0415 - as above
        from imagewright.settings.kinds import LEVELS  # noqa: PLC0415 - as above

        known = {"--provider": tuple(REGISTERED), "--log-level": LEVELS}.get(option) or tool_names()
        before, comma, last = incomplete.rpartition(",")
        return [CompletionItem(f"{before}{comma}{name}") for name in known if name.startswith(last)]

    return complete


def command_line() -> CommandLine:
    """The shared options of the command that runs, as the settings want them."""
    from imagewright.settings.load import CommandLine  # noqa: PLC0415 - help and --version need no settings

    given: dict[str, list[str]] = click.get_current_context().meta
    providers = tuple(",".join(given["--provider"]).replace(",", " ").split())
    tools = ",".join(given["--tools"]) if given["--tools"] else None
    level = next(reversed(given["--log-level"]), None)
    return CommandLine(tools, ",".join(given["--disable"]), providers or None, level)


def shared_words(*, but: Collection[str] = ()) -> list[str]:
    """The shared options of the command that runs, but for some, as words for another process of ours."""
    given = click.get_current_context().meta
    return [word for name in SHARED if name not in but for value in given[name] for word in (name, value)]
