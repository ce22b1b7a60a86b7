"""The guide's pages for what is on offer now: an overview and one page per model.

A page is a Markdown file in `pages/`. Everything that a row knows stands in it as a mark:

    {{edit.images.max_items}}        a limit or default of this page's row: any field of `Limits`, `default`, `range`
    {{pictures.max_bytes}}           a limit on its input pictures
    {{title}}                        a text of the row
    {{qwen:edit.images.max_items}}   the same of another row
    {{only:edit.mask}}               nothing, but the line stays only where the row (in the overview: any row) has this
    [[qwen]], [[qwen:edit.mask]]     another tool by its name, where it is on and has this
    {{arguments}}                    alone on its line: a block made from rows, listed in `FOR_ALL` and `FOR_ONE`

A line is dropped if one of its marks has nothing to stand for on this offer, so each such sentence has a line of its
own. On a heading the mark decides about the whole section. A section that has lost all its content is
dropped too. A mark that could never stand for anything is an error that names page and mark.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from imagewright.catalog.facts import capability_table, operations
from imagewright.catalog.load import catalog
from imagewright.catalog.row import Limits, OperationName, verb
from imagewright.errors import CatalogError
from imagewright.guide.describe import choices, editions, limits
from imagewright.text import byte_size, listed, markdown_table, shown, span

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from imagewright.catalog.row import Argument, Row

OVERVIEW = "overview.md"
FENCE = "```"
MARK = re.compile(r"\{\{(?P<value>[^{}]*)\}\}|\[\[(?P<tool>[^\[\]]*)\]\]")
TEXTS = ("tool", "title", "character", "first_choice", "caution")
ARGUMENT_FIELDS = (*Limits.model_fields, "default", "range")
PICTURE_FIELDS = ("formats", "max_bytes", "max_megapixels", "min_side", "max_side")


def overview(rows: Collection[Row]) -> str:
    """The page about choosing, prompting and passing pictures, for the effective rows of the tools that are on.

    Raises:
        CatalogError: the page has a mark that could never stand for anything; names page and mark.
    """
    return _page(OVERVIEW, None, rows)


def page(row: Row, rows: Collection[Row]) -> str:
    """The page of one model, from its effective row and those of all tools that are on.

    Raises:
        CatalogError: there is no such page, or as in `overview`.
    """
    return _page(f"{row.tool}.md", row, rows)


def _page(name: str, row: Row | None, rows: Collection[Row]) -> str:
    on = {one.tool: one for one in rows}
    return render(source(name), Offered(page=name, row=row, rows=on, known=on | catalog()))


@cache
def source(name: str) -> str:
    """A page as written, marks and all.

    Raises:
        CatalogError: the file is missing from the package.
    """
    entry = files("imagewright.guide") / "pages" / name
    if not entry.is_file():
        raise CatalogError(f"guide/pages/{name}: missing; every row needs its page")
    return entry.read_text(encoding="utf-8")


def render(text: str, offered: Offered) -> str:
    """A page's text for an offer.

    Raises:
        CatalogError: as in `overview`.
    """
    lines: list[str] = []
    dropped = 0  # level of the heading whose section is being dropped, 0 for none
    for line, level, fenced in _levelled(text.splitlines()):
        if dropped and not 0 < level <= dropped:
            continue
        dropped = 0
        try:
            lines += [line] if fenced else _rendered(line, offered)
        except AbsentError:
            dropped = level
    return _tidy(lines)


def _rendered(line: str, offered: Offered) -> list[str]:
    name = line.removeprefix("{{").removesuffix("}}")
    if line == f"{{{{{name}}}}}" and name in FOR_ALL:
        return FOR_ALL[name](tuple(offered.rows.values())).splitlines()
    if line == f"{{{{{name}}}}}" and name in FOR_ONE and offered.row is not None:
        return FOR_ONE[name](offered.row).splitlines()
    return [offered.line(line).rstrip() if MARK.search(line) else line]


def _levelled(lines: Iterable[str]) -> Iterator[tuple[str, int, bool]]:
    """Each line with its level, 1 to 6 for a heading and 0 for any other, and whether it stands in a fence."""
    fenced = False
    for line in lines:
        if line.startswith(FENCE):
            fenced = not fenced
        marks = len(line) - len(line.lstrip("#"))
        yield line, marks if not fenced and line[marks : marks + 1] == " " else 0, fenced


def _tidy(lines: list[str]) -> str:
    """Without sections that have lost all their content, and without runs of empty lines."""
    kept: list[str] = []
    below = 1  # level of what follows, 0 for content; the end of the page ends every section
    for line, level, fenced in _levelled(reversed(lines)):
        empty_section = level > 1 and 0 < below <= level
        if empty_section or (not line and not fenced and not (kept and kept[-1])):
            continue
        kept.append(line)
        below = level if line else below
    return "\n".join(reversed(kept)).strip() + "\n"


class AbsentError(Exception):
    """The mark is correct, but what it stands for is not on offer now."""


@dataclass(frozen=True, slots=True)
class Offered:
    """What a page is rendered for."""

    page: str
    """File name, for messages."""
    row: Row | None
    """The page's own row; None for the overview."""
    rows: Mapping[str, Row]
    """The rows on offer by tool, each narrowed to what the providers in use can do."""
    known: Mapping[str, Row]
    """Every row there is by tool, in full. It tells a misspelt mark from one that is not on offer."""

    def line(self, text: str) -> str:
        """The line with its marks replaced.

        Raises:
            AbsentError: one of its marks has nothing to stand for on this offer.
            CatalogError: one of its marks could never stand for anything.
        """
        return MARK.sub(self._mark, text)

    def _mark(self, found: re.Match[str]) -> str:
        try:
            if (tool := found["tool"]) is not None:
                return self._reference(tool)
            kind, _, path = found["value"].rpartition(":")
            return self._condition(path) if kind == "only" else self._value(kind, path)
        except KeyError as error:
            raise CatalogError(f"guide/pages/{self.page}: {found[0]}: {error.args[0]}") from error

    def _reference(self, text: str) -> str:
        tool, _, path = text.partition(":")
        if not _has(self._known(tool), path):
            raise KeyError(f"{tool} has no {path}")
        if tool not in self.rows or not _has(self.rows[tool], path):
            raise AbsentError(text)
        return f"`{tool}`"

    def _condition(self, path: str) -> str:
        everyone = self.known.values() if self.row is None else [self._known(self.row.tool)]
        if not any(_has(row, path) for row in everyone):
            raise KeyError(f"no row has {path}")
        offered = self.rows.values() if self.row is None else [self.row]
        if not any(_has(row, path) for row in offered):
            raise AbsentError(path)
        return ""

    def _value(self, tool: str, path: str) -> str:
        if not tool and self.row is None:
            raise KeyError("the overview needs the name of a tool before the colon")
        name = tool or (self.row.tool if self.row else "")
        if _look_up(self._known(name), path) is None:
            raise KeyError(f"{name} sets no {path}")
        row = self.rows.get(name) if tool else self.row
        if row is None:
            raise AbsentError(path)
        try:
            found = _look_up(row, path)
        except KeyError as error:
            raise AbsentError(path) from error
        if found is None:
            raise AbsentError(path)
        return found

    def _known(self, tool: str) -> Row:
        if tool not in self.known:
            raise KeyError(f"no tool is called {tool!r}")
        return self.known[tool]


def _has(row: Row, path: str) -> bool:
    """Whether the row has an operation (`edit`) or an argument in it (`edit.mask`); true for an empty path."""
    operation, _, argument = path.partition(".")
    if not operation:
        return True
    if operation not in set(OperationName):
        raise KeyError(f"no operation is called {operation!r}")
    found = row.operations.get(OperationName(operation))
    return found is not None and (not argument or argument in found.arguments)


def _look_up(row: Row, path: str) -> str | None:
    """The text for `{{path}}`; None where the row leaves that limit open.

    Raises:
        KeyError: the row has nothing of that name; says what is wrong.
    """
    match path.split("."):
        case [text] if text in TEXTS:
            return str(getattr(row, text))
        case ["pictures", field] if field in PICTURE_FIELDS:
            return _picture_limit(row, field)
        case [operation, argument, field] if field in ARGUMENT_FIELDS:
            if not _has(row, f"{operation}.{argument}"):
                raise KeyError(f"{row.tool} has no {operation}.{argument}")
            return _limit(row.operations[OperationName(operation)].arguments[argument], field)
    raise KeyError("unknown placeholder")


def _picture_limit(row: Row, field: str) -> str | None:
    value = getattr(row.pictures, field)
    if field == "formats":
        return _formats(value)
    if field == "max_bytes":
        return byte_size(value)
    return None if value is None else shown(value)


def _limit(argument: Argument, field: str) -> str | None:
    if field == "values":
        return _values(argument)
    if field == "range":
        return _range(argument)
    value = getattr(argument, field)
    return None if value is None else shown(value)


def _range(argument: Argument) -> str | None:
    for low, high in ((argument.min_items, argument.max_items), (argument.minimum, argument.maximum)):
        if low is not None and high is not None:
            return span(low, high)
    return None


def _values(argument: Argument) -> str | None:
    return None if argument.values is None else listed([shown(one) for one in argument.values], "or")


def _formats(names: Collection[str]) -> str:
    """File formats as people write them: `PNG, JPEG or WebP`."""
    return listed([{"webp": "WebP"}.get(name, name.upper()) for name in names], "or")


def _models(rows: Collection[Row]) -> str:
    """A bullet per model: its name, its tool, its character, what it is best for, what surprises people."""
    lines = []
    for row in rows:
        caution = f" {row.caution}" if row.caution else ""
        lines.append(f"- **{row.title}** (`{row.tool}`): {row.character}. Best for {row.first_choice}.{caution}")
    return "\n".join(lines)


def _choices(rows: Collection[Row]) -> str:
    """Per operation its tools, the first to offer first."""
    blocks = []
    for operation, able in choices(rows).items():
        lines = [f"**{verb(operation).capitalize()}**", "", *(f"- `{tool}`: {when}" for tool, when in able)]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def _limits(rows: Collection[Row]) -> str:
    """A bullet per limit that no tool on offer goes beyond."""
    return "\n".join(f"- {one[0].upper()}{one[1:]}." for one in limits(rows))


def _arguments(row: Row) -> str:
    """A table of arguments per operation of the row, and the rules across them."""
    blocks = []
    for operation in operations(row):
        heading = f"**{verb(operation).capitalize()}**{_selected(row, operation)}"
        lines = [heading, ""] if len(row.operations) > 1 else []
        blocks.append("\n".join([*lines, argument_table(row.operations[operation].arguments)]))
    known = row.arguments().keys()
    whole = [rule.say for rule in row.rules if known >= {*rule.when, *rule.items, *rule.values}]
    rules = [f"- {sentence[0].upper()}{sentence[1:]}." for sentence in whole]
    return "\n\n".join([*blocks, "\n".join(rules)]).rstrip()


def argument_table(taken: Mapping[str, Argument]) -> str:
    """The Markdown table of arguments: what each may be, its default, what it means."""
    rows = ((f"`{name}`", _allowed(one), _default(one), one.describe) for name, one in taken.items())
    return markdown_table(("argument", "allowed", "default", "meaning"), rows)


def _selected(row: Row, operation: OperationName) -> str:
    chosen_by = row.operations[operation].selected_by
    return f", with {listed([f'`{name}`' for name in chosen_by])}" if chosen_by else ", with a prompt alone"


def _allowed(argument: Argument) -> str:
    if values := _values(argument):
        return values
    if argument.kind == "boolean":
        return "true or false"
    if argument.kind == "pictures":
        most = argument.max_items
        return "a list" if most is None else f"{span(argument.min_items or 1, most)} in a list"
    if argument.max_length is not None:
        return f"at most {argument.max_length} characters"
    return _range(argument) or {"picture": "one picture", "path": "a name or a path"}.get(argument.kind, "any")


def _default(argument: Argument) -> str:
    if argument.required:
        return "required"
    return "none" if argument.default is None else shown(argument.default)


def _pictures(row: Row) -> str:
    """What an input picture may be, in two sentences."""
    limit = row.pictures
    parts = [f"at most {byte_size(limit.max_bytes)}"]
    if limit.max_megapixels is not None:
        parts.append(f"at most {shown(limit.max_megapixels)} megapixels")
    if limit.max_side is not None:
        parts.append(f"each side {span(limit.min_side, limit.max_side)} px")
    elif limit.min_side > 1:
        parts.append(f"each side at least {limit.min_side} px")
    return (
        f"An input picture may have {', '.join(parts)}. {_formats(limit.formats)} is taken as it is; of a GIF the "
        "first frame counts, and what else can be read is converted."
    )


FOR_ALL: dict[str, Callable[[Collection[Row]], str]] = {
    "models": _models,
    "choices": _choices,
    "limits": _limits,
    "table": capability_table,
}
"""Blocks about everything that is on offer."""
FOR_ONE: dict[str, Callable[[Row], str]] = {"arguments": _arguments, "editions": editions, "pictures": _pictures}
"""Blocks about a page's own row."""
