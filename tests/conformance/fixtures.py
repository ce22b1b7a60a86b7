"""The tools, resources and prompts that the protocol's own suite calls by name, added to the real ones.

Where Imagewright has something of the kind, the suite's name stands for a real call: its picture is made by a vendor on
loopback, its question is the one about a price. Only what Imagewright never sends has content of its own here, and that
still goes through the real handlers. Of what is not offered at all there is nothing here: see baseline.toml.
"""

from __future__ import annotations

import json
import re
from itertools import count
from typing import TYPE_CHECKING, Any

import mcp.types as t

from imagewright.catalog.row import OperationName
from imagewright.storage.accounts import LOCAL
from imagewright.surface.elicit import QUESTION
from imagewright.surface.resources import PromptPage, Prompts, Resources
from imagewright.surface.tools import Tools, data_reply

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from mcp.server import ServerRequestContext

    from imagewright.engine.engine import Engine
    from imagewright.surface.tools import Heard

    Context = ServerRequestContext[Any]
    Result = t.CallToolResult | t.InputRequiredResult

PICTURE_TOOL = "nano_banana"
DEAR = {"model": "pro"}
"""What makes one picture of that tool dear enough for a question."""
CONFIRM_ABOVE = "0.05"
"""USD: between the prices of a picture with and without `DEAR`."""
NUMBERS = count(1)
"""Each prompt has its own: a call that is repeated while its answer is under way joins the first one."""

REAL_CALLS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "test_simple_text": ("image_guide", {"topic": "overview"}),
    "test_image_content": (PICTURE_TOOL, {}),
    "test_multiple_content_types": (PICTURE_TOOL, {}),
    "test_tool_with_progress": (PICTURE_TOOL, {}),
    "test_error_handling": (PICTURE_TOOL, {"aspect_ratio": "1:1000"}),
    "test_logging_tool": ("image_job", {}),
    "test_elicitation": (PICTURE_TOOL, DEAR),
    "test_streaming_elicitation": (PICTURE_TOOL, DEAR),
    "test_input_required_result_elicitation": (PICTURE_TOOL, DEAR),
}
"""By the suite's name: our tool and its arguments."""
SUITE_QUESTION = "user_name"
"""The suite's name for the question."""
DOCUMENT = t.TextResourceContents(uri="test://embedded-resource", mime_type="text/plain", text="An embedded text.")
BLOCKS: Mapping[str, list[t.ContentBlock]] = {
    "test_audio_content": [
        t.AudioContent(data="UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQAAAAA=", mime_type="audio/wav")
    ],
    "test_embedded_resource": [t.EmbeddedResource(resource=DOCUMENT)],
    "test_multiple_content_types": [t.EmbeddedResource(resource=DOCUMENT)],
}
"""What is added to the real reply, or is all of it."""


def _titled(*values: str) -> list[dict[str, str]]:
    return [{"const": value, "title": value.capitalize()} for value in values]


FORMS: Mapping[str, dict[str, Any]] = {
    "test_elicitation_sep1034_defaults": {
        "name": {"type": "string", "default": "John Doe"},
        "age": {"type": "integer", "default": 30},
        "score": {"type": "number", "default": 95.5},
        "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
        "verified": {"type": "boolean", "default": True},
    },
    "test_elicitation_sep1330_enums": {
        "untitledSingle": {"type": "string", "enum": ["one", "two"]},
        "titledSingle": {"type": "string", "oneOf": _titled("one", "two")},
        "legacyEnum": {"type": "string", "enum": ["one", "two"], "enumNames": ["One", "Two"]},
        "untitledMulti": {"type": "array", "items": {"type": "string", "enum": ["one", "two"]}},
        "titledMulti": {"type": "array", "items": {"anyOf": _titled("one", "two")}},
    },
}
"""The fields of the forms that a tool shows, by its name."""
CHANGES = ("test_trigger_tool_change", "test_trigger_prompt_change")
"""Tools that announce changed lists, as a changed configuration does."""
SCHEMAS: Mapping[str, dict[str, Any]] = {
    "test_elicitation": {"properties": {"message": {"type": "string"}}, "required": ["message"]},
    "json_schema_2020_12_tool": {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$defs": {
            "address": {
                "$anchor": "addressDef",
                "type": "object",
                "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
            }
        },
        "properties": {
            "name": {"type": "string"},
            "address": {"$ref": "#/$defs/address"},
            "contactMethod": {"type": "string", "enum": ["phone", "email"]},
            "phone": {"type": "string"},
            "email": {"type": "string"},
        },
        "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
        "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
        "then": {"required": ["phone"]},
        "else": {"required": ["email"]},
        "additionalProperties": False,
    },
    "test_mirrored_argument": {"properties": {"region": {"type": "string", "x-mcp-header": "Region"}}},
}
"""The arguments of the tools that have some, or are listed only for their schema."""
NAMES = sorted({*REAL_CALLS, *BLOCKS, *FORMS, *CHANGES, *SCHEMAS})
TOOLS = [
    t.Tool(name=name, description=f"The suite's {name}", input_schema={"type": "object", **SCHEMAS.get(name, {})})
    for name in NAMES
]


class FixtureTools(Tools):
    """The real tools, and those that the suite calls."""

    def __init__(self, engine: Engine, heard: Heard, *, announce: Callable[[], Awaitable[None]]) -> None:
        super().__init__(engine, heard)
        self._announce = announce
        """Tells every client that the lists have changed."""

    def listed(self) -> list[t.Tool]:
        return [*super().listed(), *TOOLS]

    def input_schema(self, name: str) -> dict[str, Any] | None:
        found = {tool.name: tool.input_schema for tool in TOOLS}
        return found.get(name) or super().input_schema(name)

    async def _dispatch(self, ctx: Context, params: t.CallToolRequestParams) -> Result:
        name = params.name
        if name not in NAMES:
            return await super()._dispatch(ctx, params)
        if name in FORMS:
            form = {"type": "object", "properties": FORMS[name]}
            answer = await ctx.session.elicit_form("The suite asks", form, ctx.request_id)
            return data_reply(f"Elicitation completed: action={answer.action}, content={answer.content}", {})
        if name in CHANGES:
            await self._announce()
        reply = await self._real(ctx, params) if name in REAL_CALLS else data_reply(name, {})
        if isinstance(reply, t.CallToolResult):
            reply.content += BLOCKS.get(name, [])
        return reply

    async def _real(self, ctx: Context, params: t.CallToolRequestParams) -> Result:
        """The reply of our tool that the suite's name stands for."""
        name, arguments = REAL_CALLS[params.name]
        if name == PICTURE_TOOL:
            arguments = {"prompt": f"lighthouse {next(NUMBERS)}", **arguments}
        answers = dict(params.input_responses or {})
        if SUITE_QUESTION in answers:
            answers[QUESTION] = _agreement(answers.pop(SUITE_QUESTION))
        changes = {"name": name, "arguments": arguments, "input_responses": answers or None}
        reply = await super()._dispatch(ctx, params.model_copy(update=changes))
        if isinstance(reply, t.InputRequiredResult) and reply.input_requests:
            reply.input_requests = {SUITE_QUESTION: reply.input_requests[QUESTION]}
        return reply


def _agreement(answer: t.InputResponse) -> t.InputResponse:
    """What the user of the suite says, as an answer to our question: who accepts, agrees."""
    return answer.model_copy(update={"content": {"agree": True}}) if isinstance(answer, t.ElicitResult) else answer


TEMPLATE = re.compile(r"test://template/(\w+)/data")


class FixtureResources(Resources):
    """The real resources, some of them once more under the suite's names, and a template."""

    def __init__(self, engine: Engine, picture: str) -> None:
        super().__init__(engine)
        self._real = {"test://static-text": "guide://overview", "test://static-binary": f"{picture}/preview"}
        """By the suite's name, the URI of ours."""

    async def listed(self, _ctx: Context, params: t.PaginatedRequestParams | None) -> t.ListResourcesResult:
        found = await super().listed(_ctx, params)
        found.resources += [t.Resource(uri=uri, name=uri, description=f"The suite's {uri}") for uri in self._real]
        return found

    async def templates(self, _ctx: Context, params: t.PaginatedRequestParams | None) -> t.ListResourceTemplatesResult:
        found = await super().templates(_ctx, params)
        extra = t.ResourceTemplate(uri_template="test://template/{id}/data", name="data", description="The suite's")
        return found.model_copy(update={"resource_templates": [*found.resource_templates, extra]})

    async def read(self, ctx: Context, params: t.ReadResourceRequestParams) -> t.ReadResourceResult:
        uri = str(params.uri)
        if matched := TEMPLATE.fullmatch(uri):
            text = json.dumps({"id": matched[1]})
            content = t.TextResourceContents(uri=uri, mime_type="application/json", text=text)
            return t.ReadResourceResult(contents=[content])
        found = await super().read(ctx, params.model_copy(update={"uri": self._real.get(uri, uri)}))
        for one in found.contents:
            one.uri = uri
        return found


PAGES = (
    PromptPage(
        name="test_simple_prompt",
        title="Simple",
        description="The suite's prompt without arguments",
        operation=OperationName.GENERATE,
        arguments=(),
        ask="This is a simple prompt for testing.",
    ),
    PromptPage(
        name="test_prompt_with_arguments",
        title="With arguments",
        description="The suite's prompt with two arguments",
        operation=OperationName.GENERATE,
        arguments=(("arg1", "The first", True), ("arg2", "The second", True)),
        ask="Prompt with arguments: arg1='{arg1}', arg2='{arg2}'",
    ),
    PromptPage(
        name="test_prompt_with_embedded_resource",
        title="With a resource",
        description="The suite's prompt with a resource in it",
        operation=OperationName.GENERATE,
        arguments=(("resourceUri", "Which resource", True),),
        ask="Look at {resourceUri}",
    ),
    PromptPage(
        name="test_prompt_with_image",
        title="With a picture",
        description="The suite's prompt with a picture in it",
        operation=OperationName.GENERATE,
        arguments=(),
        ask="Look at the picture.",
    ),
)
MORE_CONTENT: Mapping[str, t.ContentBlock] = {
    "test_prompt_with_embedded_resource": t.EmbeddedResource(resource=DOCUMENT),
    "test_prompt_with_image": t.ImageContent(
        data="iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGNwYPgPAAJDAUDAeACFAAAAAElFTkSuQmCC",
        mime_type="image/png",
    ),
}
"""What stands before the text of a prompt."""


class FixturePrompts(Prompts):
    """The real prompts, and the suite's."""

    def _pages(self) -> dict[str, PromptPage]:
        return super()._pages() | {page.name: page for page in PAGES}

    async def get(self, _ctx: Context, params: t.GetPromptRequestParams) -> t.GetPromptResult:
        found = await super().get(_ctx, params)
        if params.name in MORE_CONTENT:
            found.messages.insert(0, t.PromptMessage(role="user", content=MORE_CONTENT[params.name]))
        return found


async def make_picture(engine: Engine) -> str:
    """Make one, so that there is one to read; its URI."""
    job = await engine.start(LOCAL, PICTURE_TOOL, {"prompt": f"lighthouse {next(NUMBERS)}"})
    async for _ in engine.watch(job):
        pass
    return job.pictures[0].uri
