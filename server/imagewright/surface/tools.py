"""`tools/list` and `tools/call`: what is on, progress while a call waits for its job, and a reply to every call.

The whole encoded reply stays under one budget, `Settings.reply_budget`.
"""

from __future__ import annotations

import base64
import json
import logging
import math
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import mcp.types as t

from imagewright.catalog.row import verb
from imagewright.engine.engine import job_data, place_of
from imagewright.errors import ConfirmationNeededError, ImagewrightError, Problem, Refusal, error_data
from imagewright.storage.accounts import LOCAL
from imagewright.surface.definitions import ANY, OVERVIEW, PICTURES, gallery_answer, helper_arguments, tool_definitions
from imagewright.surface.elicit import agreed_before, ask_price
from imagewright.text import byte_size, clip, counted, did_you_mean, duration, is_whole, plain, plain_lines, say

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from mcp.server import ServerRequestContext

    from imagewright.catalog.row import Argument
    from imagewright.engine.engine import Engine
    from imagewright.engine.job import Job
    from imagewright.engine.offer import Offer
    from imagewright.imaging.limiter import Preview, PreviewCache, Previews
    from imagewright.storage.records import PictureRecord

    Context = ServerRequestContext[Any]
    Helper = Callable[[Context, dict[str, Any]], Awaitable[t.CallToolResult]]
    Heard = Callable[[Context, Callable[[], Awaitable[None]]], Awaitable[None]]

Block = t.TextContent | t.ImageContent | t.ResourceLink

log = logging.getLogger(__name__)

LISTED_JOBS = 10
KEY_META = "imagewright/idempotency-key"
"""Where a client may put an idempotency key in a request's `_meta`."""
LONGEST_KEY = 200
"""Characters of such a key; it is written down with the job."""
MOST_KEY_BITS = 64
"""Bits of one that is a number, and means its digits."""
REPORTED = "This is a fault of the server, not of the call; its log on standard error says more."
HEARTBEAT = 5.0
"""Seconds without a change after which progress is sent anyway: hosts give up a silent call after 10 to 60."""
SHORTEST_GAP = 0.1
"""Seconds between two notifications, so that a talkative vendor does not flood the client."""
FRAME_BYTES = 4_000
"""What the protocol adds around a reply and its blocks at most: envelope, keys, the server's version."""
ERROR_META = "imagewright/error"
"""Where a refusal stands for programs. The text for the model says what is wrong: it is not repeated here."""


class Tools:
    """The tools of one engine."""

    def __init__(self, engine: Engine, heard: Heard) -> None:
        self._engine, self._heard = engine, heard
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
            from imagewright.engine.check import read_arguments  # noqa: PLC0415 - no list of tools needs it

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
        """A call of a model's tool: the user is asked if the price requires it, then the job is begun."""
        began = anyio.current_time()
        key = _key_in(params.meta or {})
        arguments = params.arguments if params.arguments is not None else {}
        agreed = agreed_before(params.input_responses) if params.input_responses else None
        try:
            start = partial(self._engine.start, LOCAL, params.name, arguments, key=key)
            if not PICTURES.isdisjoint(arguments) and "progress_token" in (ctx.meta or {}):
                from imagewright.surface.progress import telling  # noqa: PLC0415 - not for a call without pictures

                start = partial(telling, ctx, start)
            job = await start(confirmed=bool(agreed))
        except ConfirmationNeededError as needed:
            asked = False if agreed is False else await ask_price(ctx, str(needed))
            if not isinstance(asked, bool):
                return asked
            if not asked:
                raise Refusal(Problem("", f"the user did not agree to the price. {needed}")) from needed
            job = await start(confirmed=True)
        return await self._wait_and_reply(ctx, job, self._engine.settings.wait, began)

    async def _wait_and_reply(self, ctx: Context, job: Job, seconds: float, began: float) -> t.CallToolResult:
        await wait_with_progress(ctx, self._engine, job, seconds)
        reply = await job_reply(self._engine, job)
        await self._heard(ctx, partial(self._engine.answered, job, anyio.current_time() - began))
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
            tool="" if given["model"] == ANY else given["model"],
            day=given.get("day", ""),
            parent=given.get("parent", ""),
            limit=limit + 1,
            offset=given["offset"],
        )
        records, more = found[:limit], len(found) > limit
        text, data = gallery_answer(records, given["offset"] + limit if more else None)
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


def _key_in(meta: Mapping[str, Any]) -> str:
    """The idempotency key of a request; empty where there is none.

    Raises:
        Refusal: it is no text, or too long.
    """
    key = meta.get(KEY_META)
    if key is None:
        return ""
    if isinstance(key, int) and key.bit_length() < MOST_KEY_BITS:
        return str(key)
    if not isinstance(key, str) or len(key) > LONGEST_KEY or not is_whole(key):
        raise Refusal(Problem("idempotency key", f"must be a text of at most {LONGEST_KEY} characters"))
    return key


async def wait_with_progress(ctx: ServerRequestContext[Any], engine: Engine, job: Job, seconds: float) -> None:
    """Return when the job is done or the seconds are over.

    Until then, a client that asked for progress gets it: it rises strictly and stays below 1. It returns at once if the
    job has trouble that a person must know of: waiting would not help, and the job goes on. A client that goes away
    cancels only this wait: the job belongs to the engine.
    """
    sent = 0.0
    asked = "progress_token" in (ctx.meta or {})
    changes = engine.watch(job, heartbeat=HEARTBEAT, gap=SHORTEST_GAP) if asked else engine.watch(job)
    with anyio.move_on_after(seconds):
        async with aclosing(changes):
            async for _ in changes:
                if job.done or job.trouble:
                    return
                if asked:
                    sent = _next(sent, job.share)
                    await ctx.session.report_progress(sent, 1.0, f"{job.stage} ({job.elapsed:.0f} s so far)")


def _next(sent: float, share: float) -> float:
    """A number above the last one: the true share if it has grown, else a small step that never reaches 1."""
    if share > sent:
        return min(share, math.nextafter(1.0, 0.0))
    return sent + (1.0 - sent) * 0.002


async def job_reply(engine: Engine, job: Job) -> t.CallToolResult:
    """What a call answers about its job, done or still running: previews, summary, links, structured content."""
    if job.error is not None and not job.pictures:
        return error_reply(job.error, job)
    data = job_data(job)
    if not job.done:  # several clients show their model the data alone
        data["next"] = plain(_headline(job))
    return await picture_reply(engine, job.pictures, _summary(job), data, made=job.previews)


async def picture_reply(
    engine: Engine,
    records: Sequence[PictureRecord],
    text: str,
    data: dict[str, Any],
    *,
    previews: bool = True,
    made: PreviewCache | None = None,
) -> t.CallToolResult:
    """Pictures: previews of those whose file is still that picture, text, links, and `data` as structured content.

    Previews that are there already are in `made`, by id.
    """
    # off unless asked for: semantic-kernel fails on a link, langchain-mcp-adapters makes an image of it that Google,
    # OpenAI and Anthropic cannot fetch; id, path and uri stand in the text and in the structured content anyway
    links: list[Block] = [_link(record) for record in records] if engine.settings.resource_links else []
    blocks: list[Block] = []
    if previews and records:
        written = [f"{link.model_dump_json(by_alias=True, exclude_none=True)}," for link in links]
        spent = FRAME_BYTES + sum(map(len, (json.dumps(data), json.dumps(text), *written)))
        found = await engine.previews(records, engine.settings.reply_budget - spent, made)
        blocks = [_image(preview) for preview in found.shown]
        text = "\n".join([text, *found.missing]) + _preview_note(found)
    return t.CallToolResult(content=[*blocks, text_block(text), *links], structured_content=data)


def data_reply(text: str, data: dict[str, Any]) -> t.CallToolResult:
    """A reply without pictures."""
    return t.CallToolResult(content=[text_block(text)], structured_content=data)


def text_block(text: str) -> t.TextContent:
    """A text of a reply. Whatever came into it, nothing in it acts or hides."""
    return t.TextContent(text=plain_lines(text))


def error_reply(error: ImagewrightError, job: Job | None = None) -> t.CallToolResult:
    """A tool error the model can act on."""
    meta: dict[str, Any] = {}
    match error:
        case Refusal():
            lines = [f"- {plain(str(problem))}" for problem in error.problems]
            if error.more:
                lines.append(f"- and {error.more} more")
            if error.note:
                lines.append(error.note)
            text = "Nothing was made and nothing was spent:\n" + "\n".join(lines)
            if error.instead:
                text += f"\nTools that can do this: {', '.join(error.instead)}."
            meta = {
                "kind": "refused",
                "arguments": [one.argument for one in error.problems],
                "more": error.more,
                "instead": list(error.instead),
            }
        case _:
            meta = error_data(error)
            text = plain(meta.pop("text"))
    if job is not None:
        meta["job_id"] = job.id
        text += "".join(f"\nNote: {plain(note)}" for note in job.record.notes)
    return t.CallToolResult(content=[text_block(text)], is_error=True, _meta={ERROR_META: meta})


def _preview_note(found: Previews) -> str:
    if found.left_out:
        shown = len(found.shown)
        return (
            f"\n{shown} of {shown + found.left_out} previews are shown so that the reply stays small; the others can "
            "be read as resources, each at image:// and its id."
        )
    if found.shrunk:
        return "\nPreviews were shrunk so that the reply stays small; the saved files are full size."
    return ""


def _image(preview: Preview) -> t.ImageContent:
    return t.ImageContent(
        data=base64.b64encode(preview.data).decode("ascii"),
        mime_type=f"image/{preview.format}",
        annotations=t.Annotations(audience=["user", "assistant"], priority=1.0),
    )


def _link(record: PictureRecord) -> t.ResourceLink:
    return t.ResourceLink(
        uri=record.uri,
        name=record.file_name.whole,
        mime_type=f"image/{record.format}",
        size=record.bytes,
        description=f"{record.width}x{record.height} px, full size",
    )


def _summary(job: Job) -> str:
    """What happened, for a model that may not see the previews."""
    lines = [_headline(job)]
    for record in job.pictures:
        seed = "" if record.seed is None else f", seed {record.seed}"
        sides = f"{record.width}x{record.height} {record.format}, {byte_size(record.bytes)}"
        lines.append(f"{record.id}: {plain(place_of(record))} ({sides}{seed})")
    lines.append(_cost(job))
    lines += [f"Note: {plain(note)}" for note in job.record.notes]
    return "\n".join(lines)


def _headline(job: Job) -> str:
    edition = f" (edition {job.edition})" if job.edition else ""
    what = f"{verb(job.operation)} with {job.record.tool}{edition} at {job.record.provider}"
    match job.record.state:
        case "completed":
            return f"{counted(len(job.pictures), 'picture')}: {what}, {job.elapsed:.1f} s."
        case "running" if job.trouble:
            return (
                f"Still running, but held up ({job.elapsed:.0f} s so far): {what}. {job.trouble} "
                f'Later, get its pictures with image_job and job_id "{job.id}".'
            )
        case "running":
            return (
                f"Still running ({job.stage}; {job.elapsed:.0f} s so far): {what}. The job goes on by itself; do not "
                f'call the tool again. Get its pictures with image_job and job_id "{job.id}".'
            )
        case "stalled":
            began = duration(round(job.elapsed))
            return f'Stalled (it began {began} ago): {what}. {job.trouble} Its job_id is "{job.id}".'
        case _:
            return f"{job.record.state.capitalize()}: {what}."


def _cost(job: Job) -> str:
    if job.record.cost_usd is None:
        return "Cost: unknown."
    if job.record.cost_basis == "actual":
        return "Cost: nothing." if job.record.cost_usd == 0 else f"Cost: ${job.record.cost_usd:.4g} (charged)."
    return f"Cost: about ${job.record.cost_usd:.4g} (estimate)."
