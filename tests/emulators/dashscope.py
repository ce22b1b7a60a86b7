"""DashScope on loopback. By hand: `python -m tests.emulators.dashscope [seconds a task takes]`."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.emulators.base import Door, Emulator, seconds_given, serve_by_hand
from tests.emulators.dashscope_models import MODELS, Model, parameters_of, picture_in, prompt_problem, size_of
from tests.emulators.messages import Answer, Received, Refused
from tests.emulators.misplaced import misplaced_key
from tests.emulators.pictures import Size, draw, encode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL import Image

STATUSES = ("PENDING", "RUNNING", "SUCCEEDED")
"""What a task goes through, one more with each poll."""
LAST = len(STATUSES) - 1
OWN_SIZE = (1664, 928)
LINK_SECONDS = 86_400.0
WINDOW = 60.0
USD = 0.03
ASYNC = "x-dashscope-async"


def error(status: int, code: str, message: str, **headers: str) -> Answer:
    """A failure in the vendor's form."""
    return Answer.of({"request_id": "r-emulated", "code": code, "message": message}, status, **headers)


def wrong(why: str) -> Refused:
    """A refusal of a value, to be raised."""
    return Refused(error(400, "InvalidParameter", why))


@dataclass
class Task:
    """One task."""

    id: str
    prompt: str
    parameters: dict[str, Any]
    size: Size
    end: str = STATUSES[-1]
    """The status it comes to."""
    failure: tuple[str, str] | None = None
    """Code and words where it fails."""
    polls: int = 0
    """How often it was asked about."""
    began: float = field(default_factory=time.monotonic)
    settled: bool = False


class DashScopeEmulator(Emulator):
    """DashScope, strict: a parameter a model does not know is refused, though the vendor may overlook it."""

    hosts = ("api", "files")

    def __init__(self, *, key: str = "sk-emulator-0123456789abcdef", seconds: float | None = None) -> None:
        super().__init__()
        self.key = key
        """The key it accepts."""
        self.seconds = seconds
        """How long a task takes; None for "done at the third poll"."""
        self.credit = 100.0
        """USD left in the account."""
        self.charges: list[float] = []
        """USD of each call that came out, in order."""
        self.rate: int | None = None
        """How many calls a minute are taken; None for no limit."""
        self.link_seconds = LINK_SECONDS
        """How long a link lives."""
        self.bodies: list[dict[str, Any]] = []
        """Every call that was taken, in order."""
        self.tasks: dict[str, Task] = {}
        """Every task, in order."""
        self._calls: deque[float] = deque()
        self._refusals: deque[tuple[str, str]] = deque()
        self._ends: deque[tuple[str, tuple[str, str] | None]] = deque()
        self._files: dict[str, tuple[Size, str, bool]] = {}

    def refuse_next_picture(self, code: str, message: str) -> None:
        """Let the next picture of a call come to nothing, the first one first; it is not charged."""
        self._refusals.append((code, message))

    def end_task_next(self, status: str, code: str = "", message: str = "") -> None:
        """Let the next task that is created end so; it is not charged."""
        self._ends.append((status, (code, message) if code else None))

    def doors(self) -> Sequence[Door]:
        """The services for pictures, and the links they give."""
        services, tasks = "/api/v1/services/aigc", "/api/v1/tasks/(?P<task>[^/]+)"
        return (
            Door("generate", "api", "POST", f"{services}/multimodal-generation/generation", self._generate),
            Door("create", "api", "POST", f"{services}/text2image/image-synthesis", self._create),
            Door("poll", "api", "GET", tasks, self._poll),
            Door("cancel", "api", "POST", f"{tasks}/cancel", self._cancel),
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

    def _call(self, received: Received, *, as_task: bool) -> tuple[Model, dict[str, Any], dict[str, Any]]:
        """The model, the input and the parameters of a call, looked at as far as all calls are alike."""
        self._check_key(received)
        if (received.headers.get(ASYNC) == "enable") != as_task:
            kind = "synchronous" if as_task else "asynchronous"
            raise Refused(error(403, "AccessDenied", f"current user api does not support {kind} calls."))
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
        if as_task and not model.tasks:
            raise wrong("url error, please check url")
        known = parameters_of(model)
        for name, value in parameters.items():
            if why := known[name](value) if name in known else "is not a known parameter":
                raise wrong(f"parameters.{name} {why}")
        return model, given, parameters

    def _admit(self, model: Model, prompt: Any, pictures: int, body: dict[str, Any]) -> None:
        """Prompt, number of pictures, rate and purse."""
        if why := prompt_problem(model, prompt):
            raise wrong(f"the prompt {why}")
        if not model.images[0] <= pictures <= model.images[1]:
            raise wrong(f"{model.images[0]} to {model.images[1]} images are taken, not {pictures}")
        now = time.monotonic()
        while self._calls and self._calls[0] < now - WINDOW:
            self._calls.popleft()
        if self.rate is not None and len(self._calls) >= self.rate:
            raise Refused(error(429, "Throttling.RateQuota", "Requests rate limit exceeded, please try again later."))
        if self.credit < USD:
            text = "Access denied, please make sure your account is in good standing."
            raise Refused(error(400, "Arrearage", text))
        self._calls.append(now)
        self.bodies.append(body)

    def _generate(self, received: Received) -> Answer:
        model, given, parameters = self._call(received, as_task=False)
        pictures, prompt = _message(given)
        self._admit(model, prompt, len(pictures), received.json())
        size = size_of(parameters.get("size")) or (pictures[-1].size if pictures else OWN_SIZE)
        content = [self._item(prompt, place, size, parameters) for place in range(parameters.get("n", 1))]
        made = sum("image" in item for item in content)
        self._charge(made)
        # what is refused is spoken of in place of its picture
        content = [item if "image" in item else {"text": item["message"]} for item in content]
        choice = {"finish_reason": "stop", "message": {"role": "assistant", "content": content}}
        usage = {"image_count": made, "width": size[0], "height": size[1]}
        return Answer.of({"output": {"choices": [choice]}, "usage": usage, "request_id": "r-emulated"})

    def _create(self, received: Received) -> Answer:
        model, given, parameters = self._call(received, as_task=True)
        # the maker's own client sends the negative prompt here, its pages among the parameters
        if stray := sorted(set(given) - {"prompt", "negative_prompt"}):
            raise wrong(f"input.{stray[0]} is not a known field")
        self._admit(model, given.get("prompt"), 0, received.json())
        size = size_of(parameters.get("size")) or OWN_SIZE
        task = Task(f"task-{len(self.tasks) + 1:04d}", given["prompt"], parameters, size)
        if self._ends:
            task.end, task.failure = self._ends.popleft()
        self.tasks[task.id] = task
        return Answer.of({"output": {"task_status": "PENDING", "task_id": task.id}, "request_id": "r-emulated"})

    def _poll(self, received: Received) -> Answer:
        self._check_key(received)
        task = self.tasks.get(received.groups["task"])
        if task is None:
            output = {"task_id": received.groups["task"], "task_status": "UNKNOWN"}
            return Answer.of({"output": output, "request_id": "r-emulated"})
        place = min(task.polls, LAST)
        if self.seconds is not None:
            place = LAST if time.monotonic() - task.began >= self.seconds else LAST - 1
        task.polls += 1
        output = {"task_id": task.id, "task_status": STATUSES[place]}
        usage = self._settle(task, output) if place == LAST else {}
        return Answer.of({"output": output, **usage, "request_id": "r-emulated"})

    def _settle(self, task: Task, output: dict[str, Any]) -> dict[str, Any]:
        """Write into the output what became of the task, and return the usage; what came out is charged once."""
        output["task_status"] = task.end
        if task.failure is not None:
            output["code"], output["message"] = task.failure
        if task.end != STATUSES[-1]:
            return {}
        items = [self._item(task.prompt, 0, task.size, task.parameters)]
        made = sum("image" in item for item in items)
        results = [{"url": one["image"], "orig_prompt": task.prompt} if "image" in one else one for one in items]
        output |= {"results": results, "task_metrics": {"TOTAL": 1, "SUCCEEDED": made, "FAILED": 1 - made}}
        if not task.settled:
            task.settled = True
            self._charge(made)
        return {"usage": {"image_count": made}}

    def _cancel(self, received: Received) -> Answer:
        self._check_key(received)
        task = self.tasks.get(received.groups["task"])
        if task is None or task.polls > 1:
            text = "Failed to cancel the task, please confirm if the task is in PENDING status."
            raise Refused(error(400, "UnsupportedOperation", text))
        task.end, task.failure, task.polls = "CANCELED", None, LAST
        return Answer.of({"request_id": "r-emulated"})

    def _charge(self, made: int) -> None:
        if made:
            self.credit -= USD * made
            self.charges.append(USD * made)

    def _item(self, prompt: str, place: int, size: Size, parameters: dict[str, Any]) -> dict[str, Any]:
        """One picture, or why there is none."""
        if self._refusals:
            code, message = self._refusals.popleft()
            return {"code": code, "message": message}
        name = f"{len(self._files):05d}.png"
        self._files[name] = (size, f"{prompt} {place} {parameters.get('seed')}", bool(parameters.get("watermark")))
        until = int(time.time() + self.link_seconds)
        query = f"Expires={until}&OSSAccessKeyId=emulated&Signature=signed-{name}-{until}"
        return {"image": f"{self.url('files')}/{name}?{query}"}

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
    serve_by_hand(DashScopeEmulator(seconds=seconds_given()), "dashscope", "DASHSCOPE_API_KEY")


if __name__ == "__main__":
    main()
