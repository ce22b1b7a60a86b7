"""Black Forest Labs on loopback. By hand: `python -m tests.emulators.bfl [seconds a task takes]`.

Typed from the maker's field tables, on purpose without a look at the provider. A task is given to one host, asked
about at another, and its picture lies at a third, behind a signed link that does not live long.
"""

from __future__ import annotations

import base64
import binascii
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.emulators.base import Door, Emulator, Limit, seconds_given, serve_by_hand
from tests.emulators.messages import Answer, Received, Refused
from tests.emulators.misplaced import misplaced_key
from tests.emulators.pictures import draw, encode, look, of_area

if TYPE_CHECKING:
    from collections.abc import Sequence

Check = Callable[[Any], str]
"""What is wrong with a value; empty when nothing is."""

STATUSES = ("Pending", "Reasoning", "Generating", "Ready")
"""What a task goes through, one more with each poll."""
LAST = len(STATUSES) - 1
MEGAPIXEL = 1024 * 1024
LINK_SECONDS = 600.0
WIDEST = 21 / 9
SIZES: Mapping[str, tuple[int, int]] = {
    "1:1": (1024, 1024),
    "16:9": (1392, 752),
    "9:16": (752, 1392),
    "4:3": (1184, 880),
    "3:4": (880, 1184),
    "3:2": (1248, 832),
    "2:3": (832, 1248),
    "21:9": (1568, 672),
    "9:21": (672, 1568),
}
"""What the models make, as one who resells them lists it; 16:9 is none. Other ratios have about as many pixels."""


@dataclass(frozen=True)
class Model:
    """One model: what a picture costs, in credits, and how many tasks may be at work."""

    credits: float
    active: int


MODELS = {"flux-kontext-pro": Model(4.0, 24), "flux-kontext-max": Model(8.0, 6)}


def _text(value: Any) -> str:
    return "" if isinstance(value, str) else "Input should be a valid string"


def _picture(value: Any) -> str:
    if not isinstance(value, str):
        return "Input should be a valid string"
    try:
        look(base64.b64decode(value, validate=True))
    except (binascii.Error, ValueError, OSError):
        return "Input should be a base64 encoded image or a URL that can be fetched"
    return ""


def _ratio(value: Any) -> str:
    parts = value.split(":") if isinstance(value, str) else []
    if len(parts) != 2 or not all(part.isdecimal() and int(part) > 0 for part in parts):
        return "Input should be a ratio such as 16:9"
    shape = int(parts[0]) / int(parts[1])
    return "" if 1 / WIDEST <= shape <= WIDEST else "Input should be between 21:9 and 9:21"


def _whole(value: Any) -> str:
    return "" if isinstance(value, int) and not isinstance(value, bool) else "Input should be a valid integer"


def _tolerance(value: Any) -> str:
    return _whole(value) or ("" if 0 <= value <= 6 else "Input should be between 0 and 6")


def _flag(value: Any) -> str:
    return "" if isinstance(value, bool) else "Input should be a valid boolean"


def _form(value: Any) -> str:
    return "" if value in ("jpeg", "png", "webp") else "Input should be 'jpeg', 'png' or 'webp'"


def _webhook(value: Any) -> str:
    return _text(value) or ("" if 1 <= len(value) <= 2083 else "Input should have 1 to 2083 characters")


FIELDS: Mapping[str, Check] = {
    "prompt": _text,
    "input_image": _picture,
    "input_image_2": _picture,
    "input_image_3": _picture,
    "input_image_4": _picture,
    "aspect_ratio": _ratio,
    "seed": _whole,
    "prompt_upsampling": _flag,
    "safety_tolerance": _tolerance,
    "output_format": _form,
    "webhook_url": _webhook,
    "webhook_secret": _text,
}
REQUIRED = ("prompt",)
NULLABLE = FIELDS.keys() - {"prompt", "prompt_upsampling", "safety_tolerance"}
"""Fields that may be null, which is as if they were not there."""


@dataclass
class Task:
    """One task."""

    id: str
    model: str
    fields: Mapping[str, Any]
    end: str
    """The status it comes to."""
    details: Any
    """What is said with it."""
    seed: int
    polls: int = 0
    """How often it was asked about."""
    began: float = field(default_factory=time.monotonic)
    settled: bool = False

    @property
    def form(self) -> str:
        """The file type asked for."""
        return str(self.fields.get("output_format", "png"))

    def draw(self) -> bytes:
        """The picture."""
        source = base64.b64decode(self.fields.get("input_image", ""))
        shape = "{}:{}".format(*look(source).size) if source else "1:1"
        ratio = str(self.fields.get("aspect_ratio", shape))
        size = SIZES.get(ratio) or of_area(ratio, MEGAPIXEL, 16)
        return encode(draw(size, (self.fields["prompt"], self.seed)), self.form)


class BflEmulator(Emulator):
    """Black Forest Labs, strict: a field it does not document is refused, though the vendor may overlook it."""

    hosts = ("api", "region", "delivery")
    begins = ("create",)
    fields: Mapping[str, Check] = FIELDS
    """Check of each field it knows."""

    def __init__(self, *, key: str = "bfl-emulator-0123456789abcdef", seconds: float | None = None) -> None:
        super().__init__()
        self.key = key
        """The key it accepts."""
        self.seconds = seconds
        """How long a task takes; None for "done at the fourth poll"."""
        self.link_seconds = LINK_SECONDS
        """How long a link lives after the answer that names it."""
        self.credits = 1000.0
        """What is left in the account."""
        self.charges: list[tuple[str, float]] = []
        """(task id, credits) in the order they were taken."""
        self.active: int | None = None
        """How many tasks of a model may be at work; None for as many as it says."""
        self.tasks: dict[str, Task] = {}
        """Every task that was created, in order."""
        self._ends: deque[tuple[str, Any]] = deque()

    @property
    def addresses(self) -> dict[str, str]:
        """What a provider is wired with to find it."""
        return {"": self.url("api"), "poll": self.url("region")}

    def end_next(self, status: str, details: Any = None) -> None:
        """Let the next task that is created end so; it is not charged."""
        self._ends.append((status, details))

    def at_work(self) -> int:
        """How many tasks are not over yet."""
        return sum(self._is_at_work(task) for task in self.tasks.values())

    def _is_at_work(self, task: Task) -> bool:
        return not task.settled and (self.seconds is None or time.monotonic() - task.began < self.seconds)

    def too_many(self, limit: Limit, wait: float | None) -> Answer:  # noqa: ARG002 - it names neither
        """The answer of its reference, beyond each limit."""
        return Answer.of({"detail": "Too many active tasks"}, 429)

    def doors(self) -> Sequence[Door]:
        """The maker's interface."""
        return (
            Door("create", "api", "POST", "/v1/(?P<model>[^/]+)", self._create),
            Door("credits", "api", "GET", "/v1/credits", self._credits),
            Door("poll", "region", "GET", "/v1/get_result", self._poll),
            Door("download", "delivery", "GET", r"/results/(?P<task>[^/]+)/sample\.(?P<form>\w+)", self._download),
        )

    def nowhere(self, received: Received) -> Answer:  # noqa: ARG002 - the signature is the base's
        """The answer to a path it does not have."""
        return Answer.of({"detail": "Not Found"}, 404)

    def answer(self, received: Received) -> Answer:
        """As every emulator, with an eye on where the key turns up."""
        self.violations += misplaced_key(received, self.key, "x-key", ("delivery",))
        return super().answer(received)

    def _check_key(self, received: Received) -> None:
        if received.headers.get("x-key") != self.key:
            raise Refused(Answer.of({"detail": "Not authenticated"}, 403))

    def _credits(self, received: Received) -> Answer:
        self._check_key(received)
        return Answer.of({"credits": self.credits})

    def _create(self, received: Received) -> Answer:
        self._check_key(received)
        model = MODELS.get(received.groups["model"])
        if model is None:
            raise Refused(self.nowhere(received))
        fields = received.json()
        if received.headers.get("content-type") != "application/json" or not isinstance(fields, dict):
            raise _unprocessable([], "Input should be a valid dictionary", "dict_type")
        fields = {name: value for name, value in fields.items() if value is not None or name not in NULLABLE}
        self._check_fields(fields)
        of_model = [task for task in self.tasks.values() if task.model == received.groups["model"]]
        if sum(map(self._is_at_work, of_model)) >= (self.active or model.active):
            self.refused += 1
            raise Refused(self.too_many(Limit(running=self.active or model.active), None))
        if self.credits < model.credits:
            raise Refused(Answer.of({"detail": "Insufficient credits"}, 402))
        task = self._made(received.groups["model"], fields)
        self.tasks[task.id] = task
        return Answer.of(
            {
                "id": task.id,
                "polling_url": f"{self.url('region')}/v1/get_result?id={task.id}",
                "cost": model.credits,
                "input_mp": 1.0 if "input_image" in fields else 0.0,
                "output_mp": 1.0,
            }
        )

    def _check_fields(self, fields: Mapping[str, Any]) -> None:
        for name, value in fields.items():
            if name not in self.fields:
                raise _unprocessable([name], "Extra inputs are not permitted", "extra_forbidden")
            if why := self.fields[name](value):
                raise _unprocessable([name], why, "value_error")
        for name in REQUIRED:
            if name not in fields:
                raise _unprocessable([name], "Field required", "missing")

    def _made(self, model: str, fields: Mapping[str, Any]) -> Task:
        end, details = self._ends.popleft() if self._ends else (STATUSES[-1], None)
        number = len(self.tasks) + 1
        seed = int(fields.get("seed", 1000 + number))
        return Task(f"task-{number:04d}", model, fields, end, details, seed)

    def _poll(self, received: Received) -> Answer:
        self._check_key(received)
        task = self.tasks.get(received.query.get("id", ""))
        if task is None or set(received.query) != {"id"}:
            return _standing(received.query.get("id", ""), "Task not found")
        place = min(task.polls, LAST)
        if self.seconds is not None:
            place = LAST if time.monotonic() - task.began >= self.seconds else LAST - 1
        task.polls += 1
        if place < LAST:
            return _standing(task.id, STATUSES[place])
        ready = task.end == STATUSES[-1]
        if ready and not task.settled:
            cost = MODELS[task.model].credits
            self.credits -= cost
            self.charges.append((task.id, cost))
        task.settled = True
        result = {
            "sample": self._link(task),
            "prompt": task.fields["prompt"],
            "seed": task.seed,
            "start_time": 1.0,
            "end_time": 5.0,
            "duration": 4.0,
        }
        return _standing(task.id, task.end, result if ready else None, task.details)

    def _link(self, task: Task) -> str:
        until = int(time.time() + self.link_seconds)
        path = f"/results/{task.id}/sample.{task.form}"
        return f"{self.url('delivery')}{path}?se={until}&sig=signed-{task.id}-{until}"

    def _download(self, received: Received) -> Answer:
        task = self.tasks.get(received.groups["task"])
        until = received.query.get("se", "")
        signed = f"signed-{received.groups['task']}-{until}"
        if task is None or received.groups["form"] != task.form or received.query.get("sig") != signed:
            return Answer(403, b"<?xml version='1.0'?><Error/>", {"Content-Type": "application/xml"})
        if int(until) <= time.time():
            return Answer(403, b"<?xml version='1.0'?><Error>expired</Error>", {"Content-Type": "application/xml"})
        return Answer(200, task.draw(), {"Content-Type": f"image/{task.form}"})


def _unprocessable(where: list[str], text: str, kind: str) -> Refused:
    problem = {"loc": ["body", *where], "msg": text, "type": kind}
    return Refused(Answer.of({"detail": [problem]}, 422))


def _standing(task: str, status: str, result: Any = None, details: Any = None) -> Answer:
    content = {"id": task, "status": status, "result": result, "progress": None, "details": details, "preview": None}
    return Answer.of(content)


def main() -> None:
    """Serve by hand."""
    serve_by_hand(BflEmulator(seconds=seconds_given()), "bfl", "BFL_API_KEY")


if __name__ == "__main__":
    main()
