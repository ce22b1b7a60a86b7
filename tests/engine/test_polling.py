"""How often a vendor is asked, what ends a call and what does not, and what the caller sees meanwhile."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import pytest

from imagewright.engine.run import Readiness, get_ready
from imagewright.engine.trouble import LEAST_PATIENCE
from imagewright.engine.waiting import Poller
from imagewright.errors import (
    BadKey,
    ContentRefused,
    GenerationFailed,
    ImagewrightError,
    OutOfCredit,
    ProviderError,
    RateLimited,
    RequestRejected,
    ResultLost,
    TaskEnded,
    TookTooLong,
    UnknownOutcome,
    VendorUnavailable,
)
from imagewright.providers.base import Finished, Handle, Output, PollPolicy, Running
from tests.support.engine_bench import Vendor

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.anyio
HOUR, DAY = 3600.0, 86_400.0
POLL_POLICY = PollPolicy(first=1.0, factor=2.0, longest=3.0, patience=30 * DAY)
HANDLE = Handle("vendor", {"task": "t1", "count": "1"})
BUSY = Running(0.5, "working")
DONE = Finished((Output(url="https://vendor.example/1"),))
LATER = VendorUnavailable("vendor", "restarting", retry_after=4.0)
MUCH_LATER = RateLimited("vendor", "slow down", retry_after=HOUR)
DOWN = VendorUnavailable("vendor", "no route to host")
KEY = BadKey("vendor", "no access", charged=None)
FAILED = TaskEnded(GenerationFailed("vendor", "no luck"))
NOTHING = TaskEnded(ResultLost("vendor", "names no picture", charged=None), sure=False)
Answer = Running | Finished | Exception


@dataclass(frozen=True)
class Asked:
    """A call of some age, what the vendor answers, and the seconds waited before each question."""

    age: float
    answers: tuple[Answer, ...]
    waits: tuple[float, ...]


ASKED = {
    "slower and slower": Asked(0.0, (BUSY, BUSY, BUSY, DONE), (1.0, 2.0, 3.0, 3.0)),
    "as late as the vendor says": Asked(0.0, (LATER, DONE), (1.0, 4.0)),
    "a minute later where the vendor says an hour": Asked(0.0, (MUCH_LATER, DONE), (1.0, 60.0)),
    "more and more seldom while there is trouble, and then as before": Asked(
        0.0, (BUSY, *[DOWN] * 8, BUSY, DONE), (1.0, 2.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 3.0)
    ),
    "seldom, once it takes too long": Asked(1_000.0, (BUSY, BUSY, DONE), (0.0, 60.0, 60.0)),
    "at once where another process has waited already": Asked(2.0, (BUSY, BUSY, DONE), (0.0, 3.0, 3.0)),
    "once more after a night": Asked(90_000.0, (DONE,), (0.0,)),
    "three times more where the end may be a slip": Asked(0.0, (*[NOTHING] * 3, DONE), (1.0, 20.0, 40.0, 60.0)),
    "anew where it goes on after such an end": Asked(
        0.0, (NOTHING, NOTHING, BUSY, NOTHING, DONE), (1.0, 20.0, 40.0, 2.0, 20.0)
    ),
    "as often where there is trouble between": Asked(0.0, (NOTHING, DOWN, NOTHING, DONE), (1.0, 20.0, 1.0, 40.0)),
}
NOTICED: dict[str, tuple[Exception, str]] = {
    "key": (KEY, "vendor did not accept the API key: 'no access'. "),
    "money": (OutOfCredit("vendor"), "vendor reports that the account has no credit left. "),
    "redirect": (RequestRejected("vendor", "HTTP 302: it redirects"), "vendor did not accept the request: 'HTTP 302"),
    "unreadable": (
        ProviderError("vendor", "its answer cannot be read"),
        "vendor cannot be asked how the picture stands: 'its answer cannot be read'. ",
    ),
    "content, not of the task": (ContentRefused("vendor", "flagged"), "vendor refused the content: 'flagged'. "),
    "an odd one": (UnknownOutcome("vendor"), "vendor may or may not have received the request"),
    "not a vendor's": (ImagewrightError("x"), "the answer of vendor cannot be worked with (ImagewrightError)"),
    **{
        bug.__name__: (bug("secret"), f"the answer of vendor cannot be worked with ({bug.__name__}); the server's log")
        for bug in (KeyError, RecursionError, OverflowError, TypeError, OSError)
    },
}


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What was waited, on a clock that only waiting moves."""
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr(anyio, "sleep", sleep)
    monkeypatch.setattr(anyio, "current_time", lambda: sum(waited))
    return waited


async def nothing_known(_provider: str, _model: str, _limit: int) -> list[float]:
    return []


class Call:
    """One call of some age and what was reported of it."""

    def __init__(self, *answers: Answer, age: float = 0.0, poll_policy: PollPolicy = POLL_POLICY) -> None:
        self.heard: list[tuple[str, str]] = []
        self.vendor = answering(*answers)
        self.vendor.poll_policy = poll_policy
        self._begun = time.time() - age

    async def end(self, provider_now: Callable[[], Vendor] | None = None) -> Finished:
        def tell(running: Running, trouble: str) -> None:
            self.heard.append((running.stage, trouble))

        now = provider_now or (lambda: self.vendor)
        finished, _ = await Poller(nothing_known, lambda: 0.0).poll_until_done(
            self.vendor, HANDLE, tell, self._begun, now
        )
        return finished


def answering(*answers: Answer) -> Vendor:
    vendor = Vendor()

    def happening(answer: object) -> object:
        async def give() -> object:
            return answer

        return answer if isinstance(answer, Exception) else give

    vendor.then("poll", *map(happening, answers))
    return vendor


@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED)
async def test_the_vendor_is_asked(asked: Asked, waits: list[float]) -> None:
    assert await Call(*asked.answers, age=asked.age).end() is DONE
    assert tuple(waits) == asked.waits


async def test_the_vendors_word_on_the_task_ends_it_at_once(waits: list[float]) -> None:
    with pytest.raises(GenerationFailed, match="no luck"):
        await Call(BUSY, FAILED).end()
    assert waits == [1.0, 2.0]


async def test_an_end_that_may_be_a_slip_is_believed_after_two_minutes(waits: list[float]) -> None:
    call = Call(*[NOTHING] * 4)
    with pytest.raises(ResultLost, match="names no picture"):
        await call.end()
    assert waits == [1.0, 20.0, 40.0, 60.0]
    assert call.heard == [("asking vendor again: 'names no picture'", "")] * 3


@pytest.mark.parametrize("row", NOTICED)
@pytest.mark.usefixtures("waits")
async def test_trouble_of_any_class_is_reported_and_ends_nothing(row: str, caplog: pytest.LogCaptureFixture) -> None:
    error, says = NOTICED[row]
    call = Call(BUSY, error, error, BUSY, DONE)
    with caplog.at_level(logging.WARNING):
        assert await call.end() is DONE
    before, first, second, after = (trouble for _, trouble in call.heard)
    assert (before, after) == ("", "")
    assert first == second
    assert first.startswith(says)
    for part in ("the job goes on", "the picture arrives by itself: do not call again", "keeps a result for 24 hours"):
        assert part in first
    assert "secret" not in first
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    ("error", "advice"), [(KEY, "doctor"), (OutOfCredit("vendor"), "Top up"), (NOTICED["redirect"][0], "sign-in")]
)
@pytest.mark.usefixtures("waits")
async def test_what_a_person_can_do_about_it_is_reported(error: Exception, advice: str) -> None:
    call = Call(error, DONE)
    await call.end()
    assert advice in call.heard[0][1]


@pytest.mark.parametrize("error", [MUCH_LATER, DOWN, VendorUnavailable("vendor", "the task is not visible yet")])
@pytest.mark.usefixtures("waits")
async def test_trouble_that_passes_only_shows_in_the_stage(error: ProviderError) -> None:
    call = Call(error, DONE)
    assert await call.end() is DONE
    assert call.heard == [(f"asking vendor again: '{error.detail}'", "")]


@pytest.mark.usefixtures("waits")
async def test_the_vendors_words_cannot_pass_for_ours_in_the_stage() -> None:
    call = Call(VendorUnavailable("vendor", "busy'). It was cancelled. ('", spoken=True), DONE)
    await call.end()
    assert call.heard == [("asking vendor again; the vendor says: 'busy\u2019). It was cancelled. (\u2019'", "")]


@pytest.mark.parametrize("error", [DOWN, KEY, OSError()], ids=["network", "key", "bug"])
async def test_days_of_trouble_lose_nothing_while_the_vendor_keeps_the_result(
    error: Exception, waits: list[float]
) -> None:
    call = Call(*[error] * 4_000, DONE, poll_policy=replace(POLL_POLICY, keeps=14 * DAY))
    assert await call.end() is DONE
    assert 2.5 * DAY < sum(waits) < 3 * DAY
    assert max(waits) == 60.0


@pytest.mark.parametrize(
    ("keeps", "age", "says"),
    [(14 * DAY, 15 * DAY, "not finished after 14 days"), (HOUR, 90_000.0, "not finished after 24 hours")],
)
@pytest.mark.parametrize(("last", "also"), [(BUSY, "'"), (DOWN, "; vendor cannot be reached")], ids=["busy", "down"])
async def test_the_deadline_is_when_no_result_is_kept_any_more(  # noqa: PLR0917 - columns of two tables
    keeps: float, age: float, says: str, last: Answer, also: str, waits: list[float]
) -> None:
    with pytest.raises(TookTooLong) as caught:
        await Call(*[last] * 100, age=age, poll_policy=replace(POLL_POLICY, keeps=keeps)).end()
    assert says + also in str(caught.value)
    assert LEAST_PATIENCE < sum(waits) < LEAST_PATIENCE + 61.0


@pytest.mark.parametrize("last", [BUSY, DOWN, KEY], ids=["busy", "down", "key"])
@pytest.mark.usefixtures("waits")
async def test_a_job_picked_up_after_the_deadline_is_asked_about_for_a_while(last: Answer) -> None:
    # the clock may be wrong, and after a laptop's sleep the network comes back last
    assert await Call(*[last] * 10, DONE, age=365 * DAY).end() is DONE


async def test_what_ended_without_a_picture_is_not_doubted_beyond_the_deadline(waits: list[float]) -> None:
    with pytest.raises(ResultLost):
        await Call(NOTHING, DONE, age=90_000.0).end()
    assert waits == [0.0]


@pytest.mark.usefixtures("waits")
@pytest.mark.parametrize("jump", [25 * HOUR, -25 * HOUR])
async def test_a_clock_that_is_set_meanwhile_ends_nothing(jump: float, monkeypatch: pytest.MonkeyPatch) -> None:
    real = time.time

    async def set_clock() -> Running:
        monkeypatch.setattr(time, "time", lambda: real() + jump)
        return BUSY

    call = Call()
    call.vendor.then("poll", set_clock)
    assert isinstance(await call.end(), Finished)
    assert len(call.vendor.asked) == 2


@pytest.mark.usefixtures("waits")
async def test_after_trouble_the_provider_is_taken_as_it_is_set_up_then() -> None:
    call, second, third = Call(BUSY, KEY), answering(KEY), answering(BUSY, DONE)
    set_up = iter((second, third))
    assert await call.end(lambda: next(set_up)) is DONE
    assert [len(vendor.asked) for vendor in (call.vendor, second, third)] == [2, 1, 2]


@pytest.mark.usefixtures("waits")
async def test_a_key_of_another_account_does_not_take_the_task_away_from_its_own() -> None:
    gone = VendorUnavailable("vendor", "no such task", charged=None)
    call, other = Call(BUSY, gone, BUSY, DONE), answering(*[gone] * 9)
    other.account = "another"
    assert await call.end(lambda: other) is DONE
    assert (len(call.vendor.asked), len(other.asked)) == (4, 1)


@pytest.mark.usefixtures("waits")
async def test_a_key_that_is_not_valid_any_more_is_left_for_that_of_another_account() -> None:
    call, other = Call(KEY, KEY, KEY), answering(BUSY, DONE)
    other.account = "another"
    assert await call.end(lambda: other) is DONE
    assert (len(call.vendor.asked), len(other.asked)) == (1, 2)


async def test_what_cannot_be_started_ahead_of_the_first_call_is_left_to_it() -> None:
    asked = []

    class Unready:
        async def get_ready(self) -> None:
            asked.append(self)
            raise OSError("no process can be started")

    await get_ready(Unready())
    assert len(asked) == 1


async def test_what_calls_need_is_started_once_for_many_and_for_several_providers_only_if_each_needs_it() -> None:
    started: list[str] = []

    class Ready:
        def __init__(self, name: str) -> None:
            self.name = name

        async def get_ready(self) -> None:
            started.append(self.name)

    providers = {"fal": Ready("fal"), "kie": Ready("kie"), "offline": object()}
    async with anyio.create_task_group() as group:
        readiness = Readiness(group)
        for names in (["kie", "offline"], ["kie", "fal", "kie"], ["kie"], ["fal", "fal"], ["kie"]):
            readiness.expect(providers, names)
        for _ in range(5):
            await anyio.lowlevel.checkpoint()
        group.cancel_scope.cancel()
    assert started == ["kie", "fal"]
