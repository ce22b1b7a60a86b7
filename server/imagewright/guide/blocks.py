"""The parts of a page that are made from rows altogether. A page asks for one by its name alone on a line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagewright.catalog.facts import operations
from imagewright.catalog.row import verb
from imagewright.catalog.table import capability_table
from imagewright.guide.choosing import choices, limits
from imagewright.text import byte_size, listed, shown, span

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from imagewright.catalog.row import Argument, OperationName, Row, Rule


def models(rows: Collection[Row]) -> str:
    """A bullet per model: its name, its tool, its character, what it is best for, what surprises."""
    lines = []
    for row in rows:
        caution = f" {row.caution}" if row.caution else ""
        lines.append(f"- **{row.title}** (`{row.tool}`): {row.character}. Best for {row.first_choice}.{caution}")
    return "\n".join(lines)


def chosen(rows: Collection[Row]) -> str:
    """Per operation the tools in the order of choice."""
    blocks = []
    for operation, able in choices(rows).items():
        lines = [f"**{verb(operation).capitalize()}**", "", *(f"- `{tool}`: {when}" for tool, when in able)]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def ends(rows: Collection[Row]) -> str:
    """A bullet per end of what any tool on offer can do."""
    return "\n".join(f"- {one[0].upper()}{one[1:]}." for one in limits(rows))


def arguments(row: Row) -> str:
    """A table of arguments per operation of the row, and the rules across them."""
    blocks = []
    for operation in operations(row):
        heading = f"**{verb(operation).capitalize()}**{_selected(row, operation)}"
        lines = [heading, ""] if len(row.operations) > 1 else []
        lines += ["| argument | allowed | default | meaning |", "|---|---|---|---|"]
        lines += [
            f"| `{name}` | {_allowed(one)} | {_default(one)} | {one.describe} |"
            for name, one in row.operations[operation].arguments.items()
        ]
        blocks.append("\n".join(lines))
    taken = {name for operation in row.operations.values() for name in operation.arguments}
    rules = [f"- {rule.say[0].upper()}{rule.say[1:]}." for rule in row.rules if taken.issuperset(_named(rule))]
    return "\n\n".join([*blocks, "\n".join(rules)]).rstrip()


def pictures(row: Row) -> str:
    """What an input picture may be, in two sentences."""
    limit = row.pictures
    parts = [f"at most {byte_size(limit.max_bytes)}"]
    if limit.max_megapixels is not None:
        parts.append(f"at most {shown(limit.max_megapixels)} megapixels")
    if limit.max_side is not None:
        parts.append(f"each side {span(limit.min_side, limit.max_side)} px")
    elif limit.min_side > 1:
        parts.append(f"each side at least {limit.min_side} px")
    as_it_is = listed([format_name(one) for one in limit.formats], "or")
    return (
        f"An input picture may have {', '.join(parts)}. {as_it_is} is taken as it is; of a GIF the first frame counts, "
        "and what else can be read is converted."
    )


def format_name(name: str) -> str:
    """A file format as people write it."""
    return {"webp": "WebP"}.get(name, name.upper())


def _selected(row: Row, operation: OperationName) -> str:
    chosen_by = row.operations[operation].selected_by
    return f", with {listed([f'`{name}`' for name in chosen_by])}" if chosen_by else ", with a prompt alone"


def _allowed(argument: Argument) -> str:
    if argument.values is not None:
        return listed([shown(one) for one in argument.values], "or")
    if argument.kind == "boolean":
        return "true or false"
    if argument.kind == "pictures":
        most = argument.max_items
        return "a list" if most is None else f"{span(argument.min_items or 1, most)} in a list"
    if argument.max_length is not None:
        return f"at most {argument.max_length} characters"
    if argument.minimum is not None and argument.maximum is not None:
        return span(argument.minimum, argument.maximum)
    return {"picture": "one picture", "path": "a name or a path"}.get(argument.kind, "any")


def _default(argument: Argument) -> str:
    if argument.required:
        return "required"
    return "none" if argument.default is None else shown(argument.default)


def _named(rule: Rule) -> set[str]:
    """The arguments a rule is about."""
    return {*rule.when, *rule.items, *rule.values}


FOR_ALL: dict[str, Callable[[Collection[Row]], str]] = {
    "models": models,
    "choices": chosen,
    "limits": ends,
    "table": capability_table,
}
"""Blocks about everything that is on offer."""
FOR_ONE: dict[str, Callable[[Row], str]] = {"arguments": arguments, "pictures": pictures}
"""Blocks about a page's own row."""
