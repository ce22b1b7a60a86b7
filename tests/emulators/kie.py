"""Kie.ai on loopback. By hand: `python -m tests.emulators.kie [seconds a task takes]`."""

from __future__ import annotations

import json
import time
from collections import deque
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from tests.emulators.base import Door, Emulator, Limit, seconds_given, serve_by_hand
from tests.emulators.kie_editions import MARKET
from tests.emulators.kie_models import FLUX_KONTEXT, TOPAZ_LONGEST, Model
from tests.emulators.messages import Answer, Part, Received, Refused
from tests.emulators.misplaced import misplaced_key
from tests.emulators.pictures import cut_out, draw, encode, look, repaint

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from PIL import Image

STATES = ("waiting", "queuing", "generating", "success")
"""What a market task goes through, one more with each poll."""
INPUT_LIMIT = 26_214_400
LAST = len(STATES) - 1
FAILED_FLAG = {"market": 3, "flux_kontext": 3, "gpt4o": 2}
NO_CREDIT = (
    "Credits insufficient : Your current balance isn\u2019t enough to run this request. Please top up to continue."
)
CREATED = 1757584149490
"""A moment in ms since the epoch, for the fields that want one."""


def refuse(code: int, text: str) -> Refused:
    """A refusal in Kie's form, to be raised."""
    return Refused(envelope(code, text))


def envelope(code: int, text: str, data: Any = None, status: int = 200) -> Answer:
    """An answer in Kie's form."""
    return Answer.of({"code": code, "msg": text, "data": data}, status)


@dataclass
class Task:
    """One task."""

    id: str
    family: str
    model: str
    fields: Mapping[str, Any]
    """What it was created with."""
    results: list[str]
    """Names of its pictures at the files host."""
    credits: float
    """What it costs when it succeeds."""
    failure: tuple[str, str] | None = None
    """Code and words it ends with; None for success."""
    hidden: int = 0
    """Polls for which it is not visible yet."""
    polls: int = 0
    """How often it was asked about."""
    began: float = field(default_factory=time.monotonic)
    settled: bool = False


class KieEmulator(Emulator):
    """Kie, strict."""

    hosts = ("api", "upload", "files")
    begins = ("create",)

    def __init__(self, *, key: str = "kie-emulator-0123456789abcdef", seconds: float | None = None) -> None:
        super().__init__()
        self.key = key
        """The key it accepts."""
        self.seconds = seconds
        """How long a task takes; None for "done at the fourth poll"."""
        self.credits = 1000.0
        """What is left in the account."""
        self.charges: list[tuple[str, float]] = []
        """(task id, credits) in the order they were taken."""
        self.tasks: dict[str, Task] = {}
        """Every task that was created, in order."""
        self.ended: set[str] = set()
        """Models that were removed: a task of theirs is still taken, and comes to nothing."""
        self.rewritten: list[str] = []
        """Tasks whose prompt was rewritten, in order."""
        self._files: dict[str, tuple[bytes, str]] = {}
        self._failures: deque[tuple[str, str]] = deque()
        self._hidden = 0

    @property
    def addresses(self) -> dict[str, str]:
        """What a provider is wired with to find it."""
        return {"": self.url("api"), "upload": self.url("upload")}

    def fail_task_next(self, code: str, text: str) -> None:
        """Let the next task that is created come to nothing; it is not charged."""
        self._failures.append((code, text))

    def hide_tasks(self, polls: int) -> None:
        """Let new tasks be unknown to their first polls, as happens for seconds."""
        self._hidden = polls

    def at_work(self) -> int:
        """How many tasks are not over yet."""
        return sum(self._is_at_work(task) for task in self.tasks.values())

    def _is_at_work(self, task: Task) -> bool:
        return not task.settled and (self.seconds is None or time.monotonic() - task.began < self.seconds)

    def too_many(self, limit: Limit, wait: float | None) -> Answer:  # noqa: ARG002 - Kie names neither
        """A code in HTTP 200. What it says of too many tasks at work is not documented; here, the same."""
        return envelope(429, "Your call frequency is too high. Please try again later.")

    def doors(self) -> Sequence[Door]:
        """Kie's interface."""
        return (
            Door("create", "api", "POST", "/api/v1/jobs/createTask", self._create_market),
            Door("create", "api", "POST", "/api/v1/flux/kontext/generate", self._create_flux_kontext),
            Door("poll", "api", "GET", "/api/v1/jobs/recordInfo", self._poll_market),
            Door("poll", "api", "GET", "/api/v1/flux/kontext/record-info", self._poll_flux_kontext),
            Door("poll", "api", "GET", "/api/v1/gpt4o-image/record-info", self._poll_gpt4o),
            Door("credit", "api", "GET", "/api/v1/chat/credit", self._credit),
            Door("upload", "upload", "POST", "/api/file-stream-upload", self._upload),
            Door("download", "files", "GET", "/(?P<name>.+)", self._download),
        )

    def nowhere(self, received: Received) -> Answer:
        """Kie's answer to a path it does not have."""
        return envelope(404, f"No endpoint {received.method} {received.path}", status=404)

    def answer(self, received: Received) -> Answer:
        """As every emulator, with an eye on where the key turns up."""
        self.violations += misplaced_key(received, self.key, "authorization", ("files",))
        return super().answer(received)

    def _check_key(self, received: Received) -> None:
        if received.headers.get("authorization") != f"Bearer {self.key}":
            raise refuse(401, "You do not have access permissions")

    def _object(self, received: Received) -> dict[str, Any]:
        """The JSON object in the body of a request with a good key."""
        self._check_key(received)
        body = received.json()
        if received.headers.get("content-type") != "application/json" or not isinstance(body, dict):
            raise refuse(400, "The body must be a JSON object")
        return body

    def _create_market(self, received: Received) -> Answer:
        body = self._object(received)
        if stray := sorted(set(body) - {"model", "input", "callBackUrl"}):
            raise refuse(422, f"{stray[0]} is not a known field")
        name, fields = body.get("model"), body.get("input")
        if name not in MARKET:
            raise refuse(422, "The model name you specified is not supported. Please verify it.")
        if not isinstance(fields, dict):
            raise refuse(422, "input: This field is required")
        return self._create("market", name, MARKET[name], fields)

    def _create_flux_kontext(self, received: Received) -> Answer:
        fields = self._object(received)
        if "inputImage" in fields and fields.get("safetyTolerance", 2) > 2:
            raise refuse(500, "safetyTolerance is not within the range of allowed options")
        return self._create("flux_kontext", fields.get("model", "flux-kontext-pro"), FLUX_KONTEXT, fields)

    def _create(self, family: str, name: str, model: Model, fields: Mapping[str, Any]) -> Answer:
        if problem := model.problems(fields):
            raise refuse(*problem)
        links = fields.get(model.images, []) if model.images else []
        files = [self._own(link) for link in ([links] if isinstance(links, str) else links)]
        pictures = [look(data) for data in files]
        for data, picture in zip(files, pictures, strict=True):
            if why := model.inputs.problem(picture.size, len(data)):
                raise refuse(400, why)
        size = model.size(fields, pictures[0].size if pictures else (1024, 1024))
        if model.kind == "enlarge" and max(size) > TOPAZ_LONGEST:
            raise refuse(422, f"the longer side would be {max(size)} px; the limit is {TOPAZ_LONGEST}")
        price = model.credits_for(fields, [picture.size for picture in pictures])
        if self.credits < price:
            raise refuse(402, NO_CREDIT)
        mask = look(self._own(fields["mask_url"])) if "mask_url" in fields else None
        task = Task(f"task_{len(self.tasks) + 1:04d}", family, name, fields, [], price, hidden=self._hidden)
        task.failure = self._failures.popleft() if self._failures else None
        if name in self.ended:
            task.failure = ("500", "Internal Error, Please try again later.")
        if model.rewrites_prompt(fields):
            self.rewritten.append(task.id)
        form = model.type_for(fields) or str(pictures[0].format).lower()
        # without a seed every task makes another picture, but for the models that take the same one each time
        seed = fields.get("seed", task.id if model.usual_seed is None else model.usual_seed)
        self.tasks[task.id] = task
        if task.failure is None:
            self._work_on(task, form, partial(_make, model, fields, seed, pictures, mask))
        return envelope(200, "success", {"taskId": task.id, "recordId": task.id})

    def _work_on(self, task: Task, form: str, make: Callable[[], list[Image.Image]]) -> None:
        """Make the pictures of a task."""
        for place, made in enumerate(make()):
            path = f"results/{task.id}/{place}.{form}"
            self._files[path] = (encode(made, form), f"image/{form}")
            task.results.append(path)

    def _own(self, link: str) -> bytes:
        """The file behind an address, which must have been uploaded here."""
        start = f"{self.url('files')}/"
        path = link.removeprefix(start)
        if not link.startswith(f"{start}uploads/") or path not in self._files:
            raise refuse(422, "an input image cannot be fetched: it was not uploaded here")
        return self._files[path][0]

    def _stand(self, received: Received, family: str) -> tuple[Task, int]:
        """The task that is asked about, and its place in `STATES`."""
        self._check_key(received)
        task = self.tasks.get(received.query.get("taskId", ""))
        if task is None or task.family != family or task.hidden > 0:
            if task is not None:
                task.hidden -= 1
            raise refuse(422, "recordInfo is null")
        place = min(task.polls, LAST) if self.seconds is None else LAST - 1
        if self.seconds is not None and time.monotonic() - task.began >= self.seconds:
            place = LAST
        task.polls += 1
        if place == LAST and not task.settled:
            task.settled = True
            if task.failure is None:
                self.credits -= task.credits
                self.charges.append((task.id, task.credits))
        return task, place

    def _poll_market(self, received: Received) -> Answer:
        task, place = self._stand(received, "market")
        failure = task.failure if place == LAST else None
        done = place == LAST and failure is None
        # as recorded in September 2026: no progress, and the credits stand there from the beginning
        result = {"resultUrls": self._links(task)} if done else None
        param = json.dumps({"model": task.model, "input": json.dumps(task.fields)})
        record = {
            "taskId": task.id,
            "model": task.model,
            "state": "fail" if failure else STATES[place],
            "param": param,
            "resultJson": json.dumps(result) if result else "",
            "failCode": failure[0] if failure else None,
            "failMsg": failure[1] if failure else None,
            "costTime": 15 if place == LAST else None,
            "completeTime": CREATED + 15000 if place == LAST else None,
            "createTime": CREATED,
            "creditsConsumed": 0.0 if failure else task.credits,
            "operationType": task.model,
            "successFlag": FAILED_FLAG["market"] if failure else int(done),
            "paramJson": param,
        }
        return envelope(200, "success", record | ({"response": result} if result else {}))

    def _poll_flux_kontext(self, received: Received) -> Answer:
        return self._poll_flagged(received, "flux_kontext")

    def _poll_gpt4o(self, received: Received) -> Answer:
        return self._poll_flagged(received, "gpt4o")

    def _poll_flagged(self, received: Received, family: str) -> Answer:
        """The two interfaces with a `successFlag`; neither says what was charged."""
        task, place = self._stand(received, family)
        failure = task.failure if place == LAST else None
        flag = FAILED_FLAG[family] if failure else int(place == LAST)
        record: dict[str, Any] = {
            "taskId": task.id,
            "paramJson": json.dumps(task.fields),
            "response": None,
            "successFlag": flag,
            "errorCode": failure[0] if failure else None,
            "errorMessage": failure[1] if failure else "",
        }
        links = self._links(task)
        if family == "gpt4o":
            status = {0: "GENERATING", 1: "SUCCESS"}.get(flag, "GENERATE_FAILED")
            record |= {"status": status, "progress": ("0.00", "0.25", "0.50", "1.00")[place]}
            made: dict[str, Any] = {"resultUrls": links}
        else:
            made = {"originImageUrl": "https://gone.example/0.png", "resultImageUrl": "".join(links)}
        if flag == 1:
            record["response"] = made
        return envelope(200, "success", record)

    def _links(self, task: Task) -> list[str]:
        return [f"{self.url('files')}/{name}?sig=signed-{task.id}" for name in task.results]

    def _credit(self, received: Received) -> Answer:
        self._check_key(received)
        return envelope(200, "success", self.credits)

    def _upload(self, received: Received) -> Answer:
        self._check_key(received)
        parts = {part.name: part for part in received.parts()}
        if stray := sorted(set(parts) - {"file", "uploadPath", "fileName"}):
            raise refuse(400, f"{stray[0]} is not a known field")
        if "file" not in parts or "uploadPath" not in parts:
            raise refuse(400, "file and uploadPath are required")
        folder = parts["uploadPath"].data.decode("utf-8")
        name = parts["fileName"].data.decode("utf-8") if "fileName" in parts else parts["file"].filename
        path = f"uploads/{folder}/{name}"
        if folder.strip("/") != folder or not name.lower().endswith((".png", ".jpg", ".jpeg", ".webp")):
            raise refuse(400, "uploadPath must have no slash at its ends, and the file a picture's extension")
        if path in self._files:
            raise refuse(400, "this file name was used before; its cached content would be served")
        mime = _checked_mime(parts["file"])
        self._files[path] = (parts["file"].data, mime)
        stored = {
            "fileName": name,
            "filePath": f"{folder}/{name}",
            "downloadUrl": f"{self.url('files')}/{path}",
            "fileSize": len(parts["file"].data),
            "mimeType": mime,
            "uploadedAt": "2026-01-01T12:00:00.000Z",
        }
        return Answer.of({"success": True, "code": 200, "msg": "File uploaded successfully", "data": stored})

    def _download(self, received: Received) -> Answer:
        found = self._files.get(received.groups["name"])
        if found is None:
            return Answer(404, b"<html>not found</html>", {"Content-Type": "text/html"})
        return Answer(200, found[0], {"Content-Type": found[1]})


def _checked_mime(file: Part) -> str:
    """The media type of an uploaded picture, which must be the one that was said."""
    try:
        mime = f"image/{str(look(file.data).format).lower()}"
    except OSError:
        raise refuse(400, "the file is not a picture") from None
    if len(file.data) > INPUT_LIMIT or file.mime != mime:
        raise refuse(400, "the file is too large, or its type is not what was said")
    return mime


def _make(
    model: Model, fields: Mapping[str, Any], seed: object, pictures: list[Image.Image], mask: Image.Image | None
) -> list[Image.Image]:
    """The pictures a task makes."""
    size = model.size(fields, pictures[0].size if pictures else (1024, 1024))
    if mask is not None:
        return [repaint(pictures[0], mask.resize(pictures[0].size), darker=False)]
    if model.kind == "cut_out":
        return [cut_out(pictures[0])]
    if model.kind == "enlarge":
        return [pictures[0].resize(size)]
    if fields.get("background") == "transparent":
        return [cut_out(draw(size, (sorted(fields), seed)))]
    return [draw(size, (sorted(fields), seed, place)) for place in range(model.count(fields))]


def main() -> None:
    """Serve by hand."""
    serve_by_hand(KieEmulator(seconds=seconds_given()), "kie", "KIE_API_KEY")


if __name__ == "__main__":
    main()
