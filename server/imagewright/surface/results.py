"""Results and refusals as the protocol carries them, the whole encoded reply under one budget."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import mcp.types as t

from imagewright.catalog.row import verb
from imagewright.engine.outcome import error_data
from imagewright.errors import ImagewrightError, Refusal
from imagewright.surface.definitions import job_data, place_of
from imagewright.text import byte_size, counted, plain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imagewright.engine.calls import Previews
    from imagewright.engine.engine import Engine
    from imagewright.engine.job import Job
    from imagewright.imaging.preview import Preview
    from imagewright.storage.records import PictureRecord

Block = t.TextContent | t.ImageContent | t.ResourceLink

FRAME_BYTES = 4_000
"""What the protocol adds around a reply and its blocks: envelope, keys, the server's stamp; generously."""
ERROR_META = "imagewright/error"
"""Where a refusal stands for programs; the text says the same to the model."""


async def job_reply(engine: Engine, job: Job) -> t.CallToolResult:
    """What a call answers about its job, done or still running: previews, summary, links, structured content."""
    if job.error is not None and not job.pictures:
        return error_reply(job.error, job)
    return await picture_reply(engine, job.pictures, _summary(job), job_data(job), made=job.previews)


async def picture_reply(
    engine: Engine,
    records: Sequence[PictureRecord],
    text: str,
    data: dict[str, Any],
    *,
    previews: bool = True,
    made: Mapping[str, Preview] | None = None,
) -> t.CallToolResult:
    """Pictures: previews of those whose file is still that picture, text, links, structured content.

    Args:
        engine: knows the files, and how many bytes the whole encoded reply may have.
        records: of the pictures.
        text: what the reply says of them.
        data: the structured content.
        previews: whether they are shown.
        made: previews that are there already, by id.
    """
    # off unless asked for: semantic-kernel fails on a link, langchain-mcp-adapters makes an image of it that Google,
    # OpenAI and Anthropic cannot fetch; id, path and uri stand in the text and in the structured content anyway
    links: list[Block] = [_link(record) for record in records] if engine.settings.resource_links else []
    blocks: list[Block] = []
    if previews and records:
        spent = FRAME_BYTES + len(json.dumps(data)) + len(json.dumps(text)) + sum(_size(link) for link in links)
        found = await engine.previews(records, engine.settings.reply_budget - spent, made)
        blocks = [_image(preview) for preview in found.shown]
        text = "\n".join([text, *found.missing]) + _preview_note(found)
    return t.CallToolResult(content=[*blocks, t.TextContent(text=text), *links], structured_content=data)


def data_reply(text: str, data: dict[str, Any]) -> t.CallToolResult:
    """A reply without pictures."""
    return t.CallToolResult(content=[t.TextContent(text=text)], structured_content=data)


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
                "problems": [{"argument": one.argument, "message": one.message} for one in error.problems],
                "more": error.more,
                "instead": list(error.instead),
            }
        case _:
            meta = error_data(error)
            text = plain(meta.pop("text"))
    if job is not None:
        meta["job_id"] = job.id
        text += "".join(f"\nNote: {plain(note)}" for note in job.record.notes)
    return t.CallToolResult(content=[t.TextContent(text=text)], is_error=True, _meta={ERROR_META: meta})


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
        name=plain(record.key.rpartition("/")[2]),
        mime_type=f"image/{record.format}",
        size=record.bytes,
        description=f"{record.width}x{record.height} px, full size",
    )


def _size(block: Block) -> int:
    return len(block.model_dump_json(by_alias=True, exclude_none=True)) + 1


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
    what = f"{verb(job.operation)} with {job.record.tool} at {job.record.provider}"
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
                f"Still running ({job.stage}, {job.elapsed:.0f} s so far): {what}. The job goes on by itself; do not "
                f'call the tool again. Get its pictures with image_job and job_id "{job.id}".'
            )
        case _:
            return f"{job.record.state.capitalize()}: {what}."


def _cost(job: Job) -> str:
    if job.record.cost_usd is None:
        return "Cost: unknown."
    if job.record.cost_basis == "actual":
        return "Cost: nothing." if job.record.cost_usd == 0 else f"Cost: ${job.record.cost_usd:.4g} (charged)."
    return f"Cost: about ${job.record.cost_usd:.4g} (estimate)."
