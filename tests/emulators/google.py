"""Google's Gemini on loopback. By hand: `python -m tests.emulators.google [seconds a call takes]`.

Fields are typed from the API's reference without a look at the provider.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tests.emulators.base import Door, Emulator, Limit, seconds_given, serve_by_hand
from tests.emulators.google_models import MODELS, TIMES, Model
from tests.emulators.messages import Answer, Received, Refused
from tests.emulators.misplaced import misplaced_key
from tests.emulators.pictures import Size, draw, encode, look, of_area

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PIL import Image

MEGAPIXEL = 1024 * 1024
MIMES = {"image/png": "PNG", "image/jpeg": "JPEG", "image/webp": "WEBP"}
TYPES = "type.googleapis.com/google.rpc."


def error(
    code: int, status: str, message: str, details: Sequence[Mapping[str, Any]] = (), http: int | None = None
) -> Answer:
    """A failure in the vendor's form."""
    text: dict[str, Any] = {"code": code, "message": message, "status": status}
    return Answer.of({"error": text | ({"details": list(details)} if details else {})}, http or code)


def bad_key() -> Answer:
    """The answer to a key that is none: a 400."""
    info = {
        "@type": f"{TYPES}ErrorInfo",
        "reason": "API_KEY_INVALID",
        "domain": "googleapis.com",
        "metadata": {"service": "generativelanguage.googleapis.com"},
    }
    return error(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", [info])


def over_quota(quota: str, delay: str = "", value: int | None = None) -> Answer:
    """The answer beyond a quota of that value; the wait is in the body."""
    violation = {"quotaMetric": "requests", "quotaId": quota} | ({} if value is None else {"quotaValue": str(value)})
    details: list[Mapping[str, Any]] = [{"@type": f"{TYPES}QuotaFailure", "violations": [violation]}]
    if delay:
        details.append({"@type": f"{TYPES}RetryInfo", "retryDelay": delay})
    text = "You exceeded your current quota, please check your plan and billing details."
    return error(429, "RESOURCE_EXHAUSTED", text, details)


def blocked(reason: str) -> Answer:
    """A prompt that is blocked: HTTP 200 without candidates."""
    usage = {"promptTokenCount": 10, "totalTokenCount": 10}
    return Answer.of({"promptFeedback": {"blockReason": reason}, "usageMetadata": usage})


def ended(reason: str, words: str = "") -> Answer:
    """A call that ends without a picture: HTTP 200 with a reason."""
    content = {"role": "model", "parts": [{"text": words}]} if words else {"role": "model"}
    return Answer.of({"candidates": [{"content": content, "finishReason": reason, "index": 0}]})


def wrong(message: str) -> Refused:
    """A refusal of the body, to be raised."""
    return Refused(error(400, "INVALID_ARGUMENT", message))


class GoogleEmulator(Emulator):
    """Gemini, strict."""

    def __init__(self, *, key: str = "AIza-emulator-0123456789abcdef", seconds: float = 0.0) -> None:
        super().__init__()
        self.key = key
        """The key it accepts."""
        self.seconds = seconds
        """How long a call takes."""
        self.charges: list[float] = []
        """USD of each call that was carried out, in order."""
        self.bodies: list[list[dict[str, Any]]] = []
        """The parts of each call that was carried out, in order."""
        self.models = dict(MODELS)
        """What it has."""
        self.form = ""
        """File type of what it makes; empty for each model's own."""
        self.retires = ""
        """The moment that every answer names as the end of its model; empty for none."""

    def too_many(self, limit: Limit, wait: float | None) -> Answer:
        """The wait is in the details, to the nanosecond."""
        delay = limit.seconds if wait is None else wait
        return over_quota("GenerateRequestsPerMinutePerProjectPerModel", f"{delay:.9f}s", limit.calls)

    def doors(self) -> Sequence[Door]:
        """The one way in that makes pictures, and the list of models, in both versions of the interface."""
        path = r"/(?:v1|v1beta)/models/(?P<model>[^/:]+):generateContent"
        return (
            Door("generate", "api", "POST", path, self._generate),
            Door("models", "api", "GET", "/(?:v1|v1beta)/models", self._list),
        )

    def nowhere(self, received: Received) -> Answer:  # noqa: ARG002 - the page says nothing of the request
        """The vendor's answer to a path it does not have: a page."""
        return Answer(404, b"<html>not found</html>", {"Content-Type": "text/html"})

    def answer(self, received: Received) -> Answer:
        """As every emulator, with an eye on where the key turns up."""
        self.violations += misplaced_key(received, self.key, "x-goog-api-key", ())
        return super().answer(received)

    def _list(self, received: Received) -> Answer:
        self._check_key(received)
        size = int(received.query.get("pageSize", "50"))
        return Answer.of({"models": [{"name": f"models/{name}"} for name in list(self.models)[:size]]})

    def _check_key(self, received: Received) -> None:
        given = received.headers.get("x-goog-api-key", "")
        if not given:
            raise Refused(error(403, "PERMISSION_DENIED", "Method doesn't allow unregistered callers."))
        if given != self.key:
            raise Refused(bad_key())

    def _generate(self, received: Received) -> Answer:
        self._check_key(received)
        name = received.groups["model"]
        model = self.models.get(name)
        if model is None:
            text = f"models/{name} is not found for this API version, or is not supported for generateContent."
            raise Refused(error(404, "NOT_FOUND", text))
        body = received.json()
        if not isinstance(body, dict):
            raise wrong("Invalid JSON payload received.")
        body = _camel(body)
        _check(body, BODY, "")
        parts, config = _parts(body), body.get("generationConfig", {})
        pictures = [_picture(part["inlineData"]) for part in parts if "inlineData" in part]
        _check_config(model, config, pictures)
        image = config.get("imageConfig", {})
        self.charges.append(round(model.usd[image.get("imageSize", "1K")] + model.input_usd * len(pictures), 6))
        self.bodies.append(parts)
        texts = [str(part["text"]) for part in parts if "text" in part]
        form = self.form or model.form
        made = [{"text": "Here it is."}, _part(draw(_size(model, image, pictures), texts), form)]
        interim = _part(draw((64, 64), "interim"), form, thought=True)
        content = {"role": "model", "parts": [interim, *made] if model.interim else made}
        answer: dict[str, Any] = {
            "candidates": [{"content": content, "finishReason": "STOP", "index": 0}],
            "usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 1290, "totalTokenCount": 1300},
            "modelVersion": name,
        }
        if self.retires:
            answer["modelStatus"] = {"modelStage": "DEPRECATED", "retirementTime": self.retires}
        return replace(Answer.of(answer), seconds=self.seconds)


def _part(picture: Image.Image, form: str, *, thought: bool = False) -> dict[str, Any]:
    blob = {
        "inlineData": {"mimeType": f"image/{form}", "data": base64.b64encode(encode(picture, form)).decode("ascii")}
    }
    return {**blob, "thought": True} if thought else blob


def _camel(value: Any) -> Any:
    """The same with its fields in the API's own spelling; it takes them with underscores too."""
    if isinstance(value, list):
        return [_camel(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {re.sub(r"_([a-z])", lambda found: found[1].upper(), name): _camel(one) for name, one in value.items()}


def _parts(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The parts of the user's last turn."""
    contents = body.get("contents")
    if not contents:
        raise wrong("* GenerateContentRequest.contents: contents is not specified")
    parts: list[dict[str, Any]] = contents[-1].get("parts") or []
    if contents[-1].get("role", "user") != "user" or not parts:
        raise wrong("Please use a valid role: user, model, with at least one part.")
    for part in parts:
        if len(part) != 1:
            raise wrong("A part must have exactly one kind of data.")
    if not any(part.get("text") for part in parts):
        raise wrong("Unable to submit request because it must have a text parameter.")
    if "IMAGE" not in body.get("generationConfig", {}).get("responseModalities", ["TEXT", "IMAGE"]):
        raise wrong("this model makes pictures only when they are asked for")
    return parts


def _picture(blob: Mapping[str, Any]) -> Image.Image:
    try:
        # both alphabets are taken, the one for addresses too
        picture = look(base64.b64decode(blob["data"].replace("-", "+").replace("_", "/"), validate=True))
    except (KeyError, OSError, binascii.Error):
        raise wrong("Unable to process input image.") from None
    if MIMES.get(blob.get("mimeType", "")) != picture.format:
        raise wrong(f"Unsupported MIME type: {blob.get('mimeType')}")
    return picture


def _check_config(model: Model, config: Mapping[str, Any], pictures: Sequence[Image.Image]) -> None:
    if refused := sorted(model.refuses & config.keys()):
        raise wrong(f"{refused[0]} is not supported by this model")
    image, thinking = config.get("imageConfig", {}), config.get("thinkingConfig", {})
    if "aspectRatio" in image and image["aspectRatio"] not in model.pixels:
        raise wrong(f"aspect_ratio must be one of {', '.join(model.pixels)}")
    if "imageSize" in image and not model.sizes:
        # seen of 2.5: no word of the field
        raise Refused(error(500, "INTERNAL", "An internal error has occurred. Please retry."))
    if "imageSize" in image and image["imageSize"] not in model.sizes:
        raise wrong(f"image_size must be one of {', '.join(model.sizes)}")
    if thinking and thinking.get("thinkingLevel") not in model.thinking:
        raise wrong("Thinking level is not supported for this model.")
    if len(pictures) > model.images:
        raise wrong(f"at most {model.images} input images are taken")


def _size(model: Model, image: Mapping[str, Any], pictures: Sequence[Image.Image]) -> Size:
    """Sides of the picture: of the asked ratio, else of the last picture's shape as far as it has it, else square."""
    times = TIMES[image.get("imageSize", "1K")]
    if "aspectRatio" not in image and pictures:
        return of_area(f"{pictures[-1].width}:{pictures[-1].height}", int(MEGAPIXEL * times**2))
    wide, high = model.pixels[image.get("aspectRatio", "1:1")]
    return int(wide * times), int(high * times)


BLOB = {"mimeType": str, "data": str}
PART = {"text": str, "inlineData": BLOB}
BODY: dict[str, Any] = {
    "contents": [{"role": ("user", "model"), "parts": [PART]}],
    "generationConfig": {
        "responseModalities": [("TEXT", "IMAGE")],
        "imageConfig": {"aspectRatio": str, "imageSize": str},
        "thinkingConfig": {"thinkingLevel": str},
        "candidateCount": int,
        "seed": int,
        "temperature": float,
        "topP": float,
        "topK": float,
    },
    "safetySettings": [{"category": str, "threshold": str}],
}
"""The fields of a request that this emulator knows, with their types; a tuple lists the words that are allowed."""


def _check(value: Any, shape: Any, place: str) -> None:
    """Refuse a value that has another form, as the vendor words it."""
    if isinstance(shape, dict):
        _check_object(value, shape, place)
    elif isinstance(shape, list):
        if not isinstance(value, list):
            raise wrong(f"Invalid value at '{place}'")
        for number, one in enumerate(value):
            _check(one, shape[0], f"{place}[{number}]")
    elif isinstance(shape, tuple):
        if value not in shape:
            raise wrong(f"Invalid value at '{place}', \"{value}\"")
    elif not isinstance(value, (shape, int) if shape is float else shape) or isinstance(value, bool):
        raise wrong(f"Invalid value at '{place}'")


def _check_object(value: Any, shape: Mapping[str, Any], place: str) -> None:
    if not isinstance(value, dict):
        raise wrong(f"Invalid value at '{place}'")
    for name, one in value.items():
        if name not in shape:
            at = f" at '{place}'" if place else ""
            raise wrong(f'Invalid JSON payload received. Unknown name "{name}"{at}: Cannot find field.')
        _check(one, shape[name], f"{place}.{name}".lstrip("."))


def main() -> None:
    """Serve by hand."""
    serve_by_hand(GoogleEmulator(seconds=seconds_given()), "google", "GEMINI_API_KEY")


if __name__ == "__main__":
    main()
