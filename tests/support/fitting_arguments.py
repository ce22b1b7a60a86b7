"""Arguments that are surely allowed, made from the rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from imagewright.catalog.row import Argument, OperationName, Row


def sample(argument: Argument) -> Any:
    """A value that is surely allowed."""
    match argument.kind:
        case "pictures":
            return ["/pictures/a.png"] * (argument.min_items or 1)
        case "picture" | "path":
            return "/pictures/a.png"
        case "text":
            return "a red fox"
        case "choice":
            assert argument.values
            return argument.values[0]
        case "boolean":
            return True
        case _:
            return int(argument.minimum or 0)


def fitting(row: Row, operation: OperationName) -> dict[str, Any]:
    """The fewest arguments that make a call of this operation."""
    return {name: sample(one) for name, one in row.operations[operation].arguments.items() if one.required}
