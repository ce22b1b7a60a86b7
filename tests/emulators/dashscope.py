"""DashScope on loopback. By hand: `python -m tests.emulators.dashscope`.

Every model that is left answers with the finished pictures. Only the first ones, of 2025, knew tasks: none can be
created any more, and those in `tasks` can be asked about.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Any

from tests.emulators.base import Door, Emulator, Limit, serve_by_hand
from tests.emulators.dashscope_models import (
    MODELS,
    Model,
    is_rewritten,
    parameters_of,
    parameters_problem,
    picture_in,
    prompt_problem,
    size_of,
)
from tests.emulators.messages import Answer, Received, Refused
from tests.emulators.misplaced import misplaced_key
from tests.emulators.pictures import Size, draw, encode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL import Image

OWN_SIZES = ((2048, 2048), (1536, 2688))
"""What it makes of a text when no size is asked for: the models up to 2.0, and those that choose by the text."""
LINK_SECONDS = 86_400.0
ONE_K = 2_250_000
"""Pixels up to which a picture is counted as 1K, and above as 2K."""
ASYNC = "x-dashscope-async"


def error(status: int, code: str, message: str, **headers: str) -> Answer:
    """A failure in the vendor's form."""
    return Answer.of({"request_id": "r-emulated", "code": code, "message": message}, status, **headers)


def wrong(why: str) -> Refused:
    """A refusal of a value, to be raised."""
    return Refused(error(400, "InvalidParameter", why))


class DashScopeEmulator(Emulator):
    """DashScope, strict: a parameter a model does not know is refused, though the vendor may overlook it."""

    hosts = ("api", "files")

    def __init__(self, *, key: str = "sk-emulator-0123456789abcdef") -> None:
        super().__init__()
        self.key = key
        """The key it accepts."""
        self.credit = 100.0
        """USD left in the account."""
        self.charges: list[float] = []
        """USD of each call that came out, in order."""
        self.link_seconds = LINK_SECONDS
        """How long a link lives."""
        self.bodies: list[dict[str, Any]] = []
        """Every call that was taken, in order."""
        self.tasks: dict[str, dict[str, Any]] = {}
        """What is answered about each task, by its id: its `output`."""
        self._refusals: deque[tuple[str, str]] = deque()
        self._files: dict[str, tuple[Size, str, bool]] = {}

    def refuse_next_picture(self, code: str, message: str) -> None:
        """Let the next picture of a call come to nothing, the first one first; it is not charged."""
        self._refusals.append((code, message))

    def too_many(self, limit: Limit, wait: float | None) -> Answer:  # noqa: ARG002 - it names neither
        """The answer beyond its rate."""
        return error(429, "Throttling.RateQuota", "Requests rate limit exceeded, please try again later.")

    def doors(self) -> Sequence[Door]:
        """The services for pictures, and the links they give."""
        path = "/api/v1/services/aigc/multimodal-generation/generation"
        return (
            Door("generate", "api", "POST", path, self._generate),
            Door("tasks", "api", "GET", "/api/v1/tasks/", self._tasks),
            Door("poll", "api", "GET", "/api/v1/tasks/(?P<task>[^/]+)", self._poll),
            Door("download", "files", "GET", "/(?P<name>.+)", self._download),
        )

    def nowhere(self, received: Received) -> Answer:  # noqa: ARG002 - the signature is the base's
        """The answer to a path it does not have."""
        return error(404, "NotFound", "url error, please check url")

    def answer(self, received: Received) -> Answer:
        """As every emulator, with an eye on where the key turns up."""
        self.violations += misplaced_key(received, self.key, "authorization", ("files",))
        return super().answer(received)

    def _check_key(self, received: Received) -> None:
        if received.headers.get("authorization") != f"Bearer {self.key}":
            raise Refused(error(401, "InvalidApiKey", "Invalid API-key provided."))

    def _call(self, received: Received) -> tuple[Model, dict[str, Any], dict[str, Any]]:
        """The model, the input and the parameters of a call, each checked by itself."""
        self._check_key(received)
        if ASYNC in received.headers:
            raise Refused(error(403, "AccessDenied", "current user api does not support asynchronous calls."))
        body = received.json()
        if not received.headers.get("content-type", "").startswith("application/json") or not isinstance(body, dict):
            raise wrong("the body must be a JSON object")
        if stray := sorted(set(body) - {"model", "input", "parameters"}):
            raise wrong(f"{stray[0]} is not a known field")
        model = MODELS.get(body.get("model", ""))
        if model is None:
            raise Refused(error(404, "ModelNotFound", f"Model can not be found: {body.get('model')}"))
        given, parameters = body.get("input"), body.get("parameters", {})
        if not isinstance(given, dict) or not isinstance(parameters, dict):
            raise wrong("input and parameters must be objects")
        known = parameters_of(model)
        for name, value in parameters.items():
            if why := known[name](value) if name in known else "is not a known parameter":
                raise wrong(f"parameters.{name} {why}")
        return model, given, parameters

    def _tasks(self, received: Received) -> Answer:
        self._check_key(received)
        return Answer.of({"request_id": "r-emulated", "total": 0, "data": [], "total_page": 0, "page_no": 1})

    def _poll(self, received: Received) -> Answer:
        self._check_key(received)
        task = received.groups["task"]
        output = {"task_id": task, **self.tasks.get(task, {"task_status": "UNKNOWN"})}
        made = sum("url" in one for one in output.get("results", ()))
        return Answer.of({"output": output, "usage": {"image_count": made}, "request_id": "r-emulated"})

    def _admit(self, price: float, body: dict[str, Any]) -> None:
        """The purse."""
        if self.credit < price:
            text = "Access denied, please make sure your account is in good standing."
            raise Refused(error(400, "Arrearage", text))
        self.bodies.append(body)

    def _generate(self, received: Received) -> Answer:
        model, given, parameters = self._call(received)
        pictures, prompt = _message(given)
        if why := prompt_problem(model, prompt):
            raise wrong(f"the prompt {why}")
        if len(pictures) > model.images:
            raise wrong(f"at most {model.images} images are taken, not {len(pictures)}")
        if why := parameters_problem(parameters, len(pictures)):
            raise wrong(why)
        size = size_of(parameters.get("size")) or (pictures[-1].size if pictures else OWN_SIZES[model.thinks])
        count = parameters.get("n", 1)
        self._admit(model.price(size, len(pictures), count), received.json())
        drawn = f"a better {prompt}" if is_rewritten(model, parameters) else prompt
        content = [self._item(drawn, place, size, parameters) for place in range(count)]
        made = sum("image" in item for item in content)
        if made:
            self.charges.append(model.price(size, len(pictures), made))
            self.credit -= self.charges[-1]
        # what is refused is spoken of in place of its picture
        content = [item if "image" in item else {"text": item["message"]} for item in content]
        choice = {"finish_reason": "stop", "message": {"role": "assistant", "content": content}}
        usage = _usage(model, size, made, len(pictures))
        return Answer.of({"output": {"choices": [choice]}, "usage": usage, "request_id": "r-emulated"})

    def _item(self, prompt: str, place: int, size: Size, parameters: dict[str, Any]) -> dict[str, Any]:
        """One picture, or why there is none."""
        if self._refusals:
            code, message = self._refusals.popleft()
            return {"code": code, "message": message}
        name = f"{len(self._files):05d}.png"
        self._files[name] = (size, f"{prompt} {place} {parameters.get('seed')}", bool(parameters.get("watermark")))
        until = int(time.time() + self.link_seconds)
        query = f"Expires={until}&OSSAccessKeyId=emulated&Signature=signed-{name}-{until}"
        return {"image": f"{self.url('files')}/{name}?{query}", "type": "image"}

    def _download(self, received: Received) -> Answer:
        name, until = received.groups["name"], received.query.get("Expires", "0")
        signed = received.query.get("Signature") == f"signed-{name}-{until}"
        if name not in self._files or not signed or int(until) <= time.time():
            return Answer(403, b"<?xml version='1.0'?><Error/>", {"Content-Type": "application/xml"})
        size, text, marked = self._files[name]
        picture = draw(size, text)
        if marked:
            picture.paste((255, 255, 255), (size[0] - 64, size[1] - 32, *size))
        return Answer(200, encode(picture, "png"), {"Content-Type": "image/png"})


def _usage(model: Model, size: Size, made: int, sent: int) -> dict[str, Any]:
    """What is counted, in the words of 3.0 or of the models before it."""
    if not model.thinks:
        return {"image_count": made, "width": size[0], "height": size[1]}
    kind = "qima_output_1k" if size[0] * size[1] <= ONE_K else "qima_output_2k"
    usage: dict[str, Any] = {"output_image_count": made, "output_image_type": kind}
    usage |= {"output_width": size[0], "output_height": size[1]}
    return {**usage, "input_image_count": sent} if sent else usage


def _message(given: dict[str, Any]) -> tuple[list[Image.Image], Any]:
    """The pictures and the prompt of the one message there must be."""
    messages: list[Any] = given["messages"] if isinstance(given.get("messages"), list) else []
    alone = len(messages) == 1 and isinstance(messages[0], dict) and set(messages[0]) == {"role", "content"}
    if set(given) != {"messages"} or not alone:
        raise wrong("input must hold one message with role and content")
    content = messages[0]["content"]
    if messages[0]["role"] != "user" or not isinstance(content, list):
        raise wrong("the message must be the user's, with a list as content")
    texts = [item["text"] for item in content if isinstance(item, dict) and set(item) == {"text"}]
    links = [item["image"] for item in content if isinstance(item, dict) and set(item) == {"image"}]
    if len(texts) != 1 or len(texts) + len(links) != len(content):
        raise wrong("the content must hold images and exactly one text")
    pictures = []
    for link in links:
        picture = picture_in(link)
        if isinstance(picture, str):
            raise wrong(f"an image {picture}")
        pictures.append(picture)
    return pictures, texts[0]


def main() -> None:
    """Serve by hand."""
    serve_by_hand(DashScopeEmulator(), "dashscope", "DASHSCOPE_API_KEY")


if __name__ == "__main__":
    main()
