"""Every vendor that is asked how a task stands or gives links, and every odd answer: one such answer, and then well.

Each row is a job of its own at the real provider and its emulator. Its picture arrives: in the process that met the odd
answer, and in the next where that process died right after it. Nothing fails, nothing is sent twice, and where a person
has to act the caller reads it before the next try.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import pytest

from imagewright.engine import deliver, trouble, waiting
from imagewright.engine.job import Job
from imagewright.providers.base import Finished, Handle, Order, Output
from imagewright.providers.http.client import SECONDS, HttpClient
from imagewright.providers.http.request import Purpose
from imagewright.storage.accounts import LOCAL
from tests.emulators.messages import Answer, truncated
from tests.support.engine_bench import Bench, Vendor, open_bench, place, plan_for
from tests.support.faults import QUICK
from tests.support.pictures import photo
from tests.support.poll_answers import ANYWHERE, DOUBTFUL, PASSING, REPORTED, RUNNING, Means, Rows, answered
from tests.support.provider_runs import handed_over, plain_order
from tests.support.vendors import QUEUES, VENDORS, opened, submitted_to, wired

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
    from pathlib import Path

    from imagewright.engine.plan import Plan
    from imagewright.providers.base import Provider, Route, Running
    from imagewright.providers.sending import Sending
    from tests.emulators.messages import Fault
    from tests.support.vendors import AnyEmulator

    Step = tuple[str, Mapping[str, tuple[Fault, Means]]]
    """The door, and what happens there once, by row."""

pytestmark = pytest.mark.anyio
A = TypeVar("A")

ALL = 60.0
"""Seconds for all jobs of a table."""
SILENT = 2.0
"""Seconds after which a poll that nobody answers is given up."""
SURVIVED = (DOUBTFUL, REPORTED, PASSING, RUNNING)
"""What is no end, if it comes once."""
OLDER_TASKS: Rows = {
    "not known": (answered(200, {"output": {"task_id": "t", "task_status": "UNKNOWN"}}), PASSING),
    "a new status": (answered(200, {"output": {"task_status": "DREAMING"}}), RUNNING),
    "done, nothing": (answered(200, {"output": {"task_status": "SUCCEEDED", "results": []}}), DOUBTFUL),
    "done, null": (answered(200, {"output": {"task_status": "SUCCEEDED", "results": None}}), DOUBTFUL),
    "done, an empty link": (
        answered(200, {"output": {"task_status": "SUCCEEDED", "results": [{"url": ""}]}}),
        DOUBTFUL,
    ),
    "key": (answered(401, {"code": "InvalidApiKey", "message": "m"}), REPORTED),
    "no money": (answered(400, {"code": "Arrearage", "message": "m"}), REPORTED),
    "too fast": (answered(429, {"code": "Throttling", "message": "m"}), PASSING),
    "a field": (answered(400, {"code": "InvalidParameter", "message": "m"}), REPORTED),
    "their error": (answered(500, {"code": "InternalError", "message": "m"}), PASSING),
}
"""Of dashscope, where only tasks that an older release has begun are asked about."""
POLLS: Mapping[tuple[str, str], Rows] = {
    (name, door): rows for name, queue in QUEUES.items() for door, rows in queue.answers.items()
} | {("dashscope", "poll"): OLDER_TASKS}
"""What each vendor answers in its own words, by the vendor and the door."""
SILENCE = {"silence": (Answer.hang(), PASSING)}

MOST_MOVES = 5
"""Answers to one fetch, each of which may lead to the next."""
PNG = {"Content-Type": "image/png"}
PICTURE = photo(64, 48)
LINKS: Mapping[str, Fault] = {
    **{f"HTTP {status}": Answer(status) for status in (300, 304, 400, 401, 402, 403, 404, 405, 407, 408, 410, 418)},
    **{f"HTTP {status}": Answer(status, b"<html>", {"Content-Type": "text/html"}) for status in (429, 500, 502, 503)},
    "moved, to a good place": Answer(302, b"", {"Location": "#there"}),
    "moved for good": Answer(301, b"", {"Location": "#there"}),
    "moved, to a dead place": Answer(302, b"", {"Location": "http://127.0.0.1:1/"}),
    "moved, to a portal": Answer(302, b"", {"Location": "http://10.0.0.1/login"}),
    "moved, nowhere": Answer(302),
    "a page": Answer(200, b"<html>Sign in</html>", {"Content-Type": "text/html"}),
    "a page with an image's type": Answer(200, b"<html>Sign in</html>", PNG),
    "words": Answer(200, b"not found", {"Content-Type": "text/plain"}),
    "an error in JSON": Answer.of({"error": "not yet"}),
    "a picture called text": lambda answer: _called(answer, "text/plain"),
    "a picture called JSON": lambda answer: _called(answer, "application/json"),
    "a picture called another": lambda answer: _called(answer, "image/gif"),
    "a picture called anything": lambda answer: _called(answer, "application/octet-stream"),
    "a picture without a type": lambda answer: _called(answer, ""),
    "nothing": Answer(200, b"", PNG),
    "packed": lambda answer: replace(answer, headers={**answer.headers, "Content-Encoding": "gzip"}),
    "short": lambda answer: replace(answer, body=answer.body[:-20]),
    "cut short": truncated,
    "broken off": Answer.reset(),
}
"""What a link can lead to once. Silence is tried in `test_resume`: here it could not be told from a busy machine."""


def _called(answer: Answer, kind: str) -> Answer:
    return replace(answer, headers={**answer.headers, "Content-Type": kind})


def _small(answer: Answer) -> Answer:
    """A small picture where there is one: what it shows does not matter here, and it is soon read."""
    if answer.status != 200:
        return answer
    return replace(answer, body=PICTURE, headers={**answer.headers, **PNG})


def _of_small(fault: Fault) -> Fault:
    """The fault, of a small picture where it spoils one."""
    return fault if isinstance(fault, Answer) else lambda answer: fault(_small(answer))


@dataclass
class Met:
    """What became of a row."""

    times: int = 0
    """How often the step was tried."""
    trouble: str = ""
    """What the caller read when it was tried for the second time."""


class Real(Vendor):
    """A real provider whose every job meets the fault of its row once, at its first poll or its first fetch."""

    def __init__(self, provider: Provider, emulator: AnyEmulator, step: Step, *, polls: bool, dies: bool) -> None:
        super().__init__(provider.name)
        self.provider = provider
        self.routes = provider.routes
        self.poll_policy = replace(Vendor.poll_policy, keeps=provider.poll_policy.keeps)
        self.emulator = emulator
        self.door, self.rows = step
        self.polls = polls
        """Whether the fault is met when it is asked how the task stands; else when the picture is fetched."""
        self.dies = dies
        """Whether the process dies after that: then there is no second try."""
        self.met = {row: Met() for row in self.rows}
        self.jobs: dict[str, Job] = {}
        """By row."""
        self.begun = anyio.Event()
        """All of them are there."""
        self._row: dict[str, str] = {}
        """By what is known of a job at each step."""
        self._turn = anyio.Lock()
        """One at a time, so that each meets its own fault."""

    def plan(self, row: str, route: Route) -> Plan:
        """The plan of a row's job."""
        plain = plain_order(route)
        order = replace(plain, arguments={**plain.arguments})
        self._row[f"{id(order.arguments)}"] = row  # they stay what they are when its pictures go to the spool and back
        self.orders.append(order)  # so that the id stays its own
        return replace(plan_for(self, row), route=route, orders=(order,))

    async def submit(self, order: Order, sending: Sending | None = None) -> Handle | Finished:
        row = self._row[f"{id(order.arguments)}"]
        answer = await self._submitted(await handed_over(self.provider, order), sending)
        if isinstance(answer, Handle):
            self._row[f"{answer.data}"] = row
        return self._seen(answer, row)

    async def _submitted(self, order: Order, sending: Sending | None) -> Handle | Finished:
        return await self.provider.submit(order, sending)

    def _seen(self, answer: A, row: str) -> A:
        for output in answer.outputs if isinstance(answer, Finished) else ():
            self._row[output.url] = row
        return answer

    async def poll(self, handle: Handle) -> Running | Finished:
        row = self._row.get(f"{handle.data}", "")
        answer: Running | Finished = await self._meet(row, self.polls, lambda: self.provider.poll(handle))
        return self._seen(answer, row)

    async def fetch(self, output: Output, into: Path, **more: Any) -> None:
        await self._meet(
            self._row.get(output.url, ""), not self.polls, lambda: self.provider.fetch(output, into, **more)
        )

    async def _meet(self, row: str, here: bool, carry_out: Callable[[], Awaitable[Any]]) -> Any:  # noqa: FBT001 - within
        if not here or row not in self.met:
            return await carry_out()
        await self.begun.wait()
        met = self.met[row]
        met.times += 1
        if met.times == 2:
            met.trouble = self.jobs[row].trouble
        if met.times > 1 and self.dies:
            await anyio.sleep_forever()
        async with self._turn:
            if not self.polls:
                self.emulator.heal(self.door)
            if met.times == 1:
                self.emulator.fail_next(self.door, _of_small(self.rows[row][0]))
            if not self.polls:
                self.emulator.fail_next(self.door, _small, times=MOST_MOVES)
            return await carry_out()


class Older(Real):
    """A provider one of whose older releases has begun tasks, at a vendor that had another interface then."""

    async def _submitted(self, order: Order, sending: Sending | None) -> Handle:
        answer = await self.provider.submit(order, sending)
        assert isinstance(answer, Finished)
        task = f"t{len(self.emulator.tasks)}"
        self.emulator.tasks[task] = {"task_status": "SUCCEEDED", "results": [{"url": answer.outputs[0].url}]}
        return Handle(self.name, {"task": task})


class Late(Real):
    """A provider whose first link to each picture has died before it is followed."""

    async def poll(self, handle: Handle) -> Running | Finished:
        met = self.met.get(self._row.get(f"{handle.data}", ""))
        self.emulator.link_seconds = -1.0 if met and not met.times else 600.0
        return await super().poll(handle)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Milliseconds where a vendor is given seconds."""
    monkeypatch.setattr(trouble, "TROUBLE_PAUSE", 0.001)
    monkeypatch.setattr(trouble, "LONGEST_PAUSE", 0.002)
    monkeypatch.setattr(trouble, "FETCH_PAUSE", 0.001)
    monkeypatch.setattr(deliver, "BROKEN_PAUSES", (0.001, 0.001, 0.001))
    # where the process is to die, its polls wait for that, and must not keep the others from being asked
    monkeypatch.setattr(waiting, "AT_ONCE", 1000)


@pytest.fixture
async def http() -> AsyncIterator[HttpClient]:
    """A sender that tries nothing twice by itself, so that the engine meets every answer."""
    once = replace(QUICK, resends=0)
    sender = HttpClient(retry=once, download_retry=once, seconds={**SECONDS, Purpose.POLL: SILENT})
    yield sender
    await sender.aclose()


async def _begin(bench: Bench, vendor: Real, route: Route) -> None:
    for row in vendor.rows:
        plan = vendor.plan(row, route)
        job = await bench.jobs.begin(plan, LOCAL, fingerprint=row, key="", caps=(), registry=bench.registry)
        assert isinstance(job, Job)
        vendor.jobs[row] = job
    vendor.begun.set()


async def _met_by_all(vendor: Real) -> None:
    """Return once every job has met its fault and tries again."""
    with anyio.fail_after(ALL):
        while not all(met.times > 1 or vendor.jobs[row].done for row, met in vendor.met.items()):  # noqa: ASYNC110 - as in `until`
            await anyio.sleep(0.005)


async def _check(bench: Bench, vendor: Real, jobs: Mapping[str, Job]) -> None:
    """Every job has its picture, and nothing was sent twice."""
    with anyio.move_on_after(ALL):
        for job in jobs.values():
            await job.ended()
    ends = {row: (job.record.state, len(job.pictures), job.error) for row, job in jobs.items()}
    assert ends == dict.fromkeys(jobs, ("completed", 1, None))
    assert all(place(job.pictures[0]).stat().st_size for job in jobs.values())
    calls = [(await bench.record(job.id)).calls for job in jobs.values()]
    assert {call.state.value for one in calls for call in one} == {"kept"}
    assert submitted_to(vendor.name, vendor.emulator) == len(jobs)


async def _try(
    home: Path, http: HttpClient, name: str, step: Step, *, polls: bool, dies: bool, kind: type[Real] = Real
) -> Real:
    """All rows of a step at a vendor; where the process dies, another carries them on."""
    vendor = VENDORS[name]
    own = vendor.queue or vendor.at_once
    assert own is not None
    kind = Older if polls and vendor.queue is None else kind
    with opened([name]) as emulators:
        emulator = emulators[name]
        # done at a later poll, as some say of one that is done at once already when it is created; but it must be done
        # where another door is asked about its result
        seconds = None if step[0] in vendor.polls[:1] else 0.0
        for attribute, value in {"seconds": seconds, "active": 10_000, **(vendor.links or {})}.items():
            setattr(emulator, attribute, value)
        if polls:
            emulator.fail_next("download", _small, times=2 * len(step[1]))
        provider = wired(name, emulator, http)
        real = kind(provider, emulator, step, polls=polls, dies=dies)
        async with open_bench(home, real) as bench:
            await _begin(bench, real, own.plain)
            if not dies:
                await _check(bench, real, real.jobs)
                return real
            await _met_by_all(real)
            await bench.crash()
        successor = kind(provider, emulator, (step[0], {}), polls=polls, dies=False)
        if not polls:
            emulator.fail_next("download", _small, times=len(step[1]))
        async with open_bench(home, successor) as bench:
            found = {row: await bench.find(job.id) for row, job in real.jobs.items()}
            while any(not job.is_local and not job.done for job in found.values()):
                await bench.jobs.reclaim()  # so many at a time
            await _check(bench, successor, found)
    return real


@pytest.mark.parametrize("dies", [False, True], ids=["", "killed"])
@pytest.mark.parametrize(("name", "door"), POLLS)
async def test_one_odd_answer_to_a_poll_costs_no_picture(
    name: str, door: str, home: Path, http: HttpClient, *, dies: bool
) -> None:
    rows = {row: one for row, one in (ANYWHERE | POLLS[name, door] | SILENCE).items() if one[1] in SURVIVED}
    real = await _try(home, http, name, (door, rows), polls=True, dies=dies)
    reported = {row: bool(met.trouble) for row, met in real.met.items()}
    assert reported == {row: means is REPORTED for row, (_, means) in rows.items()}
    assert all("do not call again" in met.trouble for met in real.met.values() if met.trouble)


@pytest.mark.parametrize("dies", [False, True], ids=["", "killed"])
@pytest.mark.parametrize("name", [name for name, vendor in VENDORS.items() if vendor.links is not None])
async def test_one_odd_answer_to_a_download_costs_no_picture(
    name: str, home: Path, http: HttpClient, *, dies: bool
) -> None:
    rows = {row: (fault, PASSING) for row, fault in LINKS.items()}
    await _try(home, http, name, ("download", rows), polls=False, dies=dies)


@pytest.mark.parametrize("dies", [False, True], ids=["", "killed"])
@pytest.mark.parametrize("name", [name for name in QUEUES if VENDORS[name].expires])
async def test_a_link_that_has_died_is_had_anew(name: str, home: Path, http: HttpClient, *, dies: bool) -> None:
    rows: Mapping[str, tuple[Fault, Means]] = {"died": (lambda answer: answer, PASSING)}
    late = await _try(home, http, name, ("download", rows), polls=False, dies=dies, kind=Late)
    links = [str(one.query) for one in late.emulator.received("download")]
    assert len(set(links)) == 2  # the dead one, and a fresh one
