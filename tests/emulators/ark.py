"""BytePlus ModelArk on loopback. By hand: `python -m tests.emulators.ark`.

Volcengine's Ark in China speaks the same: `python -m tests.emulators.ark china`.
"""

from __future__ import annotations

import base64
import sys
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.emulators.ark_models import (
    MODELS,
    SERVED_IN_CHINA,
    Model,
    background_problem,
    fields_of,
    in_china,
    pictures_in,
    size_of,
)
from tests.emulators.base import Door, Emulator, Limit, serve_by_hand
from tests.emulators.messages import Answer, Received, Refused
from tests.emulators.misplaced import misplaced_key
from tests.emulators.pictures import Size, cut_out, draw, encode

if TYPE_CHECKING:
    from collections.abc import Sequence

CREATED = 1757321139
LINK_SECONDS = 86_400.0
TOKEN_PIXELS = 256
MOST_TOGETHER = 15
"""Pictures sent and made in one call."""


def error(status: int, code: str, message: str, kind: str = "BadRequest", **headers: str) -> Answer:
    """A failure in the vendor's form."""
    text = {"code": code, "message": f"{message} Request ID: 0217", "param": "", "type": kind}
    return Answer.of({"error": text}, status, **headers)


def wrong(field: str, why: str) -> Refused:
    """A refusal of a value, to be raised."""
    text = f"The parameter `{field}` specified in the request is not valid: {why}."
    return Refused(error(400, "InvalidParameter", text))


@dataclass(frozen=True)
class Made:
    """A picture that can be fetched."""

    size: Size
    text: str
    form: str
    marked: bool
    clear: bool
    """Whether what lies behind the subject is transparent."""

    def file(self) -> bytes:
        """The picture; a watermark is white, in the bottom right corner."""
        picture = draw(self.size, self.text)
        if self.marked:
            picture.paste((255, 255, 255), (self.size[0] - 64, self.size[1] - 32, *self.size))
        return encode(cut_out(picture) if self.clear else picture, self.form)


class ArkEmulator(Emulator):
    """BytePlus ModelArk, strict: a field a model does not know is refused, though the vendor may overlook it."""

    hosts = ("api", "files")

    def __init__(self, *, key: str = "ark-emulator-0123456789abcdef", chinese: bool = False) -> None:
        super().__init__()
        self.key = key
        """The key it accepts."""
        self.chinese = chinese
        """Whether it is Volcengine's, where the ids of the models begin otherwise."""
        self.credit = 100.0
        """USD left in the account."""
        self.charges: list[float] = []
        """USD of each call that was carried out, in order."""
        self.most = MOST_TOGETHER
        """How many pictures a set comes to at most, for a model is free to make fewer than it may."""
        self.link_seconds = LINK_SECONDS
        """How long a link lives."""
        self.bodies: list[dict[str, Any]] = []
        """The fields of every call that was taken, in order."""
        self._refusals: deque[tuple[str, str]] = deque()
        self._files: dict[str, Made] = {}

    @property
    def addresses(self) -> dict[str, str]:
        """What a provider is wired with to find it."""
        return {"": f"{self.url('api')}/api/v3"}

    def refuse_next_picture(self, code: str, message: str) -> None:
        """Let the next picture of a call come to nothing, the first one first; it is not charged."""
        self._refusals.append((code, message))

    def weight(self, received: Received) -> int:
        """The pictures that are asked for."""
        body = received.json()
        options = body.get("sequential_image_generation_options") if isinstance(body, dict) else None
        return int(options.get("max_images", 1)) if isinstance(options, dict) else 1

    def too_many(self, limit: Limit, wait: float | None) -> Answer:  # noqa: ARG002 - it names neither
        """The answer beyond the pictures a minute."""
        text = "The images per minute of this account are exceeded."
        return error(429, "ModelAccountIpmRateLimitExceeded", text, "TooManyRequests")

    def doors(self) -> Sequence[Door]:
        """The interface, and the links it gives."""
        return (
            Door("generate", "api", "POST", "/api/v3/images/generations", self._generate),
            Door("tasks", "api", "GET", "/api/v3/contents/generations/tasks", self._tasks),
            Door("download", "files", "GET", "/(?P<name>.+)", self._download),
        )

    def nowhere(self, received: Received) -> Answer:
        """The answer to a path it does not have."""
        return error(404, "NotFound", f"{received.method} {received.path} was not found.", "NotFound")

    def answer(self, received: Received) -> Answer:
        """As every emulator, with an eye on where the key turns up."""
        self.violations += misplaced_key(received, self.key, "authorization", ("files",))
        return super().answer(received)

    def _check_key(self, received: Received) -> None:
        if received.headers.get("authorization") != f"Bearer {self.key}":
            text = "The API key or AK/SK in the request is missing or invalid."
            raise Refused(error(401, "AuthenticationError", text, "Unauthorized"))

    def _tasks(self, received: Received) -> Answer:
        self._check_key(received)
        return Answer.of({"items": [], "total": 0})

    def _generate(self, received: Received) -> Answer:
        self._check_key(received)
        body = received.json()
        if not received.headers.get("content-type", "").startswith("application/json") or not isinstance(body, dict):
            raise wrong("body", "it must be a JSON object")
        # the vendor's own client sends what it was not given as null
        fields = {name: value for name, value in body.items() if value is not None}
        model = self._model(fields)
        sent = len(pictures_in(fields.get("image", [])))
        asked = self._count(fields, model, sent)
        size = size_of(model, fields.get("size", "2K"))
        price = model.price(size, sent)
        if self.credit < price:
            raise Refused(error(403, "AccountOverdueError", "The account has an overdue balance.", "Forbidden"))
        self.bodies.append(fields)
        return self._give(fields, model, size, price, min(asked, self.most))

    def _model(self, fields: dict[str, Any]) -> Model:
        """The model that is asked for, after every field has been looked at."""
        name = fields.get("model")
        model = {in_china(one): MODELS[one] for one in SERVED_IN_CHINA}.get(str(name))
        if not self.chinese:
            model = MODELS.get(str(name))
        if model is None:
            text = f"The model or endpoint {name} does not exist or you do not have access to it."
            raise Refused(error(404, "InvalidEndpointOrModel.NotFound", text, "NotFound"))
        known = fields_of(model)
        for field, value in fields.items():
            why = known[field](value) if field in known else "it is not supported by this model"
            if why:
                raise wrong(field, why)
        if "prompt" not in fields:
            raise wrong("prompt", "it is required")
        if why := background_problem(model, fields):
            raise wrong("background", why)
        return model

    def _count(self, fields: dict[str, Any], model: Model, sent: int) -> int:
        if sent > model.images:
            raise wrong("image", f"at most {model.images} are taken, not {sent}")
        options = fields.get("sequential_image_generation_options", {})
        if fields.get("sequential_image_generation", "disabled") != "auto":
            if options:
                raise wrong("sequential_image_generation_options", "sequential_image_generation is not auto")
            return 1
        asked = int(options.get("max_images", MOST_TOGETHER))
        if sent + asked > MOST_TOGETHER:
            raise wrong("sequential_image_generation_options", f"{sent} and {asked} are more than {MOST_TOGETHER}")
        return asked

    def _give(self, fields: dict[str, Any], model: Model, size: Size, price: float, count: int) -> Answer:
        form = str(fields.get("output_format", (model.forms or ("jpeg",))[0]))
        background = fields.get("background", (model.backgrounds or ("opaque",))[0])
        # left to itself, the model decides by the prompt; here it always decides for what surprises
        clear = background != "opaque" and form == "png"
        items: list[dict[str, Any]] = []
        for place in range(count):
            if self._refusals:
                code, message = self._refusals.popleft()
                items.append({"error": {"code": code, "message": message}})
                continue
            marked = bool(fields.get("watermark", True))
            picture = Made(size, f"{fields['prompt']} {place}", form, marked, clear)
            items.append(self._item(picture, model, inside=fields.get("response_format") == "b64_json"))
        made = sum("error" not in item for item in items)
        self.credit -= price * made
        self.charges.append(price * made)
        tokens = made * size[0] * size[1] // TOKEN_PIXELS
        usage = {"generated_images": made, "output_tokens": tokens, "total_tokens": tokens}
        if not model.sets:
            usage["input_images"] = len(pictures_in(fields.get("image", [])))
        return Answer.of({"model": fields["model"], "created": CREATED, "data": items, "usage": usage})

    def _item(self, picture: Made, model: Model, *, inside: bool) -> dict[str, Any]:
        text = {"size": "x".join(str(side) for side in picture.size)}
        if not model.sets:
            text["output_format"] = picture.form
        if model.clears_text:
            text["background"] = "transparent" if picture.clear else "opaque"
        if inside:
            return {"b64_json": base64.b64encode(picture.file()).decode("ascii"), **text}
        name = f"{len(self._files):05d}_0.{picture.form}"
        self._files[name] = picture
        return {"url": self._link(name), **text}

    def _link(self, name: str) -> str:
        until = int(time.time() + self.link_seconds)
        return f"{self.url('files')}/{name}?X-Tos-Until={until}&X-Tos-Signature=signed-{name}-{until}"

    def _download(self, received: Received) -> Answer:
        made = self._files.get(received.groups["name"])
        until = received.query.get("X-Tos-Until", "0")
        signed = received.query.get("X-Tos-Signature") == f"signed-{received.groups['name']}-{until}"
        if made is None or not signed or int(until) <= time.time():
            return Answer(403, b"<?xml version='1.0'?><Error/>", {"Content-Type": "application/xml"})
        return Answer(200, made.file(), {"Content-Type": f"image/{made.form}"})


def main() -> None:
    """Serve by hand."""
    serve_by_hand(ArkEmulator(chinese="china" in sys.argv[1:]), "ark", "ARK_API_KEY")


if __name__ == "__main__":
    main()
