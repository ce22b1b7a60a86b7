"""Recraft on loopback. By hand: `python -m tests.emulators.recraft`.

Typed from the maker's pages, on purpose without a look at the provider. Of its refusals only 401 and 404 are documented
word by word.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from tests.emulators.base import Door, Emulator, Limit, serve_by_hand
from tests.emulators.messages import Answer, Part, Received, Refused
from tests.emulators.misplaced import misplaced_key
from tests.emulators.pictures import cut_out, look, saved

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PIL import Image

UNITS = 10.0
"""What one removal costs; 1000 are 1 USD."""
CREATED = 1764115200
MOST_BYTES = 10_000_000
MOST_PIXELS = 16_000_000
SIDES = (256, 4096)
TYPES = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp"}
SVG = "image/svg+xml"
TEXT = {"Content-Type": "text/plain; charset=utf-8"}


class RecraftEmulator(Emulator):
    """Recraft, strict."""

    hosts = ("api", "img")
    fields: tuple[str, str, str] = ("file", "response_format", "image_format")
    """Names of the form's fields: the file, the kind of answer, and the file type."""

    def __init__(self, *, key: str = "rcft-emulator-0123456789abcdef") -> None:
        super().__init__()
        self.key = key
        """The key it accepts."""
        self.tells_units = True
        """Whether its answers say what was charged, as newer ones do."""
        self.units = 1000.0
        """What is left in the account."""
        self.charges: list[float] = []
        """Units, in the order they were taken."""
        self._files: dict[str, tuple[bytes, str]] = {}

    def too_many(self, limit: Limit, wait: float | None) -> Answer:  # noqa: ARG002 - no wait is documented
        """The status is documented, the words are not."""
        return refuse("too_many_requests", "too many requests", 429).answer

    def doors(self) -> Sequence[Door]:
        """The part of Recraft's interface that cuts out, whose key it is, and where its pictures lie."""
        return (
            Door("generate", "api", "POST", "/v1/images/removeBackground", self._remove_background),
            Door("user", "api", "GET", "/v1/users/me", self._user),
            Door("download", "img", "GET", "/(?P<name>.+)", self._download),
        )

    def nowhere(self, received: Received) -> Answer:  # noqa: ARG002 - the signature is the base's
        """Recraft's answer to a path it does not have."""
        return Answer(404, b"404 page not found", TEXT)

    def answer(self, received: Received) -> Answer:
        """As every emulator, with an eye on where the key turns up."""
        self.violations += misplaced_key(received, self.key, "authorization", ("img",))
        return super().answer(received)

    def _check_key(self, received: Received) -> None:
        if received.headers.get("authorization") != f"Bearer {self.key}":
            raise Refused(Answer(401, b"request unauthorized", TEXT))

    def _user(self, received: Received) -> Answer:
        self._check_key(received)
        return Answer.of({"id": "u-emulated", "email": "user@example.test", "name": "User", "credits": self.units})

    def _remove_background(self, received: Received) -> Answer:
        self._check_key(received)
        parts = {part.name: part for part in received.parts()}
        if stray := sorted(set(parts) - set(self.fields)):
            raise refuse("invalid_request", f"unknown field {stray[0]}")
        file_field, kind_field, type_field = self.fields
        if file_field not in parts:
            raise refuse("invalid_request", f"{file_field} is required")
        kind = _chosen(parts, kind_field, ("url", "b64_json"))
        made, mime = _made(parts[file_field], _chosen(parts, type_field, ("webp", "png")))
        if self.units < UNITS:
            raise refuse("not_enough_credits", "not enough API units; buy more to continue")
        self.units -= UNITS
        self.charges.append(UNITS)
        name = f"{len(self.charges):04d}"
        self._files[name] = (made, mime)
        image = {"image_id": name}
        if kind == "url":
            image["url"] = f"{self.url('img')}/{name}?sig=signed-{name}"
        else:
            image["b64_json"] = base64.b64encode(made).decode("ascii")
        answer = {"created": CREATED, "image": image}
        return Answer.of(answer | ({"credits": UNITS} if self.tells_units else {}))

    def _download(self, received: Received) -> Answer:
        name = received.groups["name"]
        if name not in self._files or received.query.get("sig") != f"signed-{name}":
            return Answer(403, b"expired", TEXT)
        return Answer(200, self._files[name][0], {"Content-Type": self._files[name][1]})


def refuse(code: str, text: str, status: int = 400) -> Refused:
    """A refusal in the form of which examples were seen, to be raised."""
    return Refused(Answer.of({"code": code, "message": text}, status))


def _chosen(parts: Mapping[str, Part], name: str, values: tuple[str, str]) -> str:
    """The value of a field; the first where it is left out."""
    value = parts[name].data.decode("utf-8") if name in parts else values[0]
    if value not in values:
        raise refuse("invalid_request", f"{name} must be {' or '.join(values)}")
    return value


def _made(file: Part, form: str) -> tuple[bytes, str]:
    """The file it makes, with its type; a drawing stays a drawing."""
    if file.mime == SVG:
        return file.data, SVG
    return saved(cut_out(_checked(file)), form, lossless=True), f"image/{form}"


def _checked(file: Part) -> Image.Image:
    try:
        picture = look(file.data)
    except OSError:
        raise refuse("invalid_image", "the file is not a picture") from None
    if TYPES.get(str(picture.format)) != file.mime:
        raise refuse("invalid_image", f"{picture.format} sent as {file.mime}")
    least, most = SIDES
    fits = least <= min(picture.size) and max(picture.size) <= most
    if not fits or picture.width * picture.height > MOST_PIXELS or len(file.data) > MOST_BYTES:
        raise refuse("invalid_image", "at most 10 MB and 16 megapixels, each side 256 to 4096 px")
    return picture


def main() -> None:
    """Serve by hand."""
    serve_by_hand(RecraftEmulator(), "recraft", "RECRAFT_API_TOKEN")


if __name__ == "__main__":
    main()
