"""A call's request as plain data: it is written down with the job, so that another process can end it.

A part of it is what was asked of the pictures, see `Asked`; `engine.deliver` compares what arrives with it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from imagewright.catalog.row import AUTO, OperationName
from imagewright.engine.pictures import MASK
from imagewright.providers.base import EVERY_EDITION
from imagewright.storage.records import EXTENSIONS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imagewright.engine.check import Checked
    from imagewright.engine.pictures import Source
    from imagewright.providers.base import Route

Sides = tuple[int, int]
"""Width and height in px."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a call asked of its pictures. What is empty was not asked for, and is not compared."""

    ratio: str = ""
    """The aspect ratio, such as `16:9`."""
    like: Sides | None = None
    """The first picture's sides in px, where the route keeps its shape."""
    resolution: str = ""
    """The size class, such as `2K`."""
    size: Sides | None = None
    """The exact sides in px: of an enlargement, and of a cut-out, which is as large as its picture."""
    scale: int = 0
    """By how much it is enlarged; 0 where it is not."""
    format: str = ""
    """The file type: the one that was given, else the one that the name to save as ends in, else the default."""
    ending: str = ""
    """The file type that the name to save as ends in."""
    transparent: bool | None = None
    """Whether some pixel has to be transparent, or none may be."""
    cut_out: bool = False
    """Whether the background had to be removed."""

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Asked:
        """What `dataclasses.asdict` made, after it was JSON."""
        sides = {name: tuple(data[name]) if data[name] else None for name in ("like", "size")}
        return cls(**{**data, **sides})


@dataclass(frozen=True, slots=True)
class JobSpec:
    """The caller's request as plain data, which is written down with the job and read back."""

    prompt: str
    """As given; empty when there is none."""
    request: Mapping[str, Any]
    """The caller's arguments without data URIs and without the secrets of signed links."""
    save_as: str | None
    """Where the caller wants it saved; None for the default."""
    parents: tuple[str, ...]
    """Ids of the earlier pictures it is made from."""
    count: int
    """How many pictures were asked for."""
    usd: float | None
    """What the job is estimated to cost, in USD; None when unknown."""
    exact_size: Sides | None
    """Sides in px the result is brought down to; None when it is kept as it comes."""
    edition: str = ""
    """The edition that serves it; empty where there is none."""
    asked: Asked = field(default_factory=Asked)
    """What was asked of its pictures; jobs of older releases have nothing here."""

    def as_data(self) -> dict[str, Any]:
        """As JSON can hold it; `from_data` reads it back."""
        return asdict(self)

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> JobSpec:
        """What `as_data` made."""
        size, asked = data["exact_size"], data.get("asked")
        read = {
            "parents": tuple(data["parents"]),
            "exact_size": tuple(size) if size else None,
            "asked": Asked.from_data(asked) if asked else Asked(),
        }
        return cls(**{**data, **read})


def spec_of(
    checked: Checked,
    sources: Sequence[Source],
    route: Route,
    arguments: Mapping[str, Any],
    *,
    count: int,
    usd: float | None,
) -> JobSpec:
    """The request of a call.

    Args:
        checked: the call.
        sources: its pictures.
        route: the route that serves it.
        arguments: what will be sent to the vendor.
        count: how many pictures it asks for.
        usd: what it is estimated to cost, in USD; None when unknown.
    """
    given = checked.given
    shown = {source.argument: source.request for source in sources}
    request = {
        name: [shown.get(f"{name}[{place}]", "") for place in range(len(value))]
        if isinstance(value, list)
        else shown.get(name, value)
        for name, value in given.items()
    }
    asked = _asked_of(checked, sources, route, arguments)
    return JobSpec(
        prompt=str(given.get("prompt", "")),
        request=request,
        save_as=given.get("save_as"),
        parents=tuple(dict.fromkeys(source.parent for source in sources if source.parent is not None)),
        count=count,
        usd=usd,
        exact_size=None if arguments.get("scale", asked.scale) == asked.scale else asked.size,
        edition="" if route.edition == EVERY_EDITION else route.edition,
        asked=asked,
    )


def _asked_of(checked: Checked, sources: Sequence[Source], route: Route, arguments: Mapping[str, Any]) -> Asked:
    """What the caller gave, and the defaults that the route takes; of `auto` what the route makes of it."""
    given = checked.given
    wanted = {**given, **arguments}
    own = next(((one.facts.width, one.facts.height) for one in sources if one.argument != MASK), None)
    ratio = str(wanted.get("aspect_ratio", ""))
    ending = _type_by_ending(given.get("save_as") or "")
    cut_out = checked.operation is OperationName.REMOVE_BACKGROUND
    scale = 0
    if checked.operation is OperationName.UPSCALE:
        scale = int(given.get("scale", checked.arguments["scale"].default or 1))
    backdrop = {"transparent": True, "opaque": False}.get(str(wanted.get("background")))
    return Asked(
        ratio="" if ratio == AUTO else ratio,
        like=own if ratio == AUTO and route.native_auto else None,
        # a mask asks for the picture it lies on, in its own size, unless another is named
        resolution=str((given if "mask" in given else wanted).get("resolution", "")),
        size=(own[0] * (scale or 1), own[1] * (scale or 1)) if own and (scale or cut_out) else None,
        scale=scale,
        format=str(given.get("output_format") or ending or wanted.get("output_format", "")),
        ending=ending,
        transparent=True if cut_out else backdrop,
        cut_out=cut_out,
    )


def _type_by_ending(save_as: str) -> str:
    """The file type that a name ends in; empty where it ends in none."""
    typed = PurePath(save_as).suffix.lower().removeprefix(".")
    return next((form for form, endings in EXTENSIONS.items() if typed in endings), "")
