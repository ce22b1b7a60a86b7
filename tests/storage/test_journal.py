from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from threading import Barrier
from typing import TYPE_CHECKING, Any

import pytest

from imagewright.storage.database import Database
from imagewright.storage.journal import REPEAT_SECONDS, ForgottenJobError, Journal, LostLeaseError
from imagewright.storage.journal_entry import CallEntry
from imagewright.storage.states import CallState
from tests.storage.journal_rows import LEASE, NOW, ended, job, opened

if TYPE_CHECKING:
    from collections.abc import Callable

SERVER = Path(__file__).parents[2] / "server"


def test_nothing_is_made_on_disk_by_looking(journal: Journal, file: Path) -> None:
    assert journal.get("job_1") is None
    assert journal.newest(10) == []
    assert journal.expired(now=NOW, providers=("somebody",)) == {}
    assert journal.spent(0.0).usd == 0.0
    journal.release("me")
    assert not file.exists()


def test_a_job_is_read_back_as_it_was_written(journal: Journal) -> None:
    calls = (
        CallEntry(number=0, count=2, arguments={"prompt": "föx", "seed": 7}),
        CallEntry(number=1, first_variant=3, arguments={"prompt": "föx"}),
    )
    entry = job(calls=calls, key="k", reserved_usd=0.25, notes=("A note.",), expected=3, cost_usd=0.25)
    assert opened(journal, entry).entry == entry
    assert journal.get(entry.id) == entry


def test_steps_and_the_end_are_read_back(journal: Journal) -> None:
    entry = job()
    opened(journal, entry)
    products = ({"url": "https://files.example/1.png", "file": "", "seed": 3},)
    journal.move(entry.id, 0, CallState.SUBMITTING, owner="me")
    journal.move(entry.id, 0, CallState.SUBMITTED, owner="me", handle={"task": "t1"})
    journal.move(entry.id, 0, CallState.MADE, owner="me", products=products, cost_usd=0.5)
    journal.move(entry.id, 0, CallState.KEPT, owner="me", error={"kind": "failed", "text": "one is gone"})
    journal.finish(entry.id, "completed", owner="me", now=NOW + 5, cost_usd=0.5, cost_basis="actual", notes=["Done."])
    found = journal.get(entry.id)
    assert found is not None
    assert found.calls == (
        CallEntry(
            number=0,
            state=CallState.KEPT,
            handle={"task": "t1"},
            products=products,
            cost_usd=0.5,
            error={"kind": "failed", "text": "one is gone"},
        ),
    )
    assert (found.state, found.cost_usd, found.cost_basis, found.notes) == ("completed", 0.5, "actual", ("Done.",))
    assert (found.finished, found.owner, found.done) == (NOW + 5, "", True)


def test_what_is_settled_stays_settled(journal: Journal) -> None:
    ended(journal, job())
    with pytest.raises(LostLeaseError):
        journal.finish("job_1", "failed", owner="me", now=NOW, cost_usd=9.0, cost_basis="actual", notes=())
    with pytest.raises(LostLeaseError):
        journal.move("job_1", 0, CallState.SUBMITTING, owner="me")
    assert journal.adopt("you", ["job_1"], now=NOW + 1000, lease_until=NOW + 2000) == []


STEPS: dict[str, Callable[[Journal, str], object]] = {
    "move": lambda journal, who: journal.move("job_1", 0, CallState.SUBMITTING, owner=who),
    "replan": lambda journal, who: journal.replan(job(owner=who)),
    "finish": lambda journal, who: journal.finish(
        "job_1", "completed", owner=who, now=NOW, cost_usd=0.0, cost_basis="actual", notes=()
    ),
}


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_only_the_owner_can_go_on(journal: Journal, step: Callable[[Journal, str], object]) -> None:
    opened(journal, job())
    with pytest.raises(LostLeaseError):
        step(journal, "you")
    assert journal.get("job_1") == job()
    step(journal, "me")


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_a_journal_that_was_replaced_does_not_know_the_job(
    journal: Journal, step: Callable[[Journal, str], object]
) -> None:
    opened(journal, job("other"))
    with pytest.raises(ForgottenJobError, match="job_1"):
        step(journal, "me")


def test_another_provider_takes_the_place_of_the_first(journal: Journal) -> None:
    first = job(calls=(CallEntry(number=0), CallEntry(number=1)), notes=("one",))
    opened(journal, first)
    journal.move("job_1", 0, CallState.SUBMITTING, owner="me")
    journal.move("job_1", 0, CallState.FAILED, owner="me", error={"kind": "bad_key", "text": "no"})
    second = replace(first, provider="another", model="m2", calls=(CallEntry(number=0, count=2),), reserved_usd=1.5)
    journal.replan(second)
    assert journal.get("job_1") == second


def test_only_what_ran_out_can_be_adopted(journal: Journal) -> None:
    opened(journal, job())
    assert journal.expired(now=NOW + LEASE - 0.1, providers=("somebody",)) == {}
    assert journal.expired(now=NOW + LEASE + 0.1, providers=("somebody",)) == {"job_1": NOW + LEASE}
    assert journal.adopt("you", ["job_1"], now=NOW + LEASE - 0.1, lease_until=NOW + 30) == []
    (taken,) = journal.adopt("you", ["job_1"], now=NOW + LEASE + 0.1, lease_until=NOW + 30)
    assert taken == job(owner="you")
    with pytest.raises(LostLeaseError):
        journal.move("job_1", 0, CallState.SUBMITTING, owner="me")


def test_what_was_renewed_meanwhile_cannot_be_adopted(journal: Journal) -> None:
    opened(journal, job())
    assert "job_1" in journal.expired(now=NOW + 20, providers=("somebody",))
    journal.renew("me", ["job_1"], NOW + 40)
    assert journal.adopt("you", ["job_1"], now=NOW + 20, lease_until=NOW + 60) == []


def test_only_jobs_of_the_providers_at_hand_oldest_first(journal: Journal) -> None:
    for place, provider in enumerate(("a", "b", "c", "a")):
        opened(journal, job(str(place), provider=provider, created=NOW - place))
    found = journal.expired(now=NOW + 20, providers=("a", "c"))
    assert list(found) == ["job_3", "job_2", "job_0"]
    assert list(journal.expired(now=NOW + 20, providers=("a", "c"), most=2)) == ["job_3", "job_2"]
    assert journal.expired(now=NOW + 20, providers=()) == {}


def test_what_was_given_up_can_be_adopted_at_once(journal: Journal) -> None:
    opened(journal, job("1"))
    opened(journal, job("2", owner="you"))
    ended(journal, job("3"))
    journal.release("me")
    assert journal.expired(now=NOW, providers=("somebody",)) == {"job_1": 0.0}


def test_only_the_named_jobs_are_renewed(journal: Journal) -> None:
    for name in ("1", "2"):
        opened(journal, job(name))
    opened(journal, job("3", owner="you"))
    renewed = journal.renew("me", ["job_1", "job_3", "job_unheard_of"], NOW + 40)
    assert renewed.lost == {"job_3"}
    assert list(journal.expired(now=NOW + 20, providers=("somebody",))) == ["job_2", "job_3"]


def test_the_word_to_cancel_reaches_the_owner(journal: Journal) -> None:
    opened(journal, job("1"))
    ended(journal, job("2"))
    journal.ask_cancel("job_1")
    journal.ask_cancel("job_2")
    assert journal.renew("me", ["job_1"], NOW + 40).cancelled == {"job_1"}
    found = journal.get("job_2")
    assert found is not None
    assert not found.cancel_asked


def test_no_two_threads_get_the_same_job(file: Path) -> None:
    names = [f"job_{place}" for place in range(40)]
    with closing(Database(file)) as database:
        for name in names:
            opened(Journal(database), job(name.removeprefix("job_")))
    owners = [f"owner-{place}" for place in range(8)]
    start = Barrier(len(owners))

    def take(owner: str) -> list[str]:
        with closing(Database(file)) as database:
            start.wait()
            return [entry.id for entry in Journal(database).adopt(owner, names, now=NOW + 20, lease_until=NOW + 99)]

    with ThreadPoolExecutor(len(owners)) as pool:
        taken = [name for got in pool.map(take, owners) for name in got]
    assert sorted(taken) == sorted(names)


def test_no_two_processes_get_the_same_job(file: Path) -> None:
    with closing(Database(file)) as database:
        for place in range(40):
            Journal(database).open_job(job(str(place)), lease_until=1.0, now=NOW)
    script = str(Path(__file__).with_name("adopt_many.py"))
    processes = [
        subprocess.Popen(  # noqa: S603 - our own
            [sys.executable, script, str(file), owner],
            env={"PYTHONPATH": str(SERVER), "PATH": ""},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )
        for owner in ("one", "two", "three")
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    taken = [name for process in processes for name in json.loads(process.communicate(timeout=30)[0])]
    assert sorted(taken) == sorted(f"job_{place}" for place in range(40))


# A second call: which earlier job it is joined to.


def again(journal: Journal, now: float = NOW, **changes: Any) -> str:
    """The job that answers a call like `job_1`."""
    result = opened(journal, job("2", **{"fingerprint": "1", **changes}), now=now)
    answered = result.joined or result.entry
    assert answered is not None
    assert (result.joined is None) == (answered.id == "job_2")
    return answered.id


def test_the_same_call_while_the_first_runs_is_joined(journal: Journal) -> None:
    opened(journal, job(created=0.0))
    assert again(journal) == "job_1"
    assert journal.get("job_2") is None


@pytest.mark.parametrize(
    ("state", "usd", "joins"),
    [
        ("completed", 0.5, True),
        ("completed", 0.0, True),
        ("completed", None, True),
        ("failed", 0.0, False),
        ("failed", 0.5, True),  # it may have been charged: the caller has to be told first
        ("failed", None, True),
        ("cancelled", 0.0, False),
        ("cancelled", 0.5, True),
    ],
)
def test_the_same_call_after_an_end_that_nobody_saw(
    journal: Journal, state: str, usd: float | None, *, joins: bool
) -> None:
    ended(journal, job(), state, usd)
    assert again(journal) == ("job_1" if joins else "job_2")


@pytest.mark.parametrize("state", ["completed", "failed", "cancelled"])
def test_the_same_call_after_an_end_that_was_seen_is_new(journal: Journal, state: str) -> None:
    ended(journal, job(), state)
    journal.mark_seen("job_1", NOW)
    assert again(journal) == "job_2"


@pytest.mark.parametrize(
    ("moments", "later", "joins"),
    [
        ((24.0,), 2.0, True),
        ((24.0,), 23.9, True),
        ((24.0,), 24.0, False),
        ((24.0, 0.0), 2.0, False),  # told late and then told again in time: heard
        ((0.0, 24.0), 2.0, False),
        ((24.0, 60.0), 30.0, False),
        ((3600.0,), 3599.0, True),  # the doubt may last longer than that about an end that nobody was told
    ],
)
def test_the_same_call_after_an_end_that_was_told_late(
    journal: Journal, moments: tuple[float, ...], later: float, *, joins: bool
) -> None:
    ended(journal, job())
    for moment in moments:
        journal.mark_seen("job_1", NOW, moment)
    assert again(journal, NOW + later) == ("job_1" if joins else "job_2")


@pytest.mark.parametrize(("later", "joins"), [(47.9, True), (48.0, False)])
def test_each_identical_job_prolongs_the_doubt_whether_anybody_hears_the_answers(
    journal: Journal, later: float, *, joins: bool
) -> None:
    ended(journal, job("0", fingerprint="1"))
    journal.mark_seen("job_0", NOW)
    ended(journal, job("other"))
    ended(journal, job("refused", fingerprint="1"), "failed", usd=0.0)
    ended(journal, job())
    journal.mark_seen("job_1", NOW, 24.0)
    assert again(journal, NOW + later) == ("job_1" if joins else "job_2")


@pytest.mark.parametrize(("later", "joins"), [(REPEAT_SECONDS, True), (REPEAT_SECONDS + 0.1, False)])
def test_the_same_call_long_after_is_new(journal: Journal, later: float, *, joins: bool) -> None:
    ended(journal, job())
    assert again(journal, NOW + later) == ("job_1" if joins else "job_2")


def test_a_job_that_took_long_is_still_joined_when_it_has_just_ended(journal: Journal) -> None:
    ended(journal, job(created=NOW - 3600))
    assert again(journal) == "job_1"


def test_another_wording_or_seed_is_another_call(journal: Journal) -> None:
    opened(journal, job())
    assert again(journal, fingerprint="2") == "job_2"


def test_a_key_joins_whatever_was_seen(journal: Journal) -> None:
    ended(journal, job(key="k"))
    journal.mark_seen("job_1", NOW)
    assert again(journal, key="k") == "job_1"


@pytest.mark.parametrize(("usd", "joins"), [(0.0, False), (0.5, True), (None, True)])
def test_a_key_may_be_used_again_only_where_nothing_was_charged(
    journal: Journal, usd: float | None, *, joins: bool
) -> None:
    ended(journal, job(key="k"), "failed", usd)
    assert again(journal, key="k") == ("job_1" if joins else "job_2")


@pytest.mark.parametrize(("first", "second"), [("k", "l"), ("", "k"), ("k", "")])
def test_calls_with_different_keys_are_different(journal: Journal, first: str, second: str) -> None:
    opened(journal, job(key=first))
    assert again(journal, key=second) == "job_2"


def test_of_many_at_once_one_is_sent(file: Path) -> None:
    start = Barrier(20)

    def call(place: int) -> bool:
        with closing(Database(file)) as database:
            start.wait()
            return opened(Journal(database), job(str(place), fingerprint="f")).joined is None

    with ThreadPoolExecutor(20) as pool:
        assert sum(pool.map(call, range(20))) == 1


def test_the_newest_come_first(journal: Journal) -> None:
    for place in range(5):
        opened(journal, job(str(place), created=NOW + place))
    assert [entry.id for entry in journal.newest(3)] == ["job_4", "job_3", "job_2"]
