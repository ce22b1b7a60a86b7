"""Ideogram on loopback. By hand: `python -m tests.emulators.ideogram [seconds a call takes]`.

Typed from the maker's pages, on purpose without a look at the provider. It speaks both versions of the interface.
Bodies of 400 and 401 are undocumented; those of 402 and 429 are the second version's.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from PIL import ImageOps

from tests.emulators.base import Door, Emulator, Limit, seconds_given, serve_by_hand
from tests.emulators.ideogram_words import COLOURS, RESOLUTIONS, STYLES
from tests.emulators.messages import Answer, Part, Received, Refused
from tests.emulators.misplaced import misplaced_key
from tests.emulators.pictures import draw, encode, look

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL import Image

Check = Callable[[str], bool]
"""Whether the text of a field is taken."""

USD = {"FLASH": 0.03, "TURBO": 0.03, "DEFAULT": 0.06, "QUALITY": 0.09}
"""For one picture, by the speed in capitals."""
MOST_BYTES = 25_000_000
MOST_TOGETHER = 50_000_000
LINK_SECONDS = 24 * 3600.0
SEED = 2**31 - 1
TYPES = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp"}


def _whole(least: int, most: int) -> Check:
    return lambda text: re.fullmatch(r"-?\d{1,12}", text) is not None and least <= int(text) <= most


def _palette(text: str) -> bool:
    try:
        palette = json.loads(text)
    except ValueError:
        return False
    if not isinstance(palette, dict) or set(palette) not in ({"name"}, {"members"}):
        return False
    if "name" in palette:
        return palette["name"] in COLOURS
    return bool(palette["members"]) and all(_member(one) for one in palette["members"])


def _member(one: Any) -> bool:
    weight = one.get("color_weight", 1)
    known = set(one) <= {"color_hex", "color_weight"}
    return known and re.fullmatch(r"#[0-9A-Fa-f]{6}", one.get("color_hex", "")) is not None and 0.05 <= weight <= 1


def _fields(speeds: Collection[str], styles: Collection[str]) -> dict[str, Check]:
    return {
        "resolution": lambda text: text in RESOLUTIONS,
        "num_images": _whole(1, 8),
        "seed": _whole(0, SEED),
        "rendering_speed": lambda text: text in speeds,
        "style_preset": lambda text: text in styles,
        "color_palette": _palette,
        "style_codes": lambda text: re.fullmatch(r"[0-9A-Fa-f]{8}", text) is not None,
    }


FILES = ("image", "style_reference_images")
REQUIRED = ("image", "resolution")
STYLED_BY = ("style_preset", "style_codes", "style_reference_images")


@dataclass(frozen=True, kw_only=True)
class Version:
    """What one version of the interface takes."""

    fields: Mapping[str, Check]
    """Check of each text field."""
    speed: str
    """The usual one."""
    alone: tuple[str, ...]
    """Fields of which only one may be given."""
    files: tuple[str, ...] = FILES
    """Names of the file fields."""
    required: tuple[str, ...] = REQUIRED


VERSIONS: Mapping[str, Version] = {
    "/v1/ideogram-v3/reframe": Version(fields=_fields(USD, STYLES), speed="DEFAULT", alone=STYLED_BY[1:]),
    "/v2/image/reframe/ideogram-3": Version(
        # every word in small letters, and no flash
        fields={
            **_fields(("turbo", "default", "quality"), {style.lower() for style in STYLES}),
            "async": lambda text: text == "false",  # the other way of calling it is not emulated
        },
        speed="default",
        alone=STYLED_BY,
    ),
}
"""By the path."""
SECOND = "/v2/"


@dataclass(frozen=True)
class _Asked:
    """One request, checked."""

    source: Image.Image
    size: tuple[int, int]
    count: int
    speed: str
    seed: int


class IdeogramEmulator(Emulator):
    """Ideogram's reframing, strict."""

    hosts = ("api", "files")
    versions: Mapping[str, Version] = VERSIONS

    def __init__(self, *, key: str = "idgm-emulator-0123456789abcdef", seconds: float = 0.0) -> None:
        super().__init__()
        self.key = key
        """The key it accepts."""
        self.seconds = seconds
        """How long a call takes."""
        self.usd = 100.0
        """What is left in the account."""
        self.link_seconds = LINK_SECONDS
        """How long a link lives."""
        self.charges: list[float] = []
        """USD, one entry for each call that was carried out."""
        self._made: dict[str, tuple[_Asked, int]] = {}
        self._unsafe = 0

    def keep_back_next(self, count: int) -> None:
        """Find so many pictures of the next call unsafe; they are charged all the same."""
        self._unsafe = count

    def weight(self, received: Received) -> int:
        """The pictures that are asked for: each takes a place while it is in progress."""
        asked = [part.data for part in received.parts() if part.name == "num_images" and part.data.isdigit()]
        return int(asked[0]) if asked else 1

    def too_many(self, limit: Limit, wait: float | None) -> Answer:
        """It limits what is in flight; what it says of a rate is not documented."""
        if wait is not None:
            return Answer.of({"error": "Too many requests."}, 429)
        more = {"max_inflight_requests": limit.running, "task_completion_speed": "fast"}
        return Answer.of({"error": "Too many in-flight requests.", "reject_reason": "inflight_limit", **more}, 429)

    def doors(self) -> Sequence[Door]:
        """The reframing, and where its pictures lie."""
        return (
            *(Door("generate", "api", "POST", path, self._reframe) for path in self.versions),
            Door("download", "files", "GET", "/api/images/ephemeral/(?P<name>[^/]+)", self._download),
        )

    def answer(self, received: Received) -> Answer:
        """As every emulator, with an eye on where the key turns up."""
        self.violations += misplaced_key(received, self.key, "api-key", ("files",))
        return super().answer(received)

    def _reframe(self, received: Received) -> Answer:
        if received.headers.get("api-key") != self.key:
            raise Refused(Answer.of({"error": "Invalid API key"}, 401))
        second = received.path.startswith(SECOND)
        asked = self._checked(received, self.versions[received.path])
        price = USD[asked.speed.upper()] * asked.count
        if self.usd < price:
            broke = {"error": "Insufficient credits.", "reject_reason": "insufficient_funds"}
            raise Refused(Answer.of(broke, 402))
        self.usd -= price
        self.charges.append(price)
        unsafe, self._unsafe = self._unsafe, 0
        items = [self._item(asked, place, safe=place >= unsafe, second=second) for place in range(asked.count)]
        if not second:
            return replace(Answer.of({"created": "2026-01-23T04:56:07+00:00", "data": items}), seconds=self.seconds)
        head = {"generation_id": f"gen-{len(self.charges):04d}", "generation_kind": "sampling", "seed": asked.seed}
        return replace(Answer.of({**head, "data": items}), seconds=self.seconds)

    def _checked(self, received: Received, version: Version) -> _Asked:
        parts = received.parts()
        texts: dict[str, str] = {}
        for part in parts:
            if part.name not in (*version.fields, *version.files):
                raise refuse(f"unknown field {part.name}")
            if part.name in version.fields:
                texts[part.name] = part.data.decode("utf-8")
                if not version.fields[part.name](texts[part.name]):
                    raise refuse(f"{part.name} cannot be {texts[part.name][:40]}")
        pictures = {part.name: _picture(part) for part in parts if part.name in version.files}
        given = {*texts, *pictures}
        if missing := [name for name in version.required if name not in given]:
            raise refuse(f"{missing[0]} is required")
        if len(received.body) > MOST_TOGETHER or len(given.intersection(version.alone)) > 1:
            raise refuse(f"at most 50 MB in all, and only one of {', '.join(version.alone)}")
        wide, high = texts["resolution"].split("x")
        return _Asked(
            source=pictures["image"],
            size=(int(wide), int(high)),
            count=int(texts.get("num_images", "1")),
            speed=texts.get("rendering_speed", version.speed),
            seed=int(texts.get("seed", 1000 + len(self.charges))),
        )

    def _item(self, asked: _Asked, place: int, *, safe: bool, second: bool) -> dict[str, Any]:
        seed = (asked.seed + place) % (SEED + 1)
        name = f"{len(self.charges):04d}-{place}.png"
        self._made[name] = (asked, seed)
        until = int(time.time() + self.link_seconds)
        link = f"{self.url('files')}/api/images/ephemeral/{name}?exp={until}&sig=signed-{name}-{until}"
        return {
            "url": link if safe else ("" if second else None),
            "prompt": "",
            "resolution": f"{asked.size[0]}x{asked.size[1]}",
            "is_image_safe": safe,
            "seed": seed,
            **({} if second else {"style_type": "GENERAL"}),
        }

    def _download(self, received: Received) -> Answer:
        name, until = received.groups["name"], received.query.get("exp", "")
        if name not in self._made or received.query.get("sig") != f"signed-{name}-{until}":
            return Answer(404, b"not found", {"Content-Type": "text/plain"})
        if int(until) <= time.time():
            return Answer(403, b"expired", {"Content-Type": "text/plain"})
        asked, seed = self._made[name]
        made = encode(_reframed(asked.source, asked.size, seed), "png")
        return Answer(200, made, {"Content-Type": "image/png"})


def refuse(words: str, status: int = 400) -> Refused:
    """A refusal, to be raised."""
    return Refused(Answer.of({"error": words}, status))


def _picture(part: Part) -> Image.Image:
    try:
        picture = look(part.data)
    except OSError:
        raise refuse(f"{part.name} is not a picture") from None
    if TYPES.get(str(picture.format)) != part.mime or len(part.data) > MOST_BYTES:
        raise refuse(f"{part.name} is larger than 25 MB, or not what its type says")
    return picture


def _reframed(source: Image.Image, size: tuple[int, int], seed: int) -> Image.Image:
    """The picture whole in the middle of the new shape, with something painted around it."""
    result = draw(size, seed)
    inside = ImageOps.contain(source.convert("RGB"), size)
    result.paste(inside, ((size[0] - inside.width) // 2, (size[1] - inside.height) // 2))
    return result


def main() -> None:
    """Serve by hand."""
    serve_by_hand(IdeogramEmulator(seconds=seconds_given()), "ideogram", "IDEOGRAM_API_KEY")


if __name__ == "__main__":
    main()
