"""The requests: what people write, which tools are on, and what a good assistant does about it.

Each kind is a file in `requests/`. How an entry is written is said in `README.md`.
"""

from __future__ import annotations

import re
import tomllib
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from imagewright.catalog.load import catalog
from imagewright.engine.offer import tool_names
from imagewright.providers import KEY_VARIABLES

if TYPE_CHECKING:
    from collections.abc import Iterable

FOLDER = Path(__file__).parent / "requests"
SAMPLES = Path(__file__).parents[1] / "server/imagewright/imaging/samples"
"""The pictures that can be attached to a message or be the preview of a result."""
DAY = "2026-11-26"
"""The day on which all requests are made, a Thursday, as YYYY-MM-DD."""
NONE = "none"
"""Stands among the acceptable tools for an answer in words."""
LOOKING = frozenset({"image_gallery", "image_guide"})
"""The tools that only look: they are right wherever an answer in words is."""
PAID = frozenset(catalog())
"""The tools whose calls may cost money."""

Scalar = str | int | float | bool


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Condition(_Strict):
    """What must hold of one argument. A value that was left out counts as its default."""

    argument: str = ""
    tool: str = ""
    """Only where this tool is called; empty for every tool."""
    equals: Scalar | list[str] | None = None
    one_of: list[Scalar] | None = None
    """One of these; an empty text among them stands for an argument that was left out."""
    contains: list[str] | None = None
    """All of these: items of a list, or words of a text, whether in small letters or capitals."""
    matches: str | None = None
    """A regular expression that is found in the text."""
    at_least: float | None = None
    at_most: float | None = None
    absent: Literal[True] | None = None
    """It is not given, or has its default."""
    any: list[Condition] | None = None
    """At least one of these conditions holds; nothing else stands beside it."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        tests = self.model_fields_set - {"argument", "tool"}
        if not tests or bool(self.any) == bool(self.argument) or (self.any and self.model_fields_set != {"any"}):
            raise ValueError("a condition names an argument and says what must hold of it, or has `any` alone")
        if self.matches is not None:
            re.compile(self.matches)
        return self

    def __str__(self) -> str:
        if self.any:
            return " or ".join(map(str, self.any))
        tests = self.model_dump(exclude={"argument", "tool"}, exclude_none=True)
        return f"{self.argument} {', '.join(f'{name} {value!r}' for name, value in tests.items())}"


class Turn(_Strict):
    """One turn of the conversation before the request: of the user, of the assistant, or a call with its result."""

    user: str = ""
    assistant: str = ""
    call: str = ""
    """The tool that was called."""
    arguments: dict[str, Any] = {}
    result: str = ""
    """The text that the tool answered."""
    error: bool = False
    """Whether the answer was an error."""
    preview: str = ""
    """The sample that stands for the picture in the answer; empty for an answer of text alone."""
    attached: list[str] = []
    """Samples that are attached to what the user wrote, of which the server knows nothing."""

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        if sum(map(bool, (self.user, self.assistant, self.call))) != 1 or bool(self.call) != bool(self.result):
            raise ValueError("a turn is a user's text, an assistant's text, or a call with its result")
        if missing := [one for one in (*self.attached, self.preview) if one and not (SAMPLES / one).is_file()]:
            raise ValueError(f"there is no sample {missing}")
        return self


class Setup(_Strict):
    """Which tools are on and which providers have a key; requests of the same setup see the same tools."""

    on: tuple[str, ...] | None = None
    """Only these tools; None for all."""
    off: tuple[str, ...] = ()
    """All but these tools."""
    providers: tuple[str, ...] = ()
    """Only these have a key; all of them where none is named."""

    @property
    def name(self) -> str:
        """The setup in a few words, such as `without qwen`."""
        words = []
        if self.on is not None:
            words.append(f"only {', '.join(self.on)}" if self.on else "every tool off")
        if self.off:
            words.append(f"without {', '.join(self.off)}")
        if self.providers:
            words.append(f"a key for {', '.join(self.providers)} alone")
        return "; ".join(words) or "every tool on"


class Request(_Strict):
    """One request and what is right for it."""

    id: str = Field(pattern=r"^[a-z0-9-]+$")
    kind: str
    """The name of its file."""
    turns: tuple[Turn, ...] = Field(min_length=1)
    """The conversation. The assistant is to answer its last turn."""
    setup: Setup = Setup()
    today: bool = False
    """Whether the client tells the model what day it is."""
    accept: tuple[str, ...] = Field(min_length=1)
    """The tools of which each would be right, best first; `none` for an answer in words."""
    calls: int = Field(default=1, ge=1)
    """How many calls may be made at once."""
    where: tuple[Condition, ...] = ()
    """What must hold of the arguments of every call."""
    why: str = Field(min_length=10)

    @property
    def name(self) -> str:
        """Kind and id, such as `gallery/yesterday`: unique among all requests."""
        return f"{self.kind}/{self.id}"

    @cached_property
    def key(self) -> str:
        """What it is called where a model reads it: its name would tell what is expected."""
        return f"q{sha256(self.name.encode()).hexdigest()[:6]}"

    @cached_property
    def right(self) -> frozenset[str]:
        """Every right answer: a tool's name or `none`."""
        return frozenset(self.accept) | (LOOKING if NONE in self.accept else frozenset())

    @model_validator(mode="after")
    def _names_what_exists(self) -> Self:
        tools = set(tool_names())
        named = {*self.accept, *(self.setup.on or ()), *self.setup.off, *(one.call for one in self.turns if one.call)}
        if strange := sorted(named - tools - {NONE}):
            raise ValueError(f"there is no tool {strange}")
        if strange := sorted(set(self.setup.providers) - set(KEY_VARIABLES)):
            raise ValueError(f"there is no provider {strange}")
        on = (tools if self.setup.on is None else set(self.setup.on)) - set(self.setup.off)
        if strange := sorted(set(self.accept) - on - {NONE}):
            raise ValueError(f"{strange} would be right, and is off")
        if self.turns[-1].assistant:
            raise ValueError("the last turn is the assistant's own")
        return self


def load_requests(folder: Path = FOLDER) -> list[Request]:
    """All requests, kind by kind.

    Raises:
        ValueError: an entry is not written as it should be, or two have the same name; the message says which.
    """
    found: dict[str, Request] = {}
    for file in sorted(folder.glob("*.toml")):
        for entry in tomllib.loads(file.read_text(encoding="utf-8"))["request"]:
            try:
                request = _request(file.stem, dict(entry))
            except ValidationError as error:
                raise ValueError(f"{file.name}, {entry.get('id')}: {error}") from error
            if request.key in found:
                raise ValueError(f"{request.name} stands there twice, or has the key of {found[request.key].name}")
            found[request.key] = request
    return list(found.values())


def set_name(requests: Iterable[Request]) -> str:
    """A short name of a set of requests, which changes with every change to one of them."""
    whole = "\n".join(sorted(request.model_dump_json() for request in requests))
    return sha256(whole.encode()).hexdigest()[:8]


def _request(kind: str, entry: dict[str, Any]) -> Request:
    """One entry of a file. Its `user` and `attached` are the last turn, after those of `earlier`."""
    turns = entry.pop("earlier", [])
    last = {name: entry.pop(name) for name in ("user", "attached") if name in entry}
    setup = {name: tuple(entry.pop(name)) for name in ("on", "off", "providers") if name in entry}
    lists = {name: tuple(entry.pop(name)) for name in ("accept", "where") if name in entry}
    return Request.model_validate(
        {**entry, **lists, "kind": kind, "turns": tuple([*turns, last] if last else turns), "setup": setup}
    )
