"""A tool's title and description: what it is the first choice for, its numbers, and what it cannot do.

A description names no other tool, since that one may be off. Which of several tools to take is ordered by the
server's instructions, which know what is on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagewright.catalog.facts import bounds, forms, limited_in_shape, most_images, operations, shapes
from imagewright.catalog.row import OperationName, verb
from imagewright.text import listed, shown, span

if TYPE_CHECKING:
    from collections.abc import Callable

    from imagewright.catalog.row import Row


def title(row: Row) -> str:
    """The model's name for people."""
    return row.title


def description(row: Row) -> str:
    """The tool's description, about 150 to 200 characters."""
    sentences = [f"Best for {row.first_choice}", how_to_choose(row), "; ".join(numbers(row)), lacks(row)]
    return " ".join(f"{sentence[0].upper()}{sentence[1:]}." for sentence in sentences if sentence)


def how_to_choose(row: Row) -> str:
    """How the operation follows from the arguments; empty for a tool that does one thing only."""
    if len(row.operations) == 1:
        return ""
    return "; ".join(f"{_given(row, operation)}: {verb(operation)}" for operation in operations(row))


def _given(row: Row, operation: OperationName) -> str:
    chosen_by = row.operations[operation].selected_by
    if not chosen_by:
        return "prompt alone"
    words = []
    for name in chosen_by:
        argument = row.operations[operation].arguments[name]
        if argument.kind == "pictures":
            most = argument.max_items or 1
            words.append(f"{span(argument.min_items or 1, most)} image{'s' if most > 1 else ''}")
        else:
            found = bounds(row, name)
            words.append(f"{name} {span(*found)}" if found else name)
    return listed(words)


def numbers(row: Row) -> list[str]:
    """What else it counts in, each as a few words."""
    found = []
    if resolutions := [shown(value) for one in forms(row, "resolution").values() for value in one.values or ()]:
        found.append("/".join(dict.fromkeys(resolutions)))
    if (variants := bounds(row, "variants")) and variants[1] > 1:
        found.append(f"{span(*variants)} variants")
    if forms(row, "mask"):
        found.append("mask")
    if limited_in_shape(row):
        found.append(f"only {', '.join(shapes(row))}")
    return found


def lacks(row: Row) -> str:
    """What it cannot do of all that some model can; short for a tool that neither makes nor edits."""
    if not {OperationName.GENERATE, OperationName.EDIT} & set(row.operations):
        return "nothing else" if forms(row, "prompt") else "takes no prompt; nothing else"
    missing = [word for word, has in VOCABULARY.items() if not has(row)]
    return f"no {listed(missing, 'or')}" if missing else ""


def _does(operation: OperationName) -> Callable[[Row], bool]:
    return lambda row: operation in row.operations


def _takes(name: str) -> Callable[[Row], bool]:
    return lambda row: bool(forms(row, name))


def _several_images(row: Row) -> bool:
    return OperationName.EDIT not in row.operations or most_images(row) > 1


def _several_variants(row: Row) -> bool:
    found = bounds(row, "variants")
    return found is not None and found[1] > 1


VOCABULARY: dict[str, Callable[[Row], bool]] = {
    "generating": _does(OperationName.GENERATE),
    "editing": _does(OperationName.EDIT),
    "second image": _several_images,
    "mask": _takes("mask"),
    "variants": _several_variants,
    "seed": _takes("seed"),
    "upscaling": _does(OperationName.UPSCALE),
    "background removal": _does(OperationName.REMOVE_BACKGROUND),
    "reframing": _does(OperationName.REFRAME),
}
"""The wishes people come with, and how a row shows that it fulfils them."""
