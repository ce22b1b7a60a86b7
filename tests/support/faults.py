"""Faults and the one error each must become, for the fault tables of all vendors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imagewright.errors import ProviderError, RequestRejected, ResultLost, UnknownOutcome, VendorUnavailable
from imagewright.providers.http.classify import Retry
from imagewright.providers.http.client import SECONDS, HttpClient
from imagewright.providers.http.request import Purpose
from tests.emulators.messages import Answer, truncated

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

    from imagewright.providers.base import Provider
    from tests.emulators.base import Emulator
    from tests.emulators.messages import Fault

QUICK = Retry(first=0.001, longest=0.02, spread=0.0)
"""As the sender's own rule of sending again, in milliseconds."""
SENDS = 1 + QUICK.resends
"""How often a request goes out that is plainly refused each time."""
SILENCE = 0.5
"""Seconds after which a vendor that says nothing is given up."""


@dataclass(frozen=True)
class Case:
    """A fault and its error."""

    fault: Fault
    """What the vendor does."""
    error: type[ProviderError]
    """The class it becomes."""
    charged: bool | None
    """What is said about the money."""
    sends: int = 1
    """How many requests it may cost."""
    says: str = ""
    """Words of the message."""
    after: bool | None = None
    """Whether the vendor does its work before it fails; see `Emulator.fail_next`."""

    @property
    def worked(self) -> bool:
        """Whether the vendor did its work all the same: a spoiler needs an answer to spoil."""
        return bool(self.after) or not isinstance(self.fault, Answer)


PAGE = Answer(200, b"<html>Welcome</html>", {"Content-Type": "text/html"})
BROKEN = Answer(502, b"<html>Bad gateway</html>", {"Content-Type": "text/html"})
BUSY = Answer(503, b"<html>Busy</html>", {"Content-Type": "text/html"})
ELSEWHERE = Answer(302, b"", {"Location": "https://elsewhere.example/"})

SUBMIT: dict[str, Case] = {
    "gateway busy": Case(BUSY, VendorUnavailable, False, sends=SENDS, says="HTTP 503"),
    "gateway broken": Case(BROKEN, UnknownOutcome, None, says="not sent again"),
    "a page instead": Case(PAGE, UnknownOutcome, None),
    "a redirect": Case(ELSEWHERE, RequestRejected, False, says="redirects"),
    "reset before": Case(Answer.reset(), UnknownOutcome, None),
    "reset after": Case(Answer.reset(), UnknownOutcome, None, after=True),
    "half an answer": Case(truncated, UnknownOutcome, None),
    "silence": Case(Answer.hang(), UnknownOutcome, None, says="no answer within"),
    "silence after": Case(Answer.hang(), UnknownOutcome, None, after=True),
}
"""What becomes of a submit at every vendor, whatever its own words are."""
POLL: dict[str, Case] = {
    "gateway busy": Case(BUSY, VendorUnavailable, None),
    "gateway broken": Case(BROKEN, VendorUnavailable, None),
    "gateway's firewall": Case(Answer(403, b"<html>"), RequestRejected, None),
    "a page instead": Case(PAGE, ProviderError, None),
    "a redirect": Case(ELSEWHERE, RequestRejected, None),
    "nested too deep": Case(Answer(200, b"[" * 100_000), ProviderError, None),
    "reset": Case(Answer.reset(), VendorUnavailable, None),
    "half an answer": Case(truncated, VendorUnavailable, None),
    "silence": Case(Answer.hang(), VendorUnavailable, None),
}
"""What becomes of a poll at every vendor: nothing of it touches the task."""
DOWNLOAD: dict[str, Case] = {
    "expired": Case(Answer(403, b"expired"), ResultLost, True, says="expired or was withdrawn (HTTP 403)"),
    "gone": Case(Answer(404, b"gone"), ResultLost, True, says="the file is gone (HTTP 404)"),
    "server error": Case(Answer(500), ResultLost, True, sends=SENDS, says="HTTP 500"),
    "truncated": Case(truncated, ResultLost, True, sends=SENDS, says="cut short"),
    "reset": Case(Answer.reset(), ResultLost, True, sends=SENDS, says="cannot be reached"),
    "wrong content type": Case(PAGE, ResultLost, True, says="leads to a page"),
    "a page that says it is a picture": Case(
        Answer(200, b" <?xml", {"Content-Type": "image/png"}), ResultLost, True, says="not to a picture"
    ),
}
"""What becomes of a download at every vendor: it was made and paid."""


def plan(emulator: Emulator, label: str, case: Case) -> None:
    """Let the door fail as the case says."""
    emulator.fail_next(label, case.fault, times=case.sends, after=case.after)


def check_error(error: ProviderError, case: Case, provider: str, key: str) -> None:
    """Hold an error to its case: class, money, words; one tidy sentence, without the key."""
    assert type(error) is case.error
    assert error.charged is case.charged
    text = str(error)
    assert case.says in text
    assert text.startswith(f"{provider} ")
    assert text.endswith(".")
    assert key not in text
    assert ("A retry can help" in text) == (error.retryable or error.retry_after is not None)
    assert len(error.detail) <= 300


def check_log(caplog: pytest.LogCaptureFixture, parts: str, *secrets: str) -> None:
    """Hold all that was logged to what it tells, and to what it must never tell."""
    logged = "\n".join(f"{record.name} {record.getMessage()} {record.args}" for record in caplog.records)
    assert parts in logged
    for secret in secrets:
        assert secret not in logged


def falls_silent(case: Case) -> bool:
    """Whether the vendor says nothing: only then is a short patience needed, which a busy machine could exceed."""
    return isinstance(case.fault, Answer) and case.fault.ending == "hang"


def hurry(provider: Provider) -> None:
    """Let a silent vendor be given up soon where the provider itself says how long a submit may wait."""
    if hasattr(provider, "seconds"):
        provider.seconds = SILENCE


def quick_sender() -> HttpClient:
    """A sender that waits milliseconds where the real one waits seconds, and as long as it for an answer.

    Close it after use.
    """
    return HttpClient(retry=QUICK, download_retry=QUICK)


class Patience(Mapping[Purpose, float]):
    """The usual seconds of each purpose; few while the vendor is about to say nothing.

    A busy machine that takes long over the requests before is then not taken for a silent vendor.
    """

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator

    def __getitem__(self, purpose: Purpose) -> float:
        return SILENCE if self._emulator.is_silent else SECONDS[purpose]

    def __iter__(self) -> Iterator[Purpose]:
        return iter(SECONDS)

    def __len__(self) -> int:
        return len(SECONDS)


def impatient_sender(emulator: Emulator) -> HttpClient:
    """As `quick_sender`, and gives up this vendor soon where it is silent; close it after use."""
    return HttpClient(retry=QUICK, download_retry=QUICK, seconds=Patience(emulator))
