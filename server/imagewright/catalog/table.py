"""The capability table of the README, made cell by cell from the rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagewright.catalog.facts import bounds, limited_in_shape, most_images, picture_list, shapes
from imagewright.catalog.row import OperationName
from imagewright.errors import CatalogError
from imagewright.text import markdown_table, shown, span

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from imagewright.catalog.row import Row

START = "<!-- capability table: start -->"
END = "<!-- capability table: end -->"
YES, NO, ONLY, LIMITED = "yes", "no", "only this", "limited"


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
