"""`tools/list` and `tools/call`: definitions of what is on, and a reply or a refusal to every call."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import anyio
import mcp.types as t

from imagewright.catalog.row import verb
from imagewright.engine.check import read_arguments
from imagewright.errors import ConfirmationNeededError, ImagewrightError, Problem, Refusal
from imagewright.storage.principal import LOCAL
from imagewright.surface.definitions import (
    OVERVIEW,
    gallery_data,
    helper_arguments,
    job_data,
    place_of,
    tool_definitions,
)
from imagewright.surface.elicit import agreed_before, ask_price
from imagewright.surface.progress import wait_with_progress
from imagewright.surface.results import data_reply, error_reply, job_reply, picture_reply
from imagewright.text import clip, did_you_mean, plain, quoted, say

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mcp.server import ServerRequestContext

    from imagewright.catalog.row import Argument
    from imagewright.engine.engine import Engine
    from imagewright.engine.job import Job
    from imagewright.engine.offer import Offer

    Context = ServerRequestContext[Any]
    Helper = Callable[[Context, dict[str, Any]], Awaitable[t.CallToolResult]]

log = logging.getLogger(__name__)

LISTED_JOBS = 10
SHOWN_PROMPT = 80
"""Characters of a prompt in the gallery's text; the structured content has all of it as it was written."""
KEY_META = "imagewright/idempotency-key"
"""Where a client may put an idempotency key in a request's `_meta`."""
REPORTED = "This is a fault of the server, not of the call; its log on standard error says more."


class Tools:
    """The tools of one engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._helpers: dict[str, Helper] = {
            "image_job": self._image_job,
            "image_gallery": self._image_gallery,
            "image_guide": self._image_guide,
        }
        self._listed_for: Offer | None = None
        self._listed: list[t.Tool] = []
        self._schemas: dict[str, dict[str, Any]] = {}
        self._arguments: dict[str, dict[str, Argument]] = {}

    def listed(self) -> list[t.Tool]:
        """The tools that are on, in a fixed order; made anew only when the offer has changed."""
        offer = self._engine.offer
        if offer is not self._listed_for:
            definitions = tool_definitions(offer.rows, offer.helpers)
            self._listed = [t.Tool.model_validate(definition) for definition in definitions]
            self._schemas = {definition["name"]: definition["inputSchema"] for definition in definitions}
            self._arguments = helper_arguments(offer.rows)
            self._listed_for = offer
        return self._listed

    def input_schema(self, name: str) -> dict[str, Any] | None:
        """The input schema of a listed tool."""
        self.listed()
        return self._schemas.get(name)

    async def call(self, ctx: Context, params: t.CallToolRequestParams) -> t.CallToolResult | t.InputRequiredResult:
        """Carry out one call. No exception leaves this function but cancellation."""
        try:
            return await self._dispatch(ctx, params)
        except ImagewrightError as error:
            return error_reply(error)
        except Exception:
            # the SDK would show the text of an escaping exception to older clients
            log.exception("%s broke", clip(params.name))
            return error_reply(ImagewrightError(f"{clip(params.name)} broke. {REPORTED}"))

    async def _dispatch(
        self, ctx: Context, params: t.CallToolRequestParams
    ) -> t.CallToolResult | t.InputRequiredResult:
        offer, name = self._engine.offer, params.name
        helper = self._helpers.get(name)
        if helper is not None and name in offer.helpers:
            self.listed()
            return await helper(ctx, read_arguments(self._arguments[name], params.arguments))
        if helper is not None:
            raise Refusal(Problem("", f"{name} is off: {offer.hidden.get(name, 'not listed')}"))
        if name not in offer.tools and name not in offer.hidden:
            listed = ", ".join(offer.names)
            raise Refusal(
                Problem("", f"there is no tool {say(name)}{did_you_mean(name, offer.names)}; the tools are: {listed}")
            )
        return await self._make(ctx, params)

    async def _make(self, ctx: Context, params: t.CallToolRequestParams) -> t.CallToolResult | t.InputRequiredResult:
        """A call of a model's tool: the user is asked where the price calls for it, then the job is begun."""
        began = anyio.current_time()
        key = str((params.meta or {}).get(KEY_META, ""))
        arguments = params.arguments if params.arguments is not None else {}
        agreed = agreed_before(params.input_responses) if params.input_responses else None
        try:
            job = await self._engine.start(LOCAL, params.name, arguments, key=key, confirmed=bool(agreed))
        except ConfirmationNeededError as needed:
            asked = False if agreed is False else await ask_price(ctx, str(needed))
            if not isinstance(asked, bool):
                return asked
            if not asked:
                raise Refusal(Problem("", f"the user did not agree to the price. {needed}")) from needed
            job = await self._engine.start(LOCAL, params.name, arguments, key=key, confirmed=True)
        return await self._wait_and_reply(ctx, job, self._engine.settings.wait, began)

    async def _wait_and_reply(self, ctx: Context, job: Job, seconds: float, began: float) -> t.CallToolResult:
        await wait_with_progress(ctx, self._engine, job, seconds)
        reply = await job_reply(self._engine, job)
        await self._engine.answered(job, anyio.current_time() - began)
        return reply

    async def _image_job(self, ctx: Context, given: dict[str, Any]) -> t.CallToolResult:
        began = anyio.current_time()
        if "job_id" not in given:
            jobs = await self._engine.newest(LOCAL, LISTED_JOBS)
            lines = [f"{job.id}: {job.record.state}, {verb(job.operation)} with {job.record.tool}" for job in jobs]
            return data_reply("\n".join(lines) or "No jobs yet.", {"jobs": [job_data(job) for job in jobs]})
        job = await self._engine.get(LOCAL, given["job_id"])
        seconds = 0.0
        match given["action"]:
            case "wait":
                seconds = given.get("wait", self._engine.settings.wait)
            case "cancel":
                await self._engine.cancel(job)
        reply = await self._wait_and_reply(ctx, job, seconds, began)
        if not reply.is_error:
            reply.structured_content = {"jobs": [reply.structured_content]}
        return reply

    async def _image_gallery(self, _ctx: Context, given: dict[str, Any]) -> t.CallToolResult:
        limit = given["limit"]
        found = await self._engine.gallery(
            LOCAL,
            text=given.get("text", ""),
            tool=given.get("model", ""),
            day=given.get("day", ""),
            parent=given.get("parent", ""),
            limit=limit + 1,
            offset=given["offset"],
        )
        records, more = found[:limit], len(found) > limit
        lines = [
            f"{one.id}: {plain(place_of(one))} ({one.width}x{one.height}, {one.tool}, {one.created:%Y-%m-%d})"
            + (f" {quoted(one.prompt, SHOWN_PROMPT)}" if one.prompt else "")
            for one in records
        ]
        if more:
            lines.append(f"There are more: call again with offset {given['offset'] + limit}.")
        data = {"images": [gallery_data(one) for one in records], "more": more}
        text = "\n".join(lines) or "No picture matches."
        return await picture_reply(self._engine, records, text, data, previews=given["previews"])

    async def _image_guide(self, _ctx: Context, given: dict[str, Any]) -> t.CallToolResult:
        topic = given["topic"]
        text = guide_text(self._engine.offer, topic)
        return data_reply(text, {"topic": topic, "markdown": text})


def guide_text(offer: Offer, topic: str) -> str:
    """The Markdown of a guide topic for what is on now.

    Raises:
        KeyError: there is no such topic now.
    """
    from imagewright.guide.render import overview, page  # noqa: PLC0415 - pages are read when they are asked for

    return overview(offer.rows) if topic == OVERVIEW else page(offer.tools[topic], offer.rows)
