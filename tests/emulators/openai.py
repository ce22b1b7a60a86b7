"""OpenAI's Images API on loopback.

By hand: `python -m tests.emulators.openai [seconds a call takes]`.
"""

from __future__ import annotations

import base64
import time
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tests.emulators.base import Door, Emulator, seconds_given, serve_by_hand
from tests.emulators.messages import Answer, Received, Refused
from tests.emulators.misplaced import misplaced_key
from tests.emulators.openai_models import MODELS, NUMBERS, OPEN_WEIGHTS, Model, fields_of, sides_of
from tests.emulators.pictures import draw, encode, look, repaint

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PIL import Image

    from tests.emulators.messages import Part

IMAGE_LIMIT = 50_000_000
MASK_LIMIT = 4_000_000
MOST_IMAGES = 16
KINDS = {"image/png": "PNG", "image/jpeg": "JPEG", "image/webp": "WEBP"}
CREATED = 1713833628
WINDOW = 60.0
"""Seconds in which pictures are counted against the rate."""
DEFAULT_SIZE = (1024, 1024)


def error(
    status: int,
    message: str,
    code: str | None = None,
    *,
    kind: str = "invalid_request_error",
    param: str | None = None,
    more: Mapping[str, Any] | None = None,
    **headers: str,
) -> Answer:
    """A failure in the vendor's form."""
    text = {"message": message, "type": kind, "param": param, "code": code, **(more or {})}
    return Answer.of({"error": text}, status, x_request_id="req_emulated", **headers)


def wrong(param: str, why: str) -> Refused:
    """A refusal of a value, to be raised."""
    return Refused(error(400, f"Invalid value for '{param}': {why}", "invalid_value", param=param))


class OpenAIEmulator(Emulator):
    """OpenAI, strict; or a server of one's own that speaks the same."""

    hosts = ("api", "files")

    def __init__(
        self, *, key: str = "sk-emulator-0123456789abcdef", own_server: bool = False, seconds: float = 0.0
    ) -> None:
        super().__init__()
        self.key = key
        """The key it accepts; empty where none is asked for."""
        self.seconds = seconds
        """How long a call takes."""
        self.models: Mapping[str, Model] = OPEN_WEIGHTS if own_server else MODELS
        """What it has."""
        self.credit = 100.0
        """USD left in the account."""
        self.charges: list[float] = []
        """USD of each call that was carried out, in order."""
        self.rate: int | None = None
        """How many pictures a minute are made; None for no limit."""
        self.links = False
        """Whether it answers with links whatever it is asked for, as some servers do."""
        self._made: deque[float] = deque()
        self._files: dict[str, tuple[bytes, str]] = {}

    @property
    def addresses(self) -> dict[str, str]:
        """What a provider is wired with to find it."""
        return {"": f"{self.url('api')}/v1"}

    def doors(self) -> Sequence[Door]:
        """The Images API, and the links it gives where it is asked for them."""
        return (
            Door("generate", "api", "POST", "/v1/images/generations", self._generate),
            Door("edit", "api", "POST", "/v1/images/edits", self._edit),
            Door("download", "files", "GET", "/(?P<name>.+)", self._download),
        )

    def nowhere(self, received: Received) -> Answer:
        """The vendor's answer to a path it does not have."""
        return error(404, f"Invalid URL ({received.method} {received.path})")

    def answer(self, received: Received) -> Answer:
        """As every emulator, with an eye on where the key turns up."""
        if self.key:
            self.violations += misplaced_key(received, self.key, "authorization", ("files",))
        return super().answer(received)

    def _check_key(self, received: Received) -> None:
        given = received.headers.get("authorization", "")
        if not self.key or given == f"Bearer {self.key}":
            return
        if not given:
            raise Refused(error(401, "You didn't provide an API key."))
        shown = f"{given.removeprefix('Bearer ')[:7]}***"
        advice = "You can find your API key at https://platform.openai.com/account/api-keys."
        raise Refused(error(401, f"Incorrect API key provided: {shown}. {advice}", "invalid_api_key"))

    def _model(self, fields: Mapping[str, Any], *, edit: bool) -> Model:
        """The model that is asked for, after every field has been looked at."""
        name = fields.get("model", "")
        model = self.models.get(name)
        if model is None:
            text = f"The model '{name}' does not exist or you do not have access to it."
            raise Refused(error(404, text, "model_not_found", param="model"))
        known = fields_of(model, edit=edit)
        if "prompt" not in fields:
            text = "Missing required parameter: 'prompt'."
            raise Refused(error(400, text, "missing_required_parameter", param="prompt"))
        for field, value in fields.items():
            if field not in known:
                raise Refused(error(400, f"Unknown parameter: '{field}'.", "unknown_parameter", param=field))
            if why := known[field](value):
                raise wrong(field, why)
        form = fields.get("output_format", "png")
        if fields.get("background") == "transparent" and form == "jpeg":
            raise wrong("background", "transparent needs output_format png or webp")
        if "output_compression" in fields and form == "png":
            raise wrong("output_compression", "png is not compressed")
        return model

    def _generate(self, received: Received) -> Answer:
        self._check_key(received)
        fields = received.json()
        if received.headers.get("content-type") != "application/json" or not isinstance(fields, dict):
            raise Refused(error(400, "The body must be a JSON object"))
        model = self._model(fields, edit=False)
        size = sides_of(fields.get("size")) or DEFAULT_SIZE
        made = [draw(size, (sorted(fields.items()), place)) for place in range(fields.get("n", 1))]
        return self._give(made, fields, model)

    def _edit(self, received: Received) -> Answer:
        self._check_key(received)
        parts = received.parts()
        if not parts:
            raise Refused(error(400, "The body must be a multipart form"))
        texts = {part.name: part.data.decode("utf-8") for part in parts if not part.filename}
        fields = {name: int(value) if name in NUMBERS else value for name, value in texts.items()}
        model = self._model(fields, edit=True)
        pictures = _pictures([part for part in parts if part.filename and part.name not in {"mask", "markup"}])
        masks = [part for part in parts if part.filename and part.name == "mask"]
        if any(part.name == "markup" for part in parts) and (masks or not model.markup):
            raise wrong("markup", "not supported here")
        source = pictures[0]
        size = sides_of(fields.get("size")) or source.size
        count = int(fields.get("n", 1))
        if masks:
            changed = repaint(source, _mask(masks[0], source), darker=True).resize(size)
            return self._give([changed] * count, fields, model)
        text = sorted((name, str(value)) for name, value in fields.items())
        return self._give([draw(size, (text, place)) for place in range(count)], fields, model)

    def _give(self, made: Sequence[Image.Image], fields: Mapping[str, Any], model: Model) -> Answer:
        """The answer with the pictures, after rate and purse."""
        now = time.monotonic()
        while self._made and self._made[0] < now - WINDOW:
            self._made.popleft()
        if self.rate is not None and len(self._made) + len(made) > self.rate:
            text = f"Rate limit reached for {fields['model']} on images per min (IPM): Limit {self.rate}."
            raise Refused(error(429, text, "rate_limit_exceeded", kind="requests", retry_after="12"))
        price = model.usd * len(made)
        if price > self.credit:
            text = "You exceeded your current quota, please check your plan and billing details."
            raise Refused(error(429, text, "insufficient_quota", kind="insufficient_quota"))
        self._made.extend([now] * len(made))
        self.credit -= price
        self.charges.append(price)
        form = str(fields.get("output_format", "png"))
        data = [self._item(encode(picture, form), form, fields, model) for picture in made]
        answer: dict[str, Any] = {"created": CREATED, "data": data}
        if model.own:
            tokens = {"text_tokens": 10, "image_tokens": 40}
            answer |= {
                "background": fields.get("background", "opaque"),
                "output_format": form,
                "quality": fields.get("quality", "high"),
                "size": "x".join(str(side) for side in made[0].size),
                "usage": {
                    "total_tokens": 100,
                    "input_tokens": 50,
                    "output_tokens": 50,
                    "input_tokens_details": tokens,
                },
            }
        return replace(Answer.of(answer, x_request_id="req_emulated"), seconds=self.seconds)

    def _item(self, data: bytes, form: str, fields: Mapping[str, Any], model: Model) -> dict[str, Any]:
        if not self.links and (model.own or fields.get("response_format") == "b64_json"):
            return {"b64_json": base64.b64encode(data).decode("ascii")}
        name = f"{len(self._files)}.{form}"
        self._files[name] = (data, f"image/{form}")
        return {"url": f"{self.url('files')}/{name}?sig=signed", "b64_json": None}

    def _download(self, received: Received) -> Answer:
        found = self._files.get(received.groups["name"])
        if found is None:
            return Answer(404, b"not found", {"Content-Type": "text/plain"})
        return Answer(200, found[0], {"Content-Type": found[1]})


def _pictures(parts: Sequence[Part]) -> list[Image.Image]:
    """The input pictures: `image` once or `image[]` repeated."""
    names = [part.name for part in parts]
    if stray := [name for name in names if name not in {"image", "image[]"}]:
        raise Refused(error(400, f"Unknown parameter: '{stray[0]}'.", "unknown_parameter", param=stray[0]))
    if not 1 <= len(parts) <= MOST_IMAGES:
        raise wrong("image", f"1 to {MOST_IMAGES} images are taken, not {len(parts)}")
    if names.count("image") > 1:
        text = "Duplicate parameter: 'image'. Use the array syntax instead, e.g. 'image[]=<value>'."
        raise Refused(error(400, text, "duplicate_parameter", param="image"))
    return [_picture(part, IMAGE_LIMIT) for part in parts]


def _picture(part: Part, limit: int) -> Image.Image:
    try:
        picture = look(part.data)
    except OSError:
        raise wrong(part.name, "not a picture") from None
    if KINDS.get(part.mime) != picture.format or len(part.data) >= limit:
        raise wrong(part.name, f"a {part.mime} of {len(part.data)} bytes is not taken")
    return picture


def _mask(part: Part, source: Image.Image) -> Image.Image:
    """Dark where the picture is to be changed: where the mask is wholly transparent."""
    mask = _picture(part, MASK_LIMIT)
    if mask.format != "PNG" or mask.mode != "RGBA":
        raise wrong("mask", "the mask must be a PNG with an alpha channel")
    if mask.size != source.size:
        raise wrong("mask", "the mask must have the size of the image")
    return mask.getchannel("A")


def main() -> None:
    """Serve by hand."""
    serve_by_hand(OpenAIEmulator(seconds=seconds_given()), "openai", "OPENAI_API_KEY")


if __name__ == "__main__":
    main()
