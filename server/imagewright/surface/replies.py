"""Results and refusals as the protocol carries them, the whole encoded reply under one budget."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mcp.types as t

from imagewright.catalog.row import verb
from imagewright.engine.job import JobStatus
from imagewright.errors import ImagewrightError, ProviderError, Refusal
from imagewright.surface.structured import job_data
from imagewright.text import byte_size, counted, plain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imagewright.engine.job import Job
    from imagewright.imaging.preview import Preview
    from imagewright.storage.library import Library
    from imagewright.storage.record import PictureRecord

Block = t.TextContent | t.ImageContent | t.ResourceLink

FRAME_BYTES = 4_000
"""What the protocol adds around a reply and its blocks: envelope, keys, the server's stamp; generously."""
ERROR_META = "imagewright/error"
"""Where a refusal stands for programs; the text says the same to the model."""


async def job_reply(job: Job, budget: int, library: Library, *, links: bool = False) -> t.CallToolResult:
    """What a call answers about its job: previews, summary, links, structured content.

    Args:
        job: finished, or still running when the client's patience is over.
        budget: bytes of the whole encoded reply.
        library: where its pictures are kept.
        links: whether each picture gets a resource link as well.
    """
    if job.error is not None and not job.pictures:
        return error_reply(job.error, job)
    data = job_data(job)
    return await _picture_reply(
        job.pictures, _summary(job), data, budget, library=library, links=links, made=job.previews
    )


async def gallery_reply(
    records: Sequence[PictureRecord],
    text: str,
    data: dict[str, Any],
    budget: int,
    *,
    library: Library,
    previews: bool,
    links: bool = False,
) -> t.CallToolResult:
    """Earlier pictures: previews (of those whose file is still that picture), text, links, structured content."""
    return await _picture_reply(records, text, data, budget, library=library, links=links, previews=previews)


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
        case ProviderError():
            text = plain(str(error))
            meta = {"kind": error.category, "retryable": error.retryable, "charged": error.charged}
        case _:
            text, meta = plain(str(error)), {"kind": "failed"}
    if job is not None:
        meta["job_id"] = job.id
        text += "".join(f"\nNote: {plain(note)}" for note in job.notes)
    return t.CallToolResult(content=[t.TextContent(text=text)], is_error=True, _meta={ERROR_META: meta})


async def _picture_reply(
    records: Sequence[PictureRecord],
    text: str,
    data: dict[str, Any],
    budget: int,
    *,
    library: Library,
    links: bool,
    previews: bool = True,
    made: Mapping[str, Preview] | None = None,
) -> t.CallToolResult:
    from imagewright.engine.showing import first_previews, fitted  # noqa: PLC0415 - not on the start-up path

    first, missing = await first_previews(library, records if previews else (), made or {})
    text = "\n".join([text, *missing])
    # off unless asked for: semantic-kernel fails on a link, langchain-mcp-adapters makes an image of it that Google,
    # OpenAI and Anthropic cannot fetch; id, path and uri stand in the text and in the structured content anyway
    link_blocks: list[Block] = [_link(record) for record in records] if links else []
    spent = FRAME_BYTES + len(json.dumps(data)) + len(json.dumps(text)) + sum(_size(link) for link in link_blocks)
    blocks: list[Block] = []
    if first:
        shown, shrunk = await fitted(first, budget - spent)
        blocks = [_image(preview) for preview in shown]
        text += _preview_note(len(shown), len(first), shrunk=shrunk)
    return t.CallToolResult(content=[*blocks, t.TextContent(text=text), *link_blocks], structured_content=data)


def _preview_note(shown: int, of: int, *, shrunk: bool) -> str:
    if shown < of:
        return (
            f"\n{shown} of {of} previews are shown so that the reply stays small; the others can be read as resources, "
            "each at image:// and its id."
        )
    return "\nPreviews were shrunk so that the reply stays small; the saved files are full size." if shrunk else ""


def _image(preview: Preview) -> t.ImageContent:
    return t.ImageContent(
        data=base64.b64encode(preview.data).decode("ascii"),
        mime_type=f"image/{preview.format}",
        annotations=t.Annotations(audience=["user", "assistant"], priority=1.0),
    )


def _link(record: PictureRecord) -> t.ResourceLink:
    return t.ResourceLink(
        uri=record.uri,
        name=plain(Path(record.path).name),
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
        lines.append(f"{record.id}: {plain(str(record.path))} ({sides}{seed})")
    lines.append(_cost(job))
    lines += [f"Note: {plain(note)}" for note in job.notes]
    return "\n".join(lines)


def _headline(job: Job) -> str:
    what = f"{verb(job.operation)} with {job.tool} at {job.provider}"
    match job.status:
        case JobStatus.COMPLETED:
            return f"{counted(len(job.pictures), 'picture')}: {what}, {job.elapsed:.1f} s."
        case JobStatus.RUNNING if job.trouble:
            return (
                f"Still running, but held up ({job.elapsed:.0f} s so far): {what}. {job.trouble} "
                f'Later, get its pictures with image_job and job_id "{job.id}".'
            )
        case JobStatus.RUNNING:
            return (
                f"Still running ({job.stage}, {job.elapsed:.0f} s so far): {what}. The job goes on by itself; do not "
                f'call the tool again. Get its pictures with image_job and job_id "{job.id}".'
            )
        case _:
            return f"{job.status.capitalize()}: {what}."


def _cost(job: Job) -> str:
    if job.cost_usd is None:
        return "Cost: unknown."
    if job.cost_basis == "actual":
        return "Cost: nothing." if job.cost_usd == 0 else f"Cost: ${job.cost_usd:.4g} (charged)."
    return f"Cost: about ${job.cost_usd:.4g} (estimate)."
