"""Facts about a row that the schema, the guide and the command line need, and the capability table made of them.

A row may be narrowed to what the providers in use can do, so any argument and any operation may be missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagewright.catalog.row import OperationName
from imagewright.errors import CatalogError
from imagewright.text import markdown_table, shown, span

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from imagewright.catalog.row import Argument, Row


PIXELS_PER_K = 1024
"""Px of a side of the square that 1K stands for; for 2K it is twice as much, and so on."""
LARGEST_CLASS = 4.0
"""The largest size class of any row, in K."""
COMMON_SHAPES = frozenset({"1:1", "4:3", "3:4", "16:9", "9:16"})
"""Square, photograph and screen, upright and lying. A model without one of them is "limited" in its shapes."""
START = "<!-- capability table: start -->"
END = "<!-- capability table: end -->"
YES, NO, ONLY, LIMITED = "yes", "no", "only this", "limited"


def operations(row: Row) -> list[OperationName]:
    """The row's operations in the order of `OperationName`; the row itself has them in the order they are matched."""
    return [name for name in OperationName if name in row.operations]


def forms(row: Row, name: str) -> dict[OperationName, Argument]:
    """The argument as each operation that takes it has it, in the order of `OperationName`."""
    return {
        operation: row.operations[operation].arguments[name]
        for operation in operations(row)
        if name in row.operations[operation].arguments
    }


def argument_names(row: Row) -> list[str]:
    """Every argument of the tool once. One that only one operation takes stands where that operation lists it."""
    order: list[str] = []
    for operation in sorted(row.operations.values(), key=lambda one: -len(one.arguments)):
        place = 0
        for name in operation.arguments:
            if name in order:
                place = order.index(name)
            else:
                order.insert(place, name)
            place += 1
    return order


def bounds(row: Row, name: str) -> tuple[float, float] | None:
    """Lowest and highest value of a numeric argument over all operations; None when the row sets no bounds."""
    ends = [pair for one in forms(row, name).values() if (pair := _ends(one))]
    return (min(low for low, _ in ends), max(high for _, high in ends)) if ends else None


def _ends(argument: Argument) -> tuple[float, float] | None:
    if numbers := [value for value in argument.values or () if isinstance(value, int | float)]:
        return min(numbers), max(numbers)
    if argument.minimum is None or argument.maximum is None:
        return None
    return argument.minimum, argument.maximum


def picture_list(row: Row, operation: OperationName) -> Argument | None:
    """The argument by which an operation takes a list of pictures; None when it takes none."""
    if operation not in row.operations:
        return None
    lists = [one for one in row.operations[operation].arguments.values() if one.kind == "pictures"]
    return lists[0] if lists else None


def most_images(row: Row) -> int:
    """The largest number of pictures one edit takes; 0 when the row does not edit."""
    if OperationName.EDIT not in row.operations:
        return 0
    images = picture_list(row, OperationName.EDIT)
    return 1 if images is None else images.max_items or 1


def shapes(row: Row) -> tuple[str, ...]:
    """Every aspect ratio on offer, without words such as "auto"."""
    found = [shown(value) for one in forms(row, "aspect_ratio").values() for value in one.values or ()]
    return tuple(value for value in dict.fromkeys(found) if ":" in value)


def limited_in_shape(row: Row) -> bool:
    """Whether the row offers aspect ratios, but not all the common ones."""
    return bool(shapes(row)) and bool(COMMON_SHAPES.difference(shapes(row)))


def capability_table(rows: Collection[Row]) -> str:
    """The Markdown table of these rows, in their order, ending without a line break."""
    return markdown_table(["tool", *COLUMNS], ([row.tool, *cells(row)] for row in rows))


def cells(row: Row) -> list[str]:
    """The row's cells after the tool's name: what its default edition can do."""
    return [cell(row.in_default_edition) for cell in COLUMNS.values()]


def replace_between(text: str, start: str, end: str, block: str) -> str:
    """The text with what stands between two marker lines replaced; the markers stay.

    Raises:
        CatalogError: the markers are not there, each once and in order.
    """
    if text.count(start) != 1 or text.count(end) != 1 or text.index(start) > text.index(end):
        raise CatalogError(f"the text needs {start} and, after it, {end}, each exactly once")
    before = text[: text.index(start) + len(start)]
    return f"{before}\n{block}\n{text[text.index(end) :]}"


def _does(operation: OperationName) -> Callable[[Row], str]:
    return lambda row: YES if operation in row.operations else NO


def _several(row: Row) -> str:
    images = picture_list(row, OperationName.EDIT)
    if images is None or most_images(row) == 1:
        return NO
    return span(images.min_items or 1, most_images(row)) if images.counted else YES


def _remove_background(row: Row) -> str:
    if OperationName.REMOVE_BACKGROUND not in row.operations:
        return NO
    return ONLY if len(row.operations) == 1 else YES


def _shapes(row: Row) -> str:
    if not shapes(row):
        return NO
    if set(row.operations) == {OperationName.REFRAME}:
        return ONLY
    return LIMITED if limited_in_shape(row) else YES


def _variants(row: Row) -> str:
    found = bounds(row, "variants")
    return span(*found) if found and found[1] > 1 else NO


def _upscale(row: Row) -> str:
    if OperationName.UPSCALE not in row.operations:
        return NO
    found = bounds(row, "scale")
    return f"{shown(found[0])}x-{shown(found[1])}x" if found else YES


COLUMNS: dict[str, Callable[[Row], str]] = {
    "text-to-image": _does(OperationName.GENERATE),
    "single edit": _does(OperationName.EDIT),
    "multi-image": _several,
    "background removal": _remove_background,
    "aspect ratio": _shapes,
    "variants": _variants,
    "upscaling": _upscale,
}
"""The columns after the tool's name, each with how its cell follows from a row."""
