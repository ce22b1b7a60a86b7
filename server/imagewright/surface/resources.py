"""What a client can show besides the tools: resources, and prompts that a person picks from a menu.

Resources are guide pages, pictures and jobs. Prompts and the completion of their arguments are for what is on now.
"""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import anyio
import anyio.lowlevel
import mcp.types as t
from mcp import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from imagewright.catalog.row import OperationName
from imagewright.engine.engine import job_data
from imagewright.errors import ImagewrightError, StorageError
from imagewright.storage.accounts import LOCAL
from imagewright.surface.definitions import OVERVIEW
from imagewright.surface.tools import guide_text, text_block
from imagewright.text import SHOWN_LENGTH, clip, did_you_mean, listed, plain, quoted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mcp.server import ServerRequestContext

    from imagewright.catalog.row import Row
    from imagewright.engine.engine import Engine
    from imagewright.engine.offer import Offer

    Context = ServerRequestContext[Any]

MARKDOWN = "text/markdown"
SHOWN_PROMPT = 200
"""Characters of a prompt in the list."""
RECENT_PICTURES = 20
"""Pictures that are listed; all others can be read by id."""
LARGEST_READ = 50_000_000
"""Bytes of a picture that is sent in full; above this only its preview and its path."""
MOST_FILES = 4
"""Pictures that are read in full at once: each takes four times its size until it is sent."""
RESOURCE_NOT_FOUND = -32002
"""The protocol's error for it until 2025-11-25; later revisions say that the parameters are invalid."""
LONGEST_URI = 200
"""Characters; the longest of ours have 50."""
MOST_COMPLETIONS = 100
"""The protocol's own limit."""
LONGEST_VALUE = 10_000
"""Characters of an argument; a prompt sends it back."""
PICTURE = re.compile(r"image://(img_[a-z0-9]+)(/preview)?")
JOB = re.compile(r"job://(job_[a-z0-9]+)")
PLACEHOLDER = re.compile(r"\$(?:\d+|ARGUMENTS)")
"""What a client sends in place of an argument that it fills in itself once it has the prompt, such as `$2`."""
GUIDE = re.compile(r"guide://(?:(overview)|tools/([a-z0-9_]+))")

TEMPLATES = [
    t.ResourceTemplate(
        uri_template="image://{id}",
        name="picture",
        title="A picture, full size",
        description="The file as it was made; the id is img_...",
    ),
    t.ResourceTemplate(
        uri_template="image://{id}/preview",
        name="picture preview",
        title="A picture, small",
        description="A preview that fits into a chat; the id is img_...",
    ),
    t.ResourceTemplate(
        uri_template="job://{id}",
        name="job",
        title="A job",
        description="State, pictures and cost of a job; the id is job_...",
        mime_type="application/json",
    ),
    t.ResourceTemplate(
        uri_template="guide://tools/{tool}",
        name="guide page",
        title="How to use one tool well",
        description="When to take it, how to prompt it, its limits",
        mime_type=MARKDOWN,
    ),
]


class Resources:
    """The resources of one engine."""

    room: Callable[[], Awaitable[None]] = staticmethod(anyio.lowlevel.checkpoint)
    """Returns once not too much waits for the client to read it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._files = anyio.Semaphore(MOST_FILES)

    async def listed(self, _ctx: Context, params: t.PaginatedRequestParams | None) -> t.ListResourcesResult:
        """Guide pages of what is on, and the newest pictures."""
        first_page_only(params)
        offer = self._engine.offer
        pages = [_page(OVERVIEW, "guide://overview", "How to choose among the image tools")]
        pages += [_page(row.tool, f"guide://tools/{row.tool}", f"How to use {row.title} well") for row in offer.rows]
        try:
            recent = await self._engine.gallery(LOCAL, limit=RECENT_PICTURES)
        except ImagewrightError:
            recent = []  # an unreadable library must not hide the guide; image_gallery says what is wrong
        pictures = [
            t.Resource(
                uri=record.uri,
                name=record.file_name.whole,
                description=record.prompt.quoted(SHOWN_PROMPT)
                if record.prompt
                else f"{record.operation} with {record.tool}",
                mime_type=f"image/{record.format}",
                size=record.bytes,
            )
            for record in recent
        ]
        return t.ListResourcesResult(resources=[*pages, *pictures])

    async def templates(self, _ctx: Context, params: t.PaginatedRequestParams | None) -> t.ListResourceTemplatesResult:
        """The addresses that take an id."""
        first_page_only(params)
        return t.ListResourceTemplatesResult(resource_templates=TEMPLATES)

    async def read(self, ctx: Context, params: t.ReadResourceRequestParams) -> t.ReadResourceResult:
        """One resource.

        Raises:
            MCPError: there is no such resource now; with its URI.
        """
        uri = str(params.uri)
        missing = t.INVALID_PARAMS if ctx.protocol_version in MODERN_PROTOCOL_VERSIONS else RESOURCE_NOT_FOUND
        if len(uri) > LONGEST_URI:  # an error would repeat it twice
            raise MCPError(missing, f"There is no resource {plain(clip(uri))} now", {"uri": clip(uri)})
        try:
            if matched := GUIDE.fullmatch(uri):
                return _text(uri, MARKDOWN, guide_text(self._engine.offer, matched[1] or matched[2]))
            if matched := JOB.fullmatch(uri):
                job = await self._engine.find(LOCAL, matched[1])
                if job is not None:
                    return _text(uri, "application/json", json.dumps(job_data(job), indent=2))
            if matched := PICTURE.fullmatch(uri):
                return await self._picture(uri, matched[1], small=matched[2] is not None)
        except KeyError:
            pass
        except LookupError as error:
            raise MCPError(missing, str(error), {"uri": uri}) from error
        except (ImagewrightError, OSError) as error:
            raise MCPError(t.INVALID_PARAMS, plain(str(error)), {"uri": uri}) from error
        raise MCPError(missing, f"There is no resource {plain(uri)} now", {"uri": uri})

    async def _picture(self, uri: str, picture_id: str, *, small: bool) -> t.ReadResourceResult:
        record = await self._engine.picture(LOCAL, picture_id)
        if record is None:
            raise LookupError(f"There is no picture {picture_id}; see image_gallery")
        if small:
            found = await self._engine.previews([record], self._engine.settings.reply_budget)
            if not found.shown:
                raise StorageError(" ".join(found.missing) or f"{record.uri}/preview has no room in a reply.")
            return _blob(uri, f"image/{found.shown[0].format}", found.shown[0].data)
        async with self._files:
            await self.room()
            data, real = await self._engine.whole_file(record, LARGEST_READ)
            return _blob(uri, f"image/{real}", data)


def _page(name: str, uri: str, text: str) -> t.Resource:
    return t.Resource(
        uri=uri,
        name=name,
        description=text,
        mime_type=MARKDOWN,
        annotations=t.Annotations(audience=["assistant"], priority=0.8),
    )


def _text(uri: str, mime: str, text: str) -> t.ReadResourceResult:
    return t.ReadResourceResult(contents=[t.TextResourceContents(uri=uri, mime_type=mime, text=text)])


def _blob(uri: str, mime: str, data: bytes) -> t.ReadResourceResult:
    content = t.BlobResourceContents(uri=uri, mime_type=mime, blob=base64.b64encode(data).decode("ascii"))
    return t.ReadResourceResult(contents=[content])


def first_page_only(params: t.PaginatedRequestParams | None) -> None:
    """Refuse to turn a page: every list here is one page.

    Raises:
        MCPError: invalid params, as the protocol has it for a cursor that is not the server's own.
    """
    if params is not None and params.cursor is not None:
        raise MCPError(t.INVALID_PARAMS, "Unknown cursor: there is one page")


class PromptPage(NamedTuple):
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

    async def listed(self, _ctx: Context, params: t.PaginatedRequestParams | None) -> t.ListPromptsResult:
        """The prompts whose operation a tool that is on can do."""
        first_page_only(params)
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
        if long := [name for name, _, _ in page.arguments if len(given.get(name, "")) > LONGEST_VALUE]:
            raise MCPError(t.INVALID_PARAMS, f"{listed(long)} may have at most {LONGEST_VALUE} characters")
        lines = [page.ask.format(**given)]
        lines += [f"{name.replace('_', ' ').capitalize()}: {given[name]}." for name in _details(page, given)]
        lines.append(self._choice(page, given.get("tool", "")))
        lines.append("Show me the result, tell me the path it was saved under, and offer one improvement.")
        message = t.PromptMessage(role="user", content=text_block("\n".join(lines)))
        return t.GetPromptResult(description=page.description, messages=[message])

    async def complete(self, _ctx: Context, params: t.CompleteRequestParams) -> t.CompleteResult:
        """Values for an argument that begin with what was typed."""
        name, typed = params.argument.name, params.argument.value
        context = (params.context.arguments if params.context else None) or {}
        values = await self._values(params.ref, name, context) if len(typed) <= LONGEST_VALUE else []
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
            if all(str(ref.uri).partition(":")[0] != one.uri_template.partition(":")[0] for one in TEMPLATES):
                raise MCPError(t.INVALID_PARAMS, f"There is no resource template {quoted(str(ref.uri), SHOWN_LENGTH)}")
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
        if not tool or PLACEHOLDER.fullmatch(tool):
            choices = [f"{row.tool} for {row.operations[page.operation].when}" for row in rows.values()]
            named = f"Use the tool named here, if any: {tool}. Else take" if tool else "Take"
            return f"{named} the tool that suits it best: " + "; ".join(choices) + "."
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
