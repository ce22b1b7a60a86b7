"""Every tool as plain data: name, title, description, input and output schema, annotations.

Plain dictionaries, so that the same definitions are served, written to `tool_schemas/` and tested. Written, an input
schema is closed with `additionalProperties: false`; served, it is not: google-genai's own converter fails on the
keyword, strict converters add it themselves, and the check of a call refuses unknown arguments either way.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, get_args

from imagewright.catalog.load import catalog
from imagewright.catalog.row import Argument, OperationName
from imagewright.catalog.schema import argument_schema, input_schema, neutral
from imagewright.engine.engine import picture_data, place_of
from imagewright.engine.offer import HELPER_TOOLS
from imagewright.guide.describe import description
from imagewright.storage.states import JobState
from imagewright.text import plain

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from imagewright.catalog.row import Row
    from imagewright.storage.records import PictureRecord

Schema = dict[str, Any]


def _closed(properties: Schema, *, optional: Collection[str] = ()) -> Schema:
    """The schema of an object that has all of these properties, perhaps not the optional ones, and no other."""
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }


PICTURE_OPTIONAL = ("transparent", "seed")
PICTURE_SCHEMA = _closed(
    {
        "id": {"type": "string", "description": "Use it as an image argument of a later call"},
        "path": {"type": "string", "description": "Absolute path of the saved file"},
        "uri": {"type": "string"},
        "width": {"type": "integer", "description": "Pixels"},
        "height": {"type": "integer", "description": "Pixels"},
        "format": {"type": "string"},
        "transparent": {"type": "boolean", "description": "Whether any pixel is; absent when unknown"},
        "bytes": {"type": "integer"},
        "seed": {"type": "integer", "description": "Absent when the provider reports none"},
    },
    optional=PICTURE_OPTIONAL,
)
COST_SCHEMA = _closed(
    {
        "usd": {"type": "number", "description": "Absent when unknown"},
        "basis": {"type": "string", "enum": ["actual", "estimate", "unknown"]},
    },
    optional=["usd"],
)
JOB_SCHEMA = _closed(
    {
        "job_id": {"type": "string"},
        "status": {"type": "string", "enum": list(get_args(JobState))},
        "model": {"type": "string", "description": "The tool"},
        "operation": {"type": "string", "enum": [str(name) for name in OperationName]},
        "provider": {"type": "string"},
        "provider_model": {"type": "string"},
        "edition": {"type": "string", "description": "Absent where the model has none"},
        "images": {"type": "array", "items": PICTURE_SCHEMA},
        "cost": COST_SCHEMA,
        "elapsed_seconds": {"type": "number"},
        "progress": {"type": "number", "description": "0 to 1"},
        "notes": {"type": "array", "items": {"type": "string"}},
        "next": {"type": "string", "description": "How it stands and what to do; absent once it has ended"},
        "choice": {
            "type": "array",
            "items": {"type": "string"},
            "description": "Why this provider was taken and the others were not",
        },
    },
    optional=["edition", "next"],
)
JOBS_SCHEMA = _closed({"jobs": {"type": "array", "items": JOB_SCHEMA}})
GALLERY_PICTURE_SCHEMA = _closed(
    PICTURE_SCHEMA["properties"]
    | {
        "tool": {"type": "string"},
        "operation": {"type": "string"},
        "provider": {"type": "string"},
        "prompt": {"type": "string"},
        "created": {"type": "string", "description": "ISO 8601, UTC"},
        "parents": {"type": "array", "items": {"type": "string"}},
    },
    optional=PICTURE_OPTIONAL,
)
GALLERY_SCHEMA = _closed(
    {
        "images": {"type": "array", "items": GALLERY_PICTURE_SCHEMA},
        "more": {"type": "boolean"},
        "today": {"type": "string", "description": "YYYY-MM-DD, local time"},
    }
)
GUIDE_SCHEMA = _closed({"topic": {"type": "string"}, "markdown": {"type": "string"}})

HELPER_CLAUSES = {
    "image_job": "waits for, shows or cancels a job",
    "image_gallery": "finds earlier pictures and their ids",
    "image_guide": "tells how to choose and prompt",
}
"""What the server's instructions say of each helper tool."""
OVERVIEW = "overview"
"""The guide topic that is about the choice among all tools."""
PICTURES = frozenset({"image", "images", "mask"})
"""The arguments of all tools that name input pictures."""
ANY = "any"
"""In place of a tool's name: whichever it was."""
GALLERY_LIMIT = 50
SHOWN_PROMPT = 80
"""Characters of a prompt in the gallery's text; the structured content has all of it as it was written."""
LONGEST_WAIT = 55
"""Seconds `image_job` may wait in one call: hosts give up at about 60."""


def tool_definitions(rows: Iterable[Row], helpers: Iterable[str] = HELPER_TOOLS) -> list[Schema]:
    """The definitions of the model tools of these effective rows, then of the helper tools, as they are listed."""
    return [one | {"inputSchema": _opened(one["inputSchema"])} for one in _definitions(tuple(rows), set(helpers))]


def all_definitions() -> list[Schema]:
    """The definitions of all ten tools as they are written down: from the full rows, input schemas closed."""
    return _definitions(tuple(catalog().values()), set(HELPER_TOOLS))


def _definitions(rows: tuple[Row, ...], helpers: set[str]) -> list[Schema]:
    arguments = helper_arguments(rows)
    return [_model_tool(row) for row in rows] + [_helper(name, arguments[name]) for name in HELPERS if name in helpers]


def _opened(schema: Schema) -> Schema:
    """A schema without `additionalProperties`, at every depth."""
    return {
        key: _opened(value) if isinstance(value, dict) else value
        for key, value in schema.items()
        if key != "additionalProperties"
    }


def _model_tool(row: Row) -> Schema:
    return {
        "name": row.tool,
        "title": row.title,
        "description": description(row),
        "inputSchema": input_schema(row),
        "outputSchema": JOB_SCHEMA,
        "annotations": _annotations(reads_only=False, open_world=True),
    }


HELPERS: dict[str, tuple[str, str, Schema, bool]] = {
    "image_job": (
        "Image jobs",
        "Wait for, look at, cancel or list jobs. Costs nothing. Use it when a call timed out or left a job unfinished.",
        JOBS_SCHEMA,
        False,
    ),
    "image_gallery": (
        "Image gallery",
        "Find earlier pictures, newest first: their ids (usable as image arguments), paths and prompts. Costs nothing.",
        GALLERY_SCHEMA,
        True,
    ),
    "image_guide": (
        "Image guide",
        "How to choose among the image tools and prompt them well. Costs nothing; read it before a demanding task.",
        GUIDE_SCHEMA,
        True,
    ),
}
"""Title, description, output schema of each helper tool, and whether it only reads."""


def helper_arguments(rows: Iterable[Row]) -> dict[str, dict[str, Argument]]:
    """What each helper tool takes where the models of these rows are on, by the names of the tools and arguments."""
    models = tuple(row.tool for row in rows)
    return {
        "image_job": {
            "job_id": Argument(kind="text", describe="Which job; without it the newest are listed"),
            "action": Argument(
                kind="choice",
                values=("wait", "show", "cancel"),
                default="wait",
                describe="wait for its pictures, which carries a stalled job on; show its state; or cancel it",
            ),
            "wait": Argument(kind="number", minimum=0, maximum=LONGEST_WAIT, describe="Seconds to wait at most"),
        },
        "image_gallery": {
            "text": Argument(kind="text", describe="Words that the prompt holds"),
            "model": Argument(kind="choice", values=(ANY, *models), default=ANY, describe="Made by this tool"),
            "day": Argument(kind="text", describe="Made on this day: today, yesterday, a weekday or YYYY-MM-DD"),
            "parent": Argument(kind="text", describe="Made from this picture id"),
            "limit": Argument(kind="integer", minimum=1, maximum=GALLERY_LIMIT, default=10, describe="How many"),
            "offset": Argument(kind="integer", minimum=0, maximum=1_000_000_000, default=0, describe="Skip this many"),
            "previews": Argument(kind="boolean", default=True, describe="Show the pictures as well"),
        },
        "image_guide": {
            "topic": Argument(kind="choice", values=(OVERVIEW, *models), default=OVERVIEW, describe="Which page")
        },
    }


def _helper(name: str, arguments: dict[str, Argument]) -> Schema:
    shown, text, output, reads_only = HELPERS[name]
    properties = {key: argument_schema(argument, unset=neutral(argument)) for key, argument in arguments.items()}
    return {
        "name": name,
        "title": shown,
        "description": text,
        "inputSchema": {"type": "object", "properties": properties, "additionalProperties": False},
        "outputSchema": output,
        "annotations": _annotations(reads_only=reads_only, open_world=False),
    }


def _annotations(*, reads_only: bool, open_world: bool) -> Schema:
    return {
        "readOnlyHint": reads_only,
        "destructiveHint": False,
        "idempotentHint": reads_only,
        "openWorldHint": open_world,
    }


def gallery_answer(records: Iterable[PictureRecord], following: int | None) -> tuple[str, dict[str, Any]]:
    """What the gallery answers: a text with a line for each picture, and the data of `GALLERY_SCHEMA`.

    Days are local, like those it takes. `following` is the offset of the pictures after these; None where there are
    none. Where no picture matches, today's date is said: a model that asked for a day may have guessed it.
    """
    lines, images = [], []
    for one in records:
        made = f"{one.width}x{one.height}, {one.tool}, {one.created.astimezone():%Y-%m-%d}"
        words = f" {one.prompt.quoted(SHOWN_PROMPT)}" if one.prompt else ""
        lines.append(f"{one.id}: {plain(place_of(one))} ({made}){words}")
        images.append(gallery_data(one))
    if following is not None:
        lines.append(f"There are more: call again with offset {following}.")
    today = datetime.now().astimezone()
    text = "\n".join(lines) or f"No picture matches. Today is {today:%A, %Y-%m-%d}."
    return text, {"images": images, "more": following is not None, "today": f"{today:%Y-%m-%d}"}


def gallery_data(record: PictureRecord) -> dict[str, Any]:
    """A picture as plain data, in the form of `GALLERY_PICTURE_SCHEMA` there."""
    return picture_data(record) | {
        "tool": record.tool,
        "operation": record.operation,
        "provider": record.provider,
        "prompt": record.prompt.raw,
        "created": record.created.isoformat(),
        "parents": list(record.parents),
    }
