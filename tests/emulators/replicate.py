"""Replicate on loopback. By hand: `python -m tests.emulators.replicate [seconds each takes]`."""

from __future__ import annotations

import re
import time
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import ceil
from typing import TYPE_CHECKING, Any

from tests.emulators.base import Door, Emulator, Limit, seconds_given, serve_by_hand
from tests.emulators.messages import Answer, Received, Refused
from tests.emulators.misplaced import misplaced_key
from tests.emulators.pictures import encode, look
from tests.emulators.replicate_models import MODELS, version_of
from tests.emulators.tables import look_into

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PIL import Image

    from tests.emulators.replicate_finishing import Hosted

STATES = ("starting", "processing", "succeeded")
"""What a prediction goes through, one more with each poll."""
LAST = len(STATES) - 1
CREATED = "2026-01-01T12:00:00.000Z"
NO_CREDIT = (
    "You have insufficient credit to run this model. Go to https://replicate.com/account/billing#billing to purchase "
    "credit."
)
THROTTLED = "Request was throttled. Your rate limit resets in ~30s."


def failure(status: int, detail: str, title: str = "", **more: Any) -> Answer:
    """A refusal in Replicate's form."""
    named = {"title": title} if title else {}
    return Answer.of({**named, "detail": detail, "status": status, **more}, status)


def refuse(status: int, detail: str, title: str = "", **more: Any) -> Refused:
    """The same, to be raised."""
    return Refused(failure(status, detail, title, **more))


@dataclass
class Task:
    """One prediction."""

    id: str
    model: str
    """Owner and name."""
    fields: Mapping[str, Any]
    """Its input."""
    results: list[str]
    """Names of its pictures at the files host."""
    error: str = ""
    """Why it fails; empty for success."""
    polls: int = 0
    """How often it was asked about."""
    status: str = ""
    """What it was ended with from outside; empty while it goes its way."""
    began: float = field(default_factory=time.monotonic)
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    """When it was taken."""
    settled: bool = False
    expired: bool = False


class ReplicateEmulator(Emulator):
    """Replicate, strict."""

    hosts = ("api", "files")
    begins = ("create", "create_version")

    def __init__(self, *, key: str = "r8_emulator0123456789abcdef", seconds: float | None = None) -> None:
        super().__init__()
        self.key = key
        """The key it accepts."""
        self.seconds = seconds
        """How long a prediction takes; None for "done at the third poll"."""
        self.broke = False
        """Whether the account has no credit."""
        self.at_once = True
        """Whether a prediction that is waited for is done in time."""
        self.keeps_files = False
        """Whether pictures stand at the vendor's own address, where the key is needed."""
        self.page = 100
        """Predictions on one page of the list."""
        self.charges: list[tuple[str, int]] = []
        """(prediction id, pictures) in the order they were charged."""
        self.tasks: dict[str, Task] = {}
        """Every prediction, in order."""
        self._files: dict[str, tuple[bytes, str]] = {}
        self._errors: deque[str] = deque()

    def fail_task_next(self, error: str) -> None:
        """Let the next prediction come to nothing."""
        self._errors.append(error)

    def forget(self) -> None:
        """Let an hour pass: predictions stay, what they made and were given goes."""
        for task in self.tasks.values():
            task.expired = True
        self._files.clear()

    def at_work(self) -> int:
        """How many predictions are not over yet."""
        return sum(self._is_at_work(task) for task in self.tasks.values())

    def _is_at_work(self, task: Task) -> bool:
        return not task.settled and (self.seconds is None or time.monotonic() - task.began < self.seconds)

    def too_many(self, limit: Limit, wait: float | None) -> Answer:
        """The wait is in the words, not in a header."""
        text = f"Request was throttled. Your rate limit resets in ~{ceil(limit.seconds if wait is None else wait)}s."
        return failure(429, text)

    def doors(self) -> Sequence[Door]:
        """The HTTP interface, and the files it makes."""
        model = "/v1/models/(?P<owner>[^/]+)/(?P<name>[^/]+)"
        task = "/v1/predictions/(?P<id>[^/]+)"
        return (
            Door("create", "api", "POST", f"{model}/predictions", self._create_official),
            Door("create_version", "api", "POST", "/v1/predictions", self._create_version),
            Door("account", "api", "GET", "/v1/account", self._account),
            Door("list", "api", "GET", "/v1/predictions", self._list),
            Door("model", "api", "GET", model, self._model),
            Door("poll", "api", "GET", task, self._poll),
            Door("cancel", "api", "POST", f"{task}/cancel", self._cancel),
            Door("upload", "api", "POST", "/v1/files", self._upload),
            Door("own_file", "api", "GET", "/v1/outputs/(?P<name>.+)", self._own_file),
            Door("download", "files", "GET", "/(?P<name>.+)", self._download),
        )

    def nowhere(self, received: Received) -> Answer:
        """The vendor's answer to a path it does not have."""
        return failure(404, f"The requested resource could not be found: {received.path}")

    def answer(self, received: Received) -> Answer:
        """As every emulator, with an eye on where the key turns up."""
        self.violations += misplaced_key(received, self.key, "authorization", ("files",))
        return super().answer(received)

    def _check_key(self, received: Received) -> None:
        given = received.headers.get("authorization", "")
        if given != f"Bearer {self.key}":
            article = "a valid" if given else "an"
            raise refuse(401, f"You did not pass {article} authentication token", "Unauthenticated")

    def _create_official(self, received: Received) -> Answer:
        self._check_key(received)
        name = f"{received.groups['owner']}/{received.groups['name']}"
        if name not in MODELS or not MODELS[name].official:
            raise refuse(404, "The requested resource could not be found.")
        return self._create(received, name, {"input"})

    def _create_version(self, received: Received) -> Answer:
        self._check_key(received)
        body = received.json()
        version = body.get("version") if isinstance(body, dict) else None
        found = [name for name in MODELS if version_of(name) == version]
        if not found:
            raise refuse(422, "The specified version does not exist", "Invalid version or not permitted")
        return self._create(received, found[0], {"input", "version"})

    def _create(self, received: Received, name: str, needed: set[str]) -> Answer:
        body = received.json()
        if received.headers.get("content-type") != "application/json" or not isinstance(body, dict):
            raise refuse(400, "The body must be a JSON object")
        known = needed | {"webhook", "webhook_events_filter", "stream"}
        if set(body) - known or needed - set(body) or not isinstance(body.get("input"), dict):
            raise refuse(422, f"expected {', '.join(sorted(known))}; got {', '.join(sorted(body))}")
        prefer = received.headers.get("prefer", "")
        if prefer and not re.fullmatch(r"wait(=([1-9]|[1-5]\d|60))?", prefer):
            raise refuse(400, "Prefer must be wait or wait=1 to wait=60")
        if self.broke:
            raise refuse(402, NO_CREDIT, "Insufficient credit")
        task = Task(f"p{len(self.tasks) + 1:04d}", name, body["input"], [])
        self._check_input(MODELS[name], task)
        task.error = self._errors.popleft() if self._errors else self._carry_out(MODELS[name], task)
        self.tasks[task.id] = task
        if prefer and self.at_once and self.seconds is None:
            task.polls = LAST
        return Answer.of(self._shown(task), 201)

    def _check_input(self, hosted: Hosted, task: Task) -> None:
        wrong = hosted.table.wrong(task.fields)
        wrong = wrong or hosted.clash(task.fields, len(hosted.table.links(task.fields)))
        if wrong is None:
            return
        where, words = wrong.field, "is required" if wrong.kind == "missing" else wrong.words
        detail = f"- input.{where} {words}\n"
        fields = [{"type": "invalid", "field": f"input.{where}", "description": words}]
        raise refuse(422, detail, "Input validation failed", invalid_fields=fields)

    def _carry_out(self, hosted: Hosted, task: Task) -> str:
        """Make the pictures; why not, if not."""
        try:
            pictures = [self._look(link) for link in hosted.table.links(task.fields)]
        except OSError as error:
            return f"Input validation error: {error}"
        for picture in pictures:
            if trouble := hosted.runs_out(picture.width * picture.height):
                return trouble
        form = hosted.table.file_type(task.fields)
        for place, made in enumerate(hosted.table.make(task.fields, pictures, None)):
            name = f"{task.id}/{place}.{form}"
            self._files[name] = (encode(made, form), f"image/{form}")
            task.results.append(name)
        return ""

    def _look(self, link: str) -> Image.Image:
        """The picture behind an address: inside it, or uploaded here."""
        inside = look_into(link)
        if inside is not None:
            return inside
        name = link.removeprefix(f"{self.url('api')}/v1/files/")
        if f"uploads/{name}" not in self._files:
            raise OSError(f"{link} could not be fetched")
        return look(self._files[f"uploads/{name}"][0])

    def _standing(self, task: Task) -> str:
        if task.status:
            return task.status
        place = min(task.polls, LAST)
        if self.seconds is not None:
            place = LAST if time.monotonic() - task.began >= self.seconds else 1
        if place < LAST:
            return STATES[place]
        if not task.settled:
            task.settled = True
            if not task.error:
                self.charges.append((task.id, len(task.results)))
        return "failed" if task.error else STATES[LAST]

    def _shown(self, task: Task) -> dict[str, Any]:
        status = self._standing(task)
        links = [self._link(name) for name in task.results]
        output = links if MODELS[task.model].table.many else links[0] if links else None
        start = f"{self.url('api')}/v1/predictions/{task.id}"
        over = status not in STATES[:LAST]
        created = task.created.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return {
            "id": task.id,
            "model": task.model,
            "version": "hidden" if MODELS[task.model].official else version_of(task.model),
            "input": {} if task.expired else task.fields,
            "logs": "" if task.expired else "made it",
            "output": output if status == STATES[LAST] and not task.expired else None,
            "data_removed": task.expired,
            "error": task.error or None if status == "failed" else None,
            "status": status,
            "source": "api",
            "created_at": created,
            "started_at": created if status != STATES[0] else None,
            "completed_at": created if over else None,
            "metrics": {"predict_time": 3.4} if over else {},
            "urls": {"get": start, "cancel": f"{start}/cancel", "web": f"https://replicate.com/p/{task.id}"},
        }

    def _link(self, name: str) -> str:
        return f"{self.url('api')}/v1/outputs/{name}" if self.keeps_files else f"{self.url('files')}/{name}"

    def _find(self, received: Received) -> Task:
        self._check_key(received)
        task = self.tasks.get(received.groups["id"])
        if task is None:
            raise refuse(404, "The requested resource could not be found.")
        return task

    def _poll(self, received: Received) -> Answer:
        task = self._find(received)
        shown = self._shown(task)
        task.polls += 1
        return Answer.of(shown)

    def _list(self, received: Received) -> Answer:
        """One page of all predictions, the newest first; a cursor is the id of the last one that was shown."""
        self._check_key(received)
        if stray := set(received.query) - {"cursor"}:
            raise refuse(400, f"unknown: {', '.join(sorted(stray))}")
        newest = list(reversed(self.tasks.values()))
        last = received.query.get("cursor", "")
        if last and last not in self.tasks:
            raise refuse(404, "Invalid cursor")
        start = newest.index(self.tasks[last]) + 1 if last else 0
        shown, left = newest[start : start + self.page], newest[start + self.page :]
        following = f"{self.url('api')}/v1/predictions?cursor={shown[-1].id}" if left else None
        return Answer.of({"previous": None, "next": following, "results": [self._shown(task) for task in shown]})

    def _cancel(self, received: Received) -> Answer:
        task = self._find(received)
        if not task.settled:
            task.status, task.settled = "canceled", True
        return Answer.of(self._shown(task))

    def _model(self, received: Received) -> Answer:
        self._check_key(received)
        owner, name = received.groups["owner"], received.groups["name"]
        if f"{owner}/{name}" not in MODELS:
            raise refuse(404, "The requested resource could not be found.")
        newest = {
            "id": version_of(f"{owner}/{name}"),
            "created_at": CREATED,
            "cog_version": "0.9.0",
            "openapi_schema": {"components": {"schemas": {"Output": {"type": "string", "format": "uri"}}}},
        }
        return Answer.of(
            {
                "url": f"https://replicate.com/{owner}/{name}",
                "owner": owner,
                "name": name,
                "description": None,
                "visibility": "public",
                "github_url": None,
                "paper_url": None,
                "license_url": None,
                "run_count": 1,
                "cover_image_url": None,
                "default_example": None,
                "latest_version": newest,
            }
        )

    def _upload(self, received: Received) -> Answer:
        self._check_key(received)
        parts = {part.name: part for part in received.parts()}
        if "content" not in parts or set(parts) - {"content", "metadata"}:
            raise refuse(400, "Missing content")
        file = parts["content"]
        form = look(file.data).format
        if file.mime not in (f"image/{str(form).lower()}", "application/octet-stream"):
            raise refuse(400, f"a {form} is no {file.mime}")
        name = f"file{len(self._files) + 1:04d}"
        self._files[f"uploads/{name}"] = (file.data, file.mime)
        stored = {
            "id": name,
            "name": file.filename,
            "content_type": file.mime,
            "size": len(file.data),
            "etag": "e",
            "checksums": {"sha256": "0", "md5": "0"},
            "metadata": {},
            "created_at": CREATED,
            "expires_at": "2026-01-02T12:00:00.000Z",
            "urls": {"get": f"{self.url('api')}/v1/files/{name}"},
        }
        return Answer.of(stored, 201)

    def _account(self, received: Received) -> Answer:
        self._check_key(received)
        return Answer.of({"type": "user", "username": "emulated", "name": "An Emulated User", "github_url": ""})

    def _own_file(self, received: Received) -> Answer:
        self._check_key(received)
        return self._download(received)

    def _download(self, received: Received) -> Answer:
        found = self._files.get(received.groups["name"])
        if found is None or received.groups["name"].startswith("uploads/"):
            return Answer(404, b"not found", {"Content-Type": "text/plain"})
        return Answer(200, found[0], {"Content-Type": found[1]})


def main() -> None:
    """Serve by hand."""
    serve_by_hand(ReplicateEmulator(seconds=seconds_given()), "replicate", "REPLICATE_API_TOKEN")


if __name__ == "__main__":
    main()
