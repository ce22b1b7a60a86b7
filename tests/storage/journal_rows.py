"""Jobs as rows of the journal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imagewright.storage.journal_entry import CallEntry, JobEntry

if TYPE_CHECKING:
    from imagewright.storage.journal import Cap, Journal, Opened


NOW = 100.0


LEASE = 10.0


def job(name: str = "1", **changes: Any) -> JobEntry:
    plain: dict[str, Any] = {
        "id": f"job_{name}",
        "tool": "some_tool",
        "operation": "generate",
        "provider": "somebody",
        "model": "some/model-1",
        "fingerprint": name,
        "plan": {"spec": {"prompt": name}},
        "expected": 1,
        "calls": (CallEntry(number=0),),
        "created": NOW,
        "owner": "me",
    }
    return JobEntry(**plain | changes)


def opened(journal: Journal, entry: JobEntry, *caps: Cap, now: float = NOW) -> Opened:
    return journal.open_job(entry, lease_until=NOW + LEASE, caps=caps, now=now)


def ended(journal: Journal, entry: JobEntry, state: Any = "completed", usd: float | None = 0.5) -> None:
    opened(journal, entry)
    journal.finish(
        entry.id, state, owner="me", now=NOW, cost_usd=usd, cost_basis="unknown" if usd is None else "actual", notes=()
    )
