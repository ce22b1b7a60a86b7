"""Guide pages, pictures and jobs as resources."""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING, Any

import mcp.types as t
from mcp import MCPError

from imagewright.engine.engine import job_data
from imagewright.errors import ImagewrightError, StorageError
from imagewright.storage.records import LOCAL
from imagewright.surface.definitions import OVERVIEW
from imagewright.surface.tools import guide_text
from imagewright.text import clip, plain, quoted

if TYPE_CHECKING:
    from mcp.server import ServerRequestContext

    from imagewright.engine.engine import Engine

    Context = ServerRequestContext[Any]

MARKDOWN = "text/markdown"
SHOWN_PROMPT = 200
"""Characters of a prompt in the list."""
RECENT_PICTURES = 20
"""Pictures that are listed; all others can be read by id."""
LARGEST_READ = 50_000_000
"""Bytes of a picture that is sent in full; above this only its preview and its path."""
LONGEST_URI = 200
"""Characters; the longest of ours have 50."""
PICTURE = re.compile(r"^image://(img_[a-z0-9]+)(/preview)?$")
JOB = re.compile(r"^job://(job_[a-z0-9]+)$")
GUIDE = re.compile(r"^guide://(?:(overview)|tools/([a-z0-9_]+))$")

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

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def listed(self, _ctx: Context, params: t.PaginatedRequestParams | None) -> t.ListResourcesResult:
        """Guide pages of what is on, and the newest pictures."""
        _first_page_only(params)
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
                name=plain(record.key.rpartition("/")[2]),
                description=quoted(record.prompt, SHOWN_PROMPT)
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
        _first_page_only(params)
        return t.ListResourceTemplatesResult(resource_templates=TEMPLATES)

    async def read(self, _ctx: Context, params: t.ReadResourceRequestParams) -> t.ReadResourceResult:
        """One resource.

        Raises:
            MCPError: invalid params with the URI, when there is no such resource now.
        """
        uri = str(params.uri)
        if len(uri) > LONGEST_URI:  # an error would repeat it twice
            raise MCPError(t.INVALID_PARAMS, f"There is no resource {plain(clip(uri))} now", {"uri": clip(uri)})
        try:
            if matched := GUIDE.match(uri):
                return _text(uri, MARKDOWN, guide_text(self._engine.offer, matched[1] or matched[2]))
            if matched := JOB.match(uri):
                job = await self._engine.find(LOCAL, matched[1])
                if job is not None:
                    return _text(uri, "application/json", json.dumps(job_data(job), indent=2))
            if matched := PICTURE.match(uri):
                return await self._picture(uri, matched[1], small=matched[2] is not None)
        except KeyError:
            pass
        except (ImagewrightError, OSError) as error:
            raise MCPError(t.INVALID_PARAMS, plain(str(error)), {"uri": uri}) from error
        raise MCPError(t.INVALID_PARAMS, f"There is no resource {plain(uri)} now", {"uri": uri})

    async def _picture(self, uri: str, picture_id: str, *, small: bool) -> t.ReadResourceResult:
        record = await self._engine.picture(LOCAL, picture_id)
        if record is None:
            raise MCPError(t.INVALID_PARAMS, f"There is no picture {picture_id}; see image_gallery", {"uri": uri})
        if small:
            found = await self._engine.previews([record], self._engine.settings.reply_budget)
            if not found.shown:
                raise StorageError(" ".join(found.missing) or f"{record.uri}/preview has no room in a reply.")
            return _blob(uri, f"image/{found.shown[0].format}", found.shown[0].data)
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


def _first_page_only(params: t.PaginatedRequestParams | None) -> None:
    if params is not None and params.cursor is not None:
        raise MCPError(t.INVALID_PARAMS, "Unknown cursor: there is one page")
