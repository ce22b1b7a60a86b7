"""What the vendor says it did, held against what the user has."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imagewright.storage.states import CallState
from tests.support.engine_bench import place
from tests.support.slow_vendors import Work, digest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagewright.storage.records import JobRecord, PictureRecord


@dataclass(frozen=True)
class Audit:
    """The vendor's books beside the user's."""

    jobs: list[JobRecord]
    """As the journal has them."""
    pictures: list[PictureRecord]
    """As the library has them."""
    submits: Counter[str]
    """How many requests for paid work came to the vendor, by prompt; no two jobs share a prompt."""
    work: Mapping[str, Work]
    """What it did, by prompt."""
    charges: list[str]
    """The tasks it took money for."""
    findable: bool
    """Whether it lists its recent tasks, so that one whose answer was never heard is found there."""

    @property
    def calls(self) -> Counter[CallState]:
        """How the calls ended."""
        return Counter(call.state for job in self.jobs for call in job.calls)

    @property
    def tasks(self) -> int:
        """How many tasks the vendor began."""
        return sum(one.begun for one in self.work.values())

    @property
    def made(self) -> int:
        """How many pictures the vendor made, all of them to be paid for."""
        return sum(one.made for one in self.work.values())

    @property
    def lost(self) -> int:
        """How many pictures were made and are not in the library."""
        return self.made - len(self.pictures)

    def check(self) -> None:
        """Nothing lost, nothing paid twice, nothing stuck."""
        problems = self.problems()
        assert not problems, "\n".join(problems)

    def problems(self) -> list[str]:
        """Everything that was lost, paid twice, or is stuck."""
        found = [f"{job.id} is stuck" for job in self.jobs if not job.done]
        kept = self.calls[CallState.KEPT]
        if len(self.charges) != len(set(self.charges)):
            found.append("a task was charged twice")
        if unwritten := set(self.submits) - {job.plan["spec"]["prompt"] for job in self.jobs}:
            found.append(f"sent, but not written down before: {unwritten}")
        if len({(record.job_id, record.variant) for record in self.pictures}) != len(self.pictures):
            found.append("a picture is in the library twice")
        if not kept <= len(self.charges) <= self.tasks:
            found.append(f"{len(self.charges)} tasks were charged, {kept} calls kept")
        return found + [problem for job in self.jobs for problem in self._problems_of(job)]

    def _problems_of(self, job: JobRecord) -> list[str]:
        prompt = job.plan["spec"]["prompt"]
        work = self.work.get(prompt, Work())
        states = Counter(call.state for call in job.calls)
        of_job = [record for record in self.pictures if record.job_id == job.id]
        files = Counter(digest(place(record).read_bytes()) for record in of_job)
        # whether a submit that nobody heard the answer to has arrived is known to the vendor alone, unless it lists it
        doubtful = [] if self.findable else [call for call in job.calls if call.state is CallState.UNKNOWN]
        known, begun, kept = states[CallState.KEPT], work.begun, len(of_job)
        text = " ".join((*job.notes, str((job.error or {}).get("text", ""))))
        explained = "may or may not have received" in text and "not sent again" in text
        wanted = sum(call.count for call in job.calls if call.state is CallState.KEPT)
        checks = {
            "its calls ended otherwise": set(states) <= {CallState.KEPT, CallState.UNKNOWN},
            f"{kept} pictures are kept of {wanted}": kept == wanted,
            f"{begun} tasks were begun": known <= begun <= known + len(doubtful),
            f"{self.submits[prompt]} submits": begun <= self.submits[prompt] <= len(job.calls),
            f"{work.made - kept} pictures are lost": 0 <= work.made - kept <= sum(call.count for call in doubtful),
            "a file is not as the vendor made it": files <= work.files,
            "it does not say that its outcome is unknown": explained or not states[CallState.UNKNOWN],
        }
        calls = ", ".join(f"{count} {state}" for state, count in states.items())
        return [f"{job.id} ({calls}): {words}" for words, holds in checks.items() if not holds]
