"""The queue of fal on loopback. By hand: `python -m tests.emulators.fal [seconds a task takes]`."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tests.emulators.base import Door, Emulator, Limit, seconds_given, serve_by_hand
from tests.emulators.fal_fields import as_file
from tests.emulators.fal_list import Ended, endpoints_in, page, refuse_list
from tests.emulators.fal_models import ENDPOINTS, elsewhere
from tests.emulators.messages import Answer, Received, Refused
from tests.emulators.misplaced import misplaced_key
from tests.emulators.pictures import look
from tests.emulators.tables import look_into

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PIL import Image

    from tests.emulators.fal_fields import FalTable

STATES = ("IN_QUEUE", "IN_PROGRESS", "COMPLETED")
"""What a task goes through, one more with each poll."""
LAST = len(STATES) - 1
LOCKED = "User is locked. Reason: Exhausted balance. Top up your balance at fal.ai/dashboard/billing."
STORAGES = ("fal-cdn-v3", "gcs")
TOKEN = "cdn-token-of-the-emulator"
SEED = 424_242


def refuse(status: int, detail: Any, **more: Any) -> Refused:
    """A refusal in fal's form, to be raised."""
    return Refused(Answer.of({"detail": detail, **more}, status))


def problem(place: Sequence[str], kind: str, words: str, given: Any = None) -> dict[str, Any]:
    """One entry of a list of problems."""
    where = f"https://docs.fal.ai/errors/#{kind}"
    return {"loc": ["body", *place], "msg": words, "type": kind, "url": where, "input": given}


@dataclass
class Ending:
    """How a task comes to nothing: the answer at its result, and what its status says besides."""

    status: int
    body: Mapping[str, Any]
    aside: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Task:
    """One task."""

    id: str
    model: str
    """The endpoint."""
    fields: Mapping[str, Any]
    """What it was sent."""
    results: list[tuple[str, tuple[int, int]]]
    """(name at the files host, sides) of its pictures."""
    ending: Ending | None = None
    """How it fails; None for success."""
    usd: float = 0.0
    """What its pictures cost."""
    polls: int = 0
    """How often it was asked about, which a look at the list is too."""
    began: float = field(default_factory=time.monotonic)
    sent: datetime = field(default_factory=lambda: datetime.now(UTC))
    """When it was taken."""
    ended: datetime | None = None
    """When it was over; None before."""

    @property
    def settled(self) -> bool:
        """Whether it is over."""
        return self.ended is not None

    @property
    def app(self) -> str:
        """Owner and name: all that stays of the endpoint in the task's addresses."""
        return "/".join(self.model.split("/")[:2])

    @property
    def path(self) -> str:
        """The rest of the endpoint."""
        return f"/{'/'.join(self.model.split('/')[2:])}"


class FalEmulator(Emulator):
    """The vendor, strict. Wrong fields show where the result would be, as the queue takes anything."""

    hosts = ("api", "rest", "cdn", "platform")
    begins = ("submit",)

    def __init__(self, *, key: str = "fal-emulator-id:0123456789abcdef0123", seconds: float | None = None) -> None:
        super().__init__()
        self.key = key
        """The key it accepts."""
        self.seconds = seconds
        """How long a task takes; None for "done at the third poll"."""
        self.locked = False
        """Whether the account is out of money."""
        self.guards_key = True
        """Whether the key may not go along with a file; the official client does that in one place."""
        self.unsafe = False
        """Whether pictures come out black and marked."""
        self.charges: list[tuple[str, int]] = []
        """(task id, pictures) in the order they were charged."""
        self.usd: list[float] = []
        """What each of those cost, which the vendor does not say in its answers."""
        self.tasks: dict[str, Task] = {}
        """Every task, in order."""
        self._files: dict[str, tuple[bytes, str]] = {}
        self._announced: dict[str, str] = {}
        self._endings: deque[Ending] = deque()

    @property
    def addresses(self) -> dict[str, str]:
        """What a provider is wired with to find it."""
        return {"": self.url("api"), "upload": self.url("rest"), "list": self.url("platform")}

    def end_next(self, status: int, body: Mapping[str, Any], **aside: Any) -> None:
        """Let the next task come to nothing, with that answer in place of its result."""
        self._endings.append(Ending(status, body, aside))

    def at_work(self) -> int:
        """None that count: what is beyond the limit waits in the queue."""
        return 0

    def too_many(self, limit: Limit, wait: float | None) -> Answer:  # noqa: ARG002 - no wait is documented
        """A refusal with a sentence; its words are documented nowhere."""
        return Answer.of({"detail": "Too many requests"}, 429)

    def doors(self) -> Sequence[Door]:
        """The queue, the storage, the files, the list."""
        task = "/(?P<app>[^/]+/[^/]+)/requests/(?P<id>[^/]+)"
        return (
            Door("status", "api", "GET", f"{task}/status", self._status),
            Door("result", "api", "GET", f"{task}(/response)?", self._result),
            Door("cancel", "api", "PUT", f"{task}/cancel", self._cancel),
            Door("submit", "api", "POST", "/(?P<model>.+)", self._submit),
            Door("token", "rest", "POST", "/storage/auth/token", self._token),
            Door("upload", "rest", "POST", "/storage/upload/initiate", self._initiate),
            Door("put", "cdn", "PUT", "/put/(?P<name>.+)", self._put),
            Door("cdn_upload", "cdn", "POST", "/files/upload", self._take),
            Door("download", "cdn", "GET", "/(?P<name>files/.+)", self._download),
            Door("prices", "platform", "GET", "/v1/models/pricing", self._prices),
            Door("list", "platform", "GET", "/v1/models/requests/by-endpoint", self._list),
        )

    def nowhere(self, received: Received) -> Answer:
        """The vendor's answer to a path it does not have."""
        return Answer.of({"detail": f"Path {received.path} not found"}, 404)

    def answer(self, received: Received) -> Answer:
        """As every emulator, with an eye on where the key turns up."""
        self.violations += misplaced_key(received, self.key, "authorization", ())
        spread = received.host == "cdn" and "Key " in received.headers.get("authorization", "")
        if spread and self.guards_key:
            self.violations.append(f"the key was sent along with {received.method} {received.path}")
        return super().answer(received)

    def _check_key(self, received: Received) -> None:
        given = received.headers.get("authorization", "")
        if not given.startswith("Key ") or ":" not in given:
            raise refuse(401, "Authentication is required. The header has the form: Key <key_id>:<key_secret>")
        if given != f"Key {self.key}":
            raise refuse(401, "No user found for Key ID and Secret")

    def _object(self, received: Received) -> dict[str, Any]:
        self._check_key(received)
        body = received.json()
        if received.headers.get("content-type") != "application/json" or not isinstance(body, dict):
            raise refuse(422, [problem([], "model_attributes_type", "Input should be a valid dictionary")])
        return body

    def _submit(self, received: Received) -> Answer:
        fields = self._object(received)
        name = received.groups["model"]
        if stray := set(received.query) - {"fal_webhook"}:
            raise refuse(422, [problem(["query", *sorted(stray)], "extra_forbidden", "unknown")])
        if self.locked:
            raise refuse(403, LOCKED)
        if name not in ENDPOINTS and not elsewhere(name):
            raise refuse(404, f"Application '{name}' not found")
        task = Task(f"req-{len(self.tasks) + 1:04d}", name, fields, [])
        if name in ENDPOINTS:
            task.ending = self._endings.popleft() if self._endings else self._carry_out(task, ENDPOINTS[name])
        else:  # the queue takes it, and nothing is there to carry it out
            task.ending = Ending(404, {"detail": f"Path {task.path} not found"})
        self.tasks[task.id] = task
        text = {"request_id": task.id, "gateway_request_id": task.id, "status": STATES[0], "queue_position": 0}
        return Answer.of(text | self._links(task), x_fal_request_id=task.id)

    def _carry_out(self, task: Task, table: FalTable) -> Ending | None:
        """Make the pictures, or find out why not."""
        if wrong := table.wrong(task.fields):
            return Ending(422, {"detail": [problem([wrong.field], wrong.kind, wrong.words)]})
        try:
            pictures = [self._look(link) for link in table.links(task.fields)]
            mask = self._look(task.fields[table.mask]) if table.mask in task.fields else None
        except OSError as error:
            return Ending(422, {"detail": [problem([table.images], "image_load_error", str(error))]})
        if mask is not None and (mask.mode != "RGBA" or mask.size != pictures[0].size or len(pictures) > 1):
            words = "the mask must be a PNG with alpha and of the size of the one image"
            return Ending(422, {"detail": [problem([table.mask], "value_error", words)]})
        if why := table.refused(pictures):
            return Ending(422, {"detail": [problem([table.images], "value_error", why)]})
        form = table.file_type(task.fields)
        for place, made in enumerate(table.make(task.fields, pictures, mask)):
            shown = made.point(lambda _: 0) if self.unsafe else made
            name = f"files/{task.id}/{place}.{form}"
            self._files[name] = (as_file(shown, form), f"image/{form}")
            task.results.append((name, made.size))
        task.usd = round(
            table.charge(task.fields, [one.size for one in pictures], [size for _, size in task.results]), 6
        )
        return None

    def _look(self, link: str) -> Image.Image:
        """The picture behind an address: inside it, or uploaded here."""
        inside = look_into(link)
        if inside is not None:
            return inside
        name = link.removeprefix(f"{self.url('cdn')}/")
        if name not in self._files:
            raise OSError("the file could not be downloaded")
        return look(self._files[name][0])

    def _find(self, received: Received) -> Task:
        self._check_key(received)
        task = self.tasks.get(received.groups["id"])
        if task is None or task.app != received.groups["app"]:
            raise Refused(Answer.of({"detail": "Request not found", "status": "NOT_FOUND"}, 404))
        return task

    def _place(self, task: Task) -> int:
        if self.seconds is None:
            return min(task.polls, LAST)
        return LAST if time.monotonic() - task.began >= self.seconds else 1

    def _status(self, received: Received) -> Answer:
        task = self._find(received)
        place = self._place(task)
        task.polls += 1
        text: dict[str, Any] = {"status": STATES[place], "request_id": task.id, **self._links(task)}
        if place == 0:
            text["queue_position"] = 0
        else:
            text["logs"] = None
        if place == LAST:
            text["metrics"] = {"inference_time": 3.4}
            text |= task.ending.aside if task.ending else {}
            self._settle(task)
        return Answer.of(text, 200 if place == LAST else 202, x_fal_request_id=task.id)

    def _settle(self, task: Task) -> None:
        if not task.settled:
            task.ended = datetime.now(UTC)
            if task.ending is None:
                self.charges.append((task.id, len(task.results)))
                self.usd.append(task.usd)

    def _result(self, received: Received) -> Answer:
        task = self._find(received)
        if not task.settled:
            raise refuse(400, "Request is still in progress")
        if task.ending is not None:
            return Answer.of(task.ending.body, task.ending.status, x_fal_request_id=task.id)
        return Answer.of(self._made(task), x_fal_request_id=task.id)

    def _made(self, task: Task) -> dict[str, Any]:
        table = ENDPOINTS[task.model]
        files = [self._file(name, size, measured=table.measured) for name, size in task.results]
        made: dict[str, Any] = {"images": files} if table.many else {"image": files[0]}
        if table.seeded:
            made["seed"] = task.fields.get("seed", SEED)
        if table.many:
            made["has_nsfw_concepts"] = [self.unsafe] * len(files)
        return made

    def _file(self, name: str, size: tuple[int, int], *, measured: bool) -> dict[str, Any]:
        data, mime = self._files[name]
        width, height, length = (*size, len(data)) if measured else (None, None, None)
        return {
            "url": f"{self.url('cdn')}/{name}",
            "content_type": mime,
            "file_name": name.rpartition("/")[2],
            "file_size": length,
            "width": width,
            "height": height,
        }

    def _cancel(self, received: Received) -> Answer:
        task = self._find(received)
        if task.settled:
            return Answer.of({"status": "ALREADY_COMPLETED"}, 400)
        text = "Request was cancelled"
        aside = {"error": text, "error_type": "client_cancelled"}
        task.ending = Ending(499, {"detail": text, "error_type": "client_cancelled"}, aside)
        return Answer.of({"status": "CANCELLATION_REQUESTED"}, 202)

    def _links(self, task: Task) -> dict[str, str]:
        start = f"{self.url('api')}/{task.app}/requests/{task.id}"
        return {"response_url": start, "status_url": f"{start}/status", "cancel_url": f"{start}/cancel"}

    def _prices(self, received: Received) -> Answer:
        self._check_platform_key(received)
        priced = [{"endpoint_id": name, "unit_price": 0.04} for name in endpoints_in(received.query)]
        return Answer.of({"prices": priced, "next_cursor": None, "has_more": False})

    def _check_platform_key(self, received: Received) -> None:
        if received.headers.get("authorization") != f"Key {self.key}":
            raise refuse_list(401, "authorization_error", "Authentication required")

    def _list(self, received: Received) -> Answer:
        self._check_platform_key(received)
        names = endpoints_in(received.query)
        asked = [task for task in self.tasks.values() if task.model in names]
        for task in asked:
            if self._place(task) == LAST:
                self._settle(task)
            task.polls += 1
        return page(received.query, [self._ended(task, task.ended) for task in asked if task.ended])

    def _ended(self, task: Task, when: datetime) -> Ended:
        status, body = (task.ending.status, task.ending.body) if task.ending else (200, self._made(task))
        return Ended(task.id, task.model, task.sent, when, status, task.fields, body)

    def _token(self, received: Received) -> Answer:
        if self._object(received) or received.query != {"storage_type": STORAGES[0]}:
            raise refuse(422, "an empty object and storage_type=fal-cdn-v3 are expected")
        expires = "2099-01-01T00:00:00+00:00"
        text = {"token": TOKEN, "token_type": "Bearer", "base_url": self.url("cdn"), "expires_at": expires}
        return Answer.of(text)

    def _initiate(self, received: Received) -> Answer:
        fields = self._object(received)
        texts = all(isinstance(value, str) and value for value in fields.values())
        if set(fields) != {"file_name", "content_type"} or not texts:
            raise refuse(422, "file_name and content_type are expected")
        if received.query.get("storage_type") not in STORAGES:
            raise refuse(422, "storage_type is unknown")
        name = f"files/{len(self._announced) + 1:03d}/{fields['file_name']}"
        self._announced[name] = fields["content_type"]
        cdn = self.url("cdn")
        return Answer.of({"upload_url": f"{cdn}/put/{name}?sig=signed", "file_url": f"{cdn}/{name}"})

    def _put(self, received: Received) -> Answer:
        name = received.groups["name"]
        if received.query.get("sig") != "signed":
            return Answer(403, b"<Error>SignatureDoesNotMatch</Error>", {"Content-Type": "application/xml"})
        if self._announced.get(name) != received.headers.get("content-type"):
            return Answer(
                400, b"<Error>another content type was announced</Error>", {"Content-Type": "application/xml"}
            )
        self._files[name] = (received.body, self._announced[name])
        return Answer(200)

    def _take(self, received: Received) -> Answer:
        if received.headers.get("authorization") != f"Bearer {TOKEN}":
            raise refuse(401, "the token is not known")
        name = f"files/up-{len(self._files)}/{received.headers.get('x-fal-file-name', 'upload.bin')}"
        self._files[name] = (received.body, received.headers.get("content-type", ""))
        return Answer.of({"access_url": f"{self.url('cdn')}/{name}"})

    def _download(self, received: Received) -> Answer:
        found = self._files.get(received.groups["name"])
        if found is None:
            return Answer(404, b"<html>not found</html>", {"Content-Type": "text/html"})
        return Answer(200, found[0], {"Content-Type": found[1]})


def main() -> None:
    """Serve by hand."""
    serve_by_hand(FalEmulator(seconds=seconds_given()), "fal", "FAL_KEY")


if __name__ == "__main__":
    main()
