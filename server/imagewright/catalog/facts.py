"""Facts about a row that the schema, the capability table, the guide and the command line all need.

A row may be narrowed to what the providers in use can do, so any argument and any operation may be missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagewright.catalog.row import OperationName
from imagewright.text import shown

if TYPE_CHECKING:
    from imagewright.catalog.row import Argument, Row

PIXELS_PER_K = 1024
"""Px of a side of the square that 1K stands for; for 2K it is twice as much, and so on."""
COMMON_SHAPES = frozenset({"1:1", "4:3", "3:4", "16:9", "9:16"})
"""Square, photograph and screen, upright and lying. A model without one of them is "limited" in its shapes."""


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
