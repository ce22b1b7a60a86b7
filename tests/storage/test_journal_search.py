"""What is written down so that a call whose answer was never heard can be found again."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from imagewright.storage.database import Database
from imagewright.storage.journal import ForgottenJobError, Journal, LostLeaseError
from imagewright.storage.journal_entry import CallEntry, JobEntry
from imagewright.storage.schema import LADDER
from imagewright.storage.states import CallState

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOW, UNTIL = 100.0, 110.0
TRACE = {"model": "m", "input": "d1ge57", "since": "2026-11-22T10:00:00Z"}
TICKET = {"task": "t1", "status": "/t1/status"}


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with closing(Database(tmp_path / "journal.db")) as database:
        yield Journal(database)


def sent(journal: Journal, name: str, *, calls: int = 1, **changes: Any) -> str:
    """A job whose calls are all being sent."""
    plain: dict[str, Any] = {
        "id": f"job_{name}",
        "tool": "some_tool",
        "operation": "generate",
        "provider": "somebody",
        "model": "some/model-1",
        "fingerprint": name,
        "plan": {},
        "expected": calls,
        "calls": tuple(CallEntry(number=number) for number in range(calls)),
        "created": NOW,
        "owner": "me",
    }
    entry = JobEntry(**plain | changes)
    journal.open_job(entry, lease_until=UNTIL, now=NOW)
    for number in range(calls):
        journal.move(entry.id, number, CallState.SUBMITTING, owner="me", trace=TRACE)
    return entry.id


def test_the_trace_is_read_back(journal: Journal) -> None:
    found = journal.get(sent(journal, "1"))
    assert found is not None
    assert [(call.state, call.trace) for call in found.calls] == [(CallState.SUBMITTING, TRACE)]


def test_what_was_found_is_claimed_once(journal: Journal) -> None:
    first, second = sent(journal, "1", calls=2), sent(journal, "2")
    assert journal.claim(first, 0, TICKET, owner="me")
    assert not journal.claim(first, 1, TICKET, owner="me")
    assert not journal.claim(second, 0, TICKET, owner="me")
    assert journal.claim(second, 0, TICKET | {"task": "t2"}, owner="me")
    found = journal.get(first)
    assert found is not None
    assert [(call.state, call.handle) for call in found.calls] == [
        (CallState.SUBMITTED, TICKET),
        (CallState.SUBMITTING, None),
    ]


def test_only_whoever_holds_the_job_can_claim(journal: Journal) -> None:
    job_id = sent(journal, "1")
    with pytest.raises(LostLeaseError):
        journal.claim(job_id, 0, TICKET, owner="another")
    with pytest.raises(ForgottenJobError):
        journal.claim("job_9", 0, TICKET, owner="me")


def test_the_tickets_are_those_of_one_provider_since_a_moment(journal: Journal) -> None:
    jobs: dict[str, dict[str, Any]] = {"1": {}, "2": {"provider": "another"}, "3": {"created": NOW - 1}}
    for name, changes in jobs.items():
        journal.claim(sent(journal, name, **changes), 0, {"task": f"t{name}"}, owner="me")
    sent(journal, "4")
    assert journal.tickets("somebody", NOW) == [{"task": "t1"}]


def test_a_repetition_is_seen_before_anything_is_written(journal: Journal) -> None:
    assert journal.repeated("1", "", NOW) is None
    job_id = sent(journal, "1", key="k")
    sent(journal, "2")
    for fingerprint, key, joined, clashing in (
        ("1", "k", job_id, None),
        ("3", "k", None, job_id),
        ("2", "", "job_2", None),
        ("1", "", None, None),
    ):
        found = journal.repeated(fingerprint, key, NOW)
        assert (found and found.joined and found.joined.id) == joined
        assert (found and found.clashing and found.clashing.id) == clashing


def test_a_journal_from_before_there_were_traces_goes_on(tmp_path: Path) -> None:
    file = tmp_path / "old.db"
    with closing(Database(file, LADDER[:2])) as old, old.writing() as connection:
        connection.execute(
            "INSERT INTO job VALUES ('job_1', 'some_tool', 'generate', 'somebody', 'm', 'running', '', 'f', '{}', 1, "
            "0, NULL, 'unknown', '[]', NULL, 100, NULL, 'me', 110, 0, 0)"
        )
        connection.execute(
            "INSERT INTO call VALUES ('job_1', 0, 'submitted', 1, 1, '{}', '{\"task\":\"t1\"}', NULL, NULL, NULL)"
        )
    with closing(Database(file)) as database:
        found = Journal(database).get("job_1")
        assert found is not None
        assert (found.calls[0].handle, found.calls[0].trace) == ({"task": "t1"}, None)
        Journal(database).move("job_1", 0, CallState.MADE, owner="me", products=())
