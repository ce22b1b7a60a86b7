"""The marks in a page, and what they stand for on the rows on offer.

    {{edit.images.max_items}}        a limit or default of this page's row: any field of `Limits`, `default`, `range`
    {{pictures.max_bytes}}           a limit on its input pictures
    {{title}}                        a text of the row
    {{qwen:edit.images.max_items}}   the same of another row
    {{only:edit.mask}}               nothing, but the line stands only where the row (in the overview: any) has this
    [[qwen]], [[qwen:edit.mask]]     another tool by its name, where it is on and has this

A line with a mark that has nothing to stand for on this offer is dropped whole, so each such sentence stands on a line
of its own; on a heading, the mark decides about its whole section. A mark that could never stand for anything is an
error naming page and mark.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imagewright.catalog.row import OperationName
from imagewright.errors import CatalogError
from imagewright.guide.blocks import format_name
from imagewright.text import byte_size, listed, shown, span

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagewright.catalog.row import Argument, Row

MARK = re.compile(r"\{\{(?P<value>[^{}]*)\}\}|\[\[(?P<tool>[^\[\]]*)\]\]")
TEXTS = ("tool", "title", "character", "first_choice", "caution")
ARGUMENT_FIELDS = (
    "values",
    "minimum",
    "maximum",
    "min_length",
    "max_length",
    "min_items",
    "max_items",
    "default",
    "range",
)
PICTURE_FIELDS = ("formats", "max_bytes", "max_megapixels", "min_side", "max_side")


class AbsentError(Exception):
    """The mark is sound, but stands for something that is not on offer now."""


@dataclass(frozen=True, slots=True)
class Offered:
    """What a page is rendered for.

    Attributes:
        page: file name, for messages.
        row: the page's own row; None for the overview.
        rows: the rows on offer by tool, each narrowed to what can be had.
        known: every row there is by tool, in full: tells a misspelt mark from one that is not on offer.
    """

    page: str
    row: Row | None
    rows: Mapping[str, Row]
    known: Mapping[str, Row]

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
            if kind == "only":
                return self._condition(path)
            return self._value(kind, path)
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
        full = _look_up(self._known(name), path)
        if full is None:
            raise KeyError(f"{name} sets no {path}")
        row = self.row if not tool else self.rows.get(name)
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
    """Whether the row has an operation (`edit`) or an argument in it (`edit.mask`); an empty path is always had."""
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
        return listed([format_name(one) for one in value], "or")
    if field == "max_bytes":
        return byte_size(value)
    return None if value is None else shown(value)


def _limit(argument: Argument, field: str) -> str | None:
    if field == "values":
        return None if argument.values is None else listed([shown(one) for one in argument.values], "or")
    if field == "range":
        return _range(argument)
    value = getattr(argument, field)
    return None if value is None else shown(value)


def _range(argument: Argument) -> str | None:
    for low, high in ((argument.min_items, argument.max_items), (argument.minimum, argument.maximum)):
        if low is not None and high is not None:
            return span(low, high)
    return None
