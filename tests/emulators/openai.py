"""OpenAI's Images API on loopback.

By hand: `python -m tests.emulators.openai [seconds a call takes]`.
"""

from __future__ import annotations

import base64
from dataclasses import replace
from math import ceil
from typing import TYPE_CHECKING, Any

from tests.emulators.base import Door, Emulator, Limit, seconds_given, serve_by_hand
from tests.emulators.messages import Answer, Received, Refused
from tests.emulators.misplaced import misplaced_key
from tests.emulators.openai_models import (
    INPUT_TOKENS,
    INPUT_USD,
    MODELS,
    NUMBERS,
    OPEN_WEIGHTS,
    OUTPUT_USD,
    Model,
    fields_of,
    sides_of,
)
from tests.emulators.pictures import cut_out, draw, encode, look, repaint, saved

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PIL import Image

    from tests.emulators.messages import Part

IMAGE_LIMIT = 50_000_000
MASK_LIMIT = 4_000_000
MOST_IMAGES = 16
KINDS = {"image/png": "PNG", "image/jpeg": "JPEG", "image/webp": "WEBP"}
CREATED = 1713833628
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
    begins = ("generate", "edit")

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
        self.unlisted = frozenset({"gpt-image-2.5-flare", "gpt-image-2.5-sunburst"})
        """Models that are served although the list of models lacks them, as it was seen of these in September 2026."""
        self.says_limits = False
        """Whether its answers say in headers how many pictures a minute it takes. Clients have seen such headers; the
        maker's documentation names those of requests and tokens alone."""
        self.links = False
        """Whether it answers with links whatever it is asked for, as some servers do."""
        self._files: dict[str, tuple[bytes, str]] = {}

    @property
    def addresses(self) -> dict[str, str]:
        """What a provider is wired with to find it."""
        return {"": f"{self.url('api')}/v1"}

    def weight(self, received: Received) -> int:
        """The pictures that are asked for."""
        sent = {part.name: part.data.decode("utf-8") for part in received.parts() if not part.filename}
        return int((sent or received.json() or {}).get("n", 1))

    def too_many(self, limit: Limit, wait: float | None) -> Answer:
        """It counts pictures by the minute, and says how many it takes and when it takes the next."""
        seconds = ceil(limit.seconds if wait is None else wait)
        text = (
            "Rate limit reached for gpt-image-2 (for limit gpt-image) in organization org-emulated on images per min: "
            f"Limit {limit.calls}, Used {limit.calls}, Requested 1. Please try again in {seconds}s."
        )
        return error(429, text, "rate_limit_exceeded", kind="requests", retry_after=str(seconds))

    def doors(self) -> Sequence[Door]:
        """The Images API, the links it gives where it is asked for them, and the list of models."""
        return (
            Door("models", "api", "GET", "/v1/models", self._list),
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
                raise _refusal_of(field, value, why, name)
        form = fields.get("output_format", "png")
        if fields.get("background") == "transparent" and form == "jpeg":
            text = "Transparent background is not supported for JPEG output format"
            raise Refused(error(400, text, "invalid_value", kind="image_generation_user_error", param="background"))
        if "output_compression" in fields and form == "png":
            raise wrong("output_compression", "png is not compressed")
        return model

    def _list(self, received: Received) -> Answer:
        """The models, with the day of its end for one that has any; the field is null or missing for the others."""
        self._check_key(received)
        entry = {"object": "model", "created": CREATED, "owned_by": "system"}
        named = [{"id": name, **entry, **self._end(name)} for name in self.models if name not in self.unlisted]
        return Answer.of({"object": "list", "data": named})

    def _end(self, name: str) -> dict[str, str | None]:
        model = self.models[name]
        known = model.shutdown or not name.startswith("gpt-image-2.6")
        return {"shutdown_date": model.shutdown} if model.own and known else {}

    def _generate(self, received: Received) -> Answer:
        self._check_key(received)
        fields = received.json()
        if received.headers.get("content-type") != "application/json" or not isinstance(fields, dict):
            raise Refused(error(400, "The body must be a JSON object"))
        model = self._model(fields, edit=False)
        size = sides_of(fields.get("size")) or DEFAULT_SIZE
        made = [draw(size, (sorted(fields.items()), place)) for place in range(fields.get("n", 1))]
        return self._give(made, fields, model, 0)

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
            return self._give([changed] * count, fields, model, len(pictures))
        text = sorted((name, str(value)) for name, value in fields.items())
        return self._give([draw(size, (text, place)) for place in range(count)], fields, model, len(pictures))

    def _give(self, made: Sequence[Image.Image], fields: Mapping[str, Any], model: Model, inputs: int) -> Answer:
        """The answer with the pictures, as far as the purse reaches."""
        quality = str(fields.get("quality", "auto"))
        output = sum(model.charge(picture.size, quality) for picture in made)
        price = output + (inputs * INPUT_TOKENS * INPUT_USD if model.own else 0)
        if price > self.credit:
            text = "You exceeded your current quota, please check your plan and billing details."
            raise Refused(error(429, text, "insufficient_quota", kind="insufficient_quota"))
        self.credit -= price
        headers = self._limits(len(made)) if self.says_limits else {}
        self.charges.append(price)
        form = str(fields.get("output_format", "png"))
        transparent = fields.get("background") == "transparent"
        files = [_see_through(picture, form) if transparent else encode(picture, form) for picture in made]
        data = [self._item(file, form, fields, model) for file in files]
        answer: dict[str, Any] = {"created": CREATED, "data": data}
        if model.own:
            answer |= {
                "background": "transparent" if transparent else "opaque",
                "output_format": form,
                "quality": "high" if quality == "auto" else quality,
                "size": "x".join(str(side) for side in made[0].size),
                "usage": _usage(round(output / OUTPUT_USD), inputs * INPUT_TOKENS),
            }
        own = Answer.of(answer, x_request_id="req_emulated")
        return replace(own, headers={**own.headers, **headers}, seconds=self.seconds)

    def _limits(self, made: int) -> dict[str, str]:
        most, left = self.left()
        if most.calls is None:
            return {}
        reset = f"{(most.calls - left + made) * most.seconds / most.calls:g}s"
        values = {"limit": str(most.calls), "remaining": str(left - made), "reset": reset}
        return {f"x-ratelimit-{word}-images": value for word, value in values.items()}

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


def _refusal_of(field: str, value: Any, why: str, model: str) -> Refused:
    """How the vendor words a value that is not taken."""
    if field == "size":
        return Refused(error(400, f"Invalid size '{value}'. {why}", "invalid_value", param=field))
    if field == "quality" and isinstance(value, str):
        text = f"The model '{model}' does not support quality '{value}'"
        return Refused(error(400, text, "invalid_value", param=field))
    return wrong(field, why)


def _usage(made: int, sent: int) -> dict[str, Any]:
    """Tokens of the pictures made and of those sent, with a few of a prompt."""
    prompt = 10
    return {
        "total_tokens": prompt + sent + made,
        "input_tokens": prompt + sent,
        "output_tokens": made,
        "input_tokens_details": {"text_tokens": prompt, "image_tokens": sent},
    }


def _see_through(picture: Image.Image, form: str) -> bytes:
    """The picture as a file without its backdrop. Its opaque part has an alpha of 254, as it was seen of 2.5."""
    cut = cut_out(picture)
    cut.putalpha(cut.getchannel("A").point(lambda alpha: min(alpha, 254)))
    return saved(cut, form)


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
