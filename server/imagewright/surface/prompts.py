"""Prompts a person can pick from a menu, with completion of their arguments; all for what is on now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import mcp.types as t
from mcp import MCPError

from imagewright.catalog.row import OperationName
from imagewright.storage.records import LOCAL
from imagewright.text import SHOWN_LENGTH, did_you_mean, listed, quoted

if TYPE_CHECKING:
    from mcp.server import ServerRequestContext

    from imagewright.catalog.row import Row
    from imagewright.engine.engine import Engine
    from imagewright.engine.offer import Offer

    Context = ServerRequestContext[Any]

MOST_COMPLETIONS = 100
"""The protocol's own limit."""


@dataclass(frozen=True, slots=True)
class PromptPage:
    """One prompt."""

    name: str
    """Its name."""
    title: str
    """What a menu shows."""
    description: str
    """What it is for."""
    operation: OperationName
    """It is offered while a tool that is on can do this."""
    arguments: tuple[tuple[str, str, bool], ...]
    """Name, what it is, and whether it must be given."""
    ask: str
    """The opening of the message, with the arguments' names in braces."""


PAGES = (
    PromptPage(
        name="make_picture",
        title="Make a picture",
        description="Turn an idea into a picture with the tool that suits it",
        operation=OperationName.GENERATE,
        arguments=(
            ("subject", "What the picture shows", True),
            ("style", "Photograph, watercolour, poster ...", False),
            ("aspect_ratio", "Shape as width:height", False),
            ("tool", "Which tool to use; left out, the assistant chooses", False),
        ),
        ask="Make a picture of {subject}.",
    ),
    PromptPage(
        name="edit_picture",
        title="Edit a picture",
        description="Change an existing picture and keep the rest of it",
        operation=OperationName.EDIT,
        arguments=(
            ("picture", "Absolute path, URL or id (img_...) of the picture", True),
            ("change", "What should be different", True),
            ("tool", "Which tool to use; left out, the assistant chooses", False),
        ),
        ask="Edit the picture {picture}: {change}.",
    ),
)


class Prompts:
    """The prompts of one engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def listed(self, _ctx: Context, _params: t.PaginatedRequestParams | None) -> t.ListPromptsResult:
        """The prompts whose operation a tool that is on can do."""
        return t.ListPromptsResult(
            prompts=[
                t.Prompt(
                    name=page.name,
                    title=page.title,
                    description=page.description,
                    arguments=[
                        t.PromptArgument(name=name, description=text, required=required)
                        for name, text, required in page.arguments
                    ],
                )
                for page in self._pages().values()
            ]
        )

    async def get(self, _ctx: Context, params: t.GetPromptRequestParams) -> t.GetPromptResult:
        """The filled message, with the order of choice or the chosen tool's guide.

        Raises:
            MCPError: unknown prompt, missing argument, or a tool that cannot do it.
        """
        page = self._pages().get(params.name)
        if page is None:
            raise MCPError(t.INVALID_PARAMS, f"There is no prompt {quoted(params.name, SHOWN_LENGTH)} now")
        given = {name: value.strip() for name, value in (params.arguments or {}).items() if value.strip()}
        missing = [name for name, _, required in page.arguments if required and name not in given]
        if missing:
            raise MCPError(t.INVALID_PARAMS, f"{page.name} needs {listed(missing)}")
        lines = [page.ask.format(**given)]
        lines += [f"{name.replace('_', ' ').capitalize()}: {given[name]}." for name in _details(page, given)]
        lines.append(self._choice(page, given.get("tool", "")))
        lines.append("Show me the result, tell me the path it was saved under, and offer one improvement.")
        message = t.PromptMessage(role="user", content=t.TextContent(text="\n".join(lines)))
        return t.GetPromptResult(description=page.description, messages=[message])

    async def complete(self, _ctx: Context, params: t.CompleteRequestParams) -> t.CompleteResult:
        """Values for an argument that begin with what was typed."""
        name, typed = params.argument.name, params.argument.value
        context = (params.context.arguments if params.context else None) or {}
        values = await self._values(params.ref, name, context)
        fitting = [value for value in values if value.lower().startswith(typed.lower())]
        return t.CompleteResult(
            completion=t.Completion(
                values=fitting[:MOST_COMPLETIONS], total=len(fitting), has_more=len(fitting) > MOST_COMPLETIONS
            )
        )

    async def _values(
        self, ref: t.PromptReference | t.ResourceTemplateReference, name: str, context: dict[str, str]
    ) -> list[str]:
        offer = self._engine.offer
        if isinstance(ref, t.ResourceTemplateReference):
            if name == "tool":
                return list(offer.tools)
            if str(ref.uri).startswith("job://"):
                return [job.id for job in await self._engine.newest(LOCAL, MOST_COMPLETIONS)]
            return await self._recent()
        page = self._pages().get(ref.name)
        if page is None:
            raise MCPError(t.INVALID_PARAMS, f"There is no prompt {quoted(ref.name, SHOWN_LENGTH)} now")
        if name == "tool":
            return [row.tool for row in able(offer, page.operation)]
        if name == "aspect_ratio":
            rows = [row for row in able(offer, page.operation) if context.get("tool", row.tool) == row.tool]
            return _ratios(rows, page.operation)
        return await self._recent() if name == "picture" else []

    async def _recent(self) -> list[str]:
        return [record.id for record in await self._engine.gallery(LOCAL, limit=MOST_COMPLETIONS)]

    def _pages(self) -> dict[str, PromptPage]:
        return {page.name: page for page in PAGES if able(self._engine.offer, page.operation)}

    def _choice(self, page: PromptPage, tool: str) -> str:
        rows = {row.tool: row for row in able(self._engine.offer, page.operation)}
        if not tool:
            choices = [f"{row.tool} for {row.operations[page.operation].when}" for row in rows.values()]
            return "Take the tool that suits it best: " + "; ".join(choices) + "."
        if tool not in rows:
            raise MCPError(
                t.INVALID_PARAMS,
                f"{quoted(tool, SHOWN_LENGTH)} cannot do this now{did_you_mean(tool, rows)}; able: {', '.join(rows)}",
            )
        return f"Use the tool {tool}: it is for {rows[tool].operations[page.operation].when}."


def able(offer: Offer, operation: OperationName) -> list[Row]:
    """The rows that can do the operation, in their order of choice."""
    rows = [row for row in offer.rows if operation in row.operations]
    return sorted(rows, key=lambda row: row.operations[operation].rank)


def _details(page: PromptPage, given: dict[str, str]) -> list[str]:
    """Given arguments that stand neither in the opening nor are the tool."""
    return [name for name, _, _ in page.arguments if name in given and name != "tool" and f"{{{name}}}" not in page.ask]


def _ratios(rows: list[Row], operation: OperationName) -> list[str]:
    found = [row.operations[operation].arguments.get("aspect_ratio") for row in rows]
    return list(dict.fromkeys(str(value) for argument in found if argument for value in argument.values or ()))
