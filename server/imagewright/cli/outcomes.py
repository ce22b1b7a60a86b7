"""What came of jobs as an exit code, for scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagewright.engine.job import JobStatus
from imagewright.errors import UnknownOutcome

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imagewright.engine.job import Job

DONE, FAILED, CANCELLED, OPEN = 0, 1, 3, 4
"""2 stands for a wrong call, as with every command."""
CODES = """exit codes:
  0    the pictures are there
  1    it failed, or something else went wrong
  2    the call or the configuration is wrong; nothing was begun
  3    it was cancelled, here or from elsewhere
  4    open: it still runs, or nobody knows whether the vendor took it and charges for it
  130  interrupted with Ctrl-C; the job goes on or can be carried on: imagewright jobs resume
"""
"""For the help of the commands that wait for jobs."""
WEIGHT = (FAILED, OPEN, CANCELLED, DONE)
"""Of several jobs the first of these that occurs is the code of all."""


def exit_code(jobs: Iterable[Job]) -> int:
    """The code for these jobs; without any, 0."""
    codes = {_code(job) for job in jobs} | {DONE}
    return next(code for code in WEIGHT if code in codes)


def _code(job: Job) -> int:
    if not job.done:
        return OPEN
    if job.status is JobStatus.CANCELLED:
        return CANCELLED
    if job.status is JobStatus.COMPLETED:
        return DONE
    # one that was read back from the journal has its category alone
    return OPEN if getattr(job.error, "category", "") == UnknownOutcome.category else FAILED
