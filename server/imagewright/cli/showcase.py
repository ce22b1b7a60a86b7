"""What the demo asks of each tool: chosen from the rows, so that a new row is shown without an edit here."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from imagewright.catalog.facts import operations
from imagewright.catalog.kinds import PICTURE_KINDS
from imagewright.catalog.row import OperationName, outside

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from imagewright.catalog.row import Argument, Row

PROMPTS = {
    "": (
        "Evening over a quiet sea, the sun low, one small sailing boat far out",
        "A small town on a hill on a summer evening, seen from across the valley",
        "Still life with a jug and a bowl of fruit, plain wall, strong simple shapes",
    ),
    "fruit": (
        "Make the light that of a dull winter afternoon; keep the bowl and the fruit as they are",
        "Give the whole picture the look of a watercolour",
        "Put a glass of water beside the bowl",
    ),
    "vase": ("Decorate the vase with leaves and flowers in flat colours; keep all else",),
}
"""By the sample picture they are about, none for generating; taken in turn, so that no two tools get the same."""
MASKS = {"vase": "vase_mask"}
"""The mask of a sample picture; what takes a mask is shown with one of these."""
PICTURES = {OperationName.EDIT: "fruit", OperationName.UPSCALE: "fruit"}
"""The sample picture for each operation; for all others the one that has a mask, as its subject stands clear."""
WISHES: dict[str, Any] = {"variants": 2, "scale": 2, "seed": 7, "resolution": "1K"}
"""Two variants are enough to see that they differ, twice the size to see that it grows; the rest is to be quick."""
SHAPES = {OperationName.GENERATE: "3:2", OperationName.REFRAME: "16:9"}
"""The aspect ratio asked for; elsewhere the tool's default shows it best."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One call of the demo."""

    row: Row
    """The tool's row."""
    operation: OperationName
    """What it is asked to do."""
    arguments: Mapping[str, Any]
    """The call's arguments."""


def scenes(rows: Sequence[Row], samples: Mapping[str, Path], out: Path) -> list[Scene]:
    """One call per tool, together showing every operation there is.

    Args:
        rows: the tools to show.
        samples: absolute paths of the sample pictures by name.
        out: where the pictures are to be saved, absolute.
    """
    turns: Counter[str] = Counter()
    made = []
    chosen = cast_operations(rows)
    for row in rows:
        operation = chosen[row.tool]
        taken = row.operations[operation].arguments
        picture = _picture(operation, taken)
        given = {name: _value(name, one, operation, samples, picture) for name, one in taken.items()}
        if "prompt" in taken:
            prompts = PROMPTS[picture]
            given["prompt"] = prompts[turns[picture] % len(prompts)]
            turns[picture] += 1
        if "save_as" in taken:
            given["save_as"] = str(out / row.tool)
        shown = {name: value for name, value in given.items() if value is not None}
        made.append(Scene(row, operation, shown))
    return made


def _picture(operation: OperationName, taken: Mapping[str, Argument]) -> str:
    """The name of the sample picture to give; empty when none is taken."""
    if not any(argument.kind in PICTURE_KINDS and argument.required for argument in taken.values()):
        return ""
    masked = next(iter(MASKS))
    return masked if "mask" in taken else PICTURES.get(operation, masked)


def cast_operations(rows: Sequence[Row]) -> dict[str, OperationName]:
    """Which operation each tool shows: every operation by the tool that ranks first for it, the rarest first.

    A tool that is left over shows the operation with most arguments nobody has shown yet, and of equals the one that
    has been shown least.
    """
    chosen: dict[str, OperationName] = {}
    able = {name: [row for row in rows if name in row.operations] for name in OperationName}
    for name in sorted((one for one in able if able[one]), key=lambda one: len(able[one])):
        free = [row for row in able[name] if row.tool not in chosen]
        if free:
            chosen[min(free, key=lambda row: row.operations[name].rank).tool] = name
    by_tool = {row.tool: row for row in rows}
    for row in rows:
        if row.tool not in chosen:
            count = Counter(chosen.values())
            known = {name for tool, one in chosen.items() for name in by_tool[tool].operations[one].arguments}
            chosen[row.tool] = min(operations(row), key=lambda one: (-len(_new(row, one, known)), count[one]))
    return chosen


def _new(row: Row, operation: OperationName, known: set[str]) -> set[str]:
    return set(row.operations[operation].arguments) - known


def _value(name: str, argument: Argument, operation: OperationName, samples: Mapping[str, Path], picture: str) -> Any:
    """What shows the argument off; None to leave it to its default."""
    if argument.kind in PICTURE_KINDS:
        if not argument.required and name != "mask":
            return None
        sample = str(samples[MASKS[picture] if name == "mask" else picture])
        return sample if argument.kind == "picture" else [sample] * (argument.min_items or 1)
    wish = SHAPES.get(operation) if name == "aspect_ratio" else WISHES.get(name)
    if wish is not None and not outside(argument, wish):
        return wish
    return _some(argument) if argument.required else None


def _some(argument: Argument) -> Any:
    """Any allowed value of an argument that must be given."""
    if argument.values:
        return argument.values[0]
    if argument.kind in {"integer", "number"}:
        bound = next((one for one in (argument.minimum, argument.maximum) if one is not None), 1)
        return int(bound) if argument.kind == "integer" else bound
    return argument.kind == "boolean" or "a fox"
