"""What is done about a call that does not go well: words about trouble, the search for a lost answer, asking to stop.

A call that goes well needs none of it, see `engine.run`.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio

from imagewright.errors import (
    BadKey,
    ImagewrightError,
    OutOfCredit,
    ProviderError,
    RateLimited,
    StorageError,
    UnknownOutcome,
    VendorUnavailable,
)
from imagewright.providers.base import CanRecover, Running
from imagewright.storage.base import LostLeaseError
from imagewright.storage.states import CallState
from imagewright.text import duration

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from imagewright.engine.job import CallRun
    from imagewright.providers.base import Handle, PollPolicy, Provider
    from imagewright.storage.records import CallRecord, JobRecord
    from imagewright.storage.stores import DeferredJobs

log = logging.getLogger(__name__)

ADVICE: Mapping[type[Exception], str] = {
    BadKey: (
        "Fix the key: `imagewright doctor` says where it comes from. If the server has to be started again for that, "
        "the new one goes on with the job."
    ),
    OutOfCredit: "Top up the account.",
}
"""What a person has to do."""
ANY_ADVICE = "If the network asks for a sign-in, or a proxy or an address is set wrongly, fix that."
CANCEL_SECONDS = 5.0
"""Bound on asking a vendor to stop."""
LEAST_PATIENCE = 900.0
"""Seconds of trying, whatever the age of the job: the clock may have jumped, or the job was only now picked up."""
FACTOR = 2.0
"""How much longer each wait is than the last while the trouble goes on."""
KNOWN_SECONDS = 86_400.0
"""How old a job may be whose calls are assumed to be in a list of recent ones, and how long one is searched for."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """A poll that did not show how the call stands."""

    provider: str
    """Name of the provider."""
    error: Exception
    """What it raised."""

    @property
    def what(self) -> str:
        """What is wrong, without a full stop."""
        if not isinstance(self.error, ProviderError):
            kind = type(self.error).__name__
            return f"the answer of {self.provider} cannot be worked with ({kind}); the server's log says more"
        if type(self.error) is ProviderError:
            return f"{self.provider} cannot be asked how the picture stands{self.error.words}"
        return f"{self.provider} {self.error.meaning}{self.error.words}"

    @property
    def stage(self) -> str:
        """A few words on it for people."""
        words = self.error.words if isinstance(self.error, ProviderError) else ""
        return f"asking {self.provider} again{words or f': {self.what}'}"

    @property
    def passes(self) -> bool:
        """Whether it passes by itself, so that no person has to know."""
        return isinstance(self.error, RateLimited | VendorUnavailable)

    @property
    def advice(self) -> str:
        """What a person has to do, in sentences."""
        return ADVICE.get(type(self.error), ANY_ADVICE)

    def notice(self, poll_policy: PollPolicy) -> str:
        """What the caller reads at once: what is wrong and what to do about it; empty if it passes by itself."""
        if self.passes:
            return ""
        return (
            f"{self.what}. The picture may be paid for already, so the job goes on. {self.advice} {self.provider} is "
            f"asked again at least every {poll_policy.seldom:g} s, and the picture arrives by itself: "
            f"do not call again. {self.provider} keeps a result for {duration(poll_policy.keeps)}."
        )

    def pause(self, poll_policy: PollPolicy, before: int) -> float:
        """Seconds until the next question, where `before` polls in a row met trouble too.

        A wait that the vendor asks for is kept up to `PollPolicy.seldom`.
        """
        asked = self.error.retry_after if isinstance(self.error, ProviderError) else None
        # the exponent is bounded, as trouble may last for days and the power would overflow
        usual = poll_policy.first * FACTOR ** min(before, 16)
        return min(max(usual, asked or 0.0), poll_policy.seldom)


async def recover(
    provider_now: Callable[[], Provider],
    job_id: str,
    call: CallRecord,
    jobs: DeferredJobs,
    tell: Callable[[Running], None],
    *,
    unheard: UnknownOutcome,
) -> Handle:
    """Find a call whose answer was never heard: ask the vendor for its recent calls until ours is among them.

    Nothing is sent again. What is found is written down as `submitted` before this returns, so that no other call
    claims it. Time in which the vendor cannot be reached does not count. A refused list is given up like one that does
    not show the call, as not every key may list calls. `tell` receives the progress after each look.

    Raises:
        UnknownOutcome: `unheard`, where the vendor has no such list, or did not show the call in it in time.
        LostLeaseError: another process has the job now.
    """
    provider = provider_now()
    if not call.signature or not isinstance(provider, CanRecover):
        raise unheard
    poll_policy, stage = provider.poll_policy, Running(stage=f"looking for it among {provider.name}'s recent calls")
    tell(stage)
    left, wait, last = poll_policy.search, poll_policy.first, anyio.current_time() + KNOWN_SECONDS
    while wait <= left and anyio.current_time() < last:
        began = anyio.current_time()
        # a wait first, so that an equal call that is still being answered is not taken for ours
        await anyio.sleep(wait)
        wait = min(wait * poll_policy.factor, poll_policy.longest)
        try:
            known = await jobs.known_handles(provider.name, KNOWN_SECONDS)
            handle = await _look_for(provider_now(), call.signature, {data["task"] for data in known})
            if handle is not None:
                with anyio.CancelScope(shield=True):  # so that what is written and what is known here stay the same
                    claimed = await jobs.claim(job_id, call.number, handle.data)
                if claimed:
                    return handle
        except LostLeaseError:
            raise
        except StorageError as error:
            log.info("job %s: %s's recent calls could not be compared: %s", job_id, provider.name, error)
            continue
        except Exception as error:  # noqa: BLE001 - as with a poll: it is not a statement about the call
            trouble = Trouble(provider.name, error)
            log.info("job %s: %s could not be searched: %s", job_id, provider.name, trouble.what)
            tell(Running(stage=trouble.stage))
            if trouble.passes:
                continue
        else:
            tell(stage)
        left -= anyio.current_time() - began
    name, seconds = provider.name, f"{poll_policy.search:g} s"
    advice = f"{name} did not show it among its recent calls within {seconds}. {UnknownOutcome.advice}"
    raise unheard.as_kind(UnknownOutcome, advice=advice) from unheard


async def _look_for(provider: Provider, signature: Mapping[str, str], known: Collection[str]) -> Handle | None:
    return await provider.recover(signature, known) if isinstance(provider, CanRecover) else None


async def ask_to_stop(provider: Provider, handle: Handle) -> str:
    """Ask a vendor to stop a call; a sentence for the caller on what came of it."""
    name = provider.name
    try:
        with anyio.fail_after(CANCEL_SECONDS):
            if await provider.cancel(handle):
                return f"{name} was asked to stop; what it had begun may still be charged."
    except (ImagewrightError, TimeoutError) as error:
        why = str(error) or f"no answer within {CANCEL_SECONDS:g} s"
        return f"{name} could not be asked to stop: the task continues there and may still be charged. {why}"
    return f"{name} has no way to stop a task: the task continues there and may still be charged."


def as_ours(error: Exception, call_run: CallRun, job: JobRecord) -> ImagewrightError:
    """The error for the caller. A bug counts as a fault of the vendor's file, and may have cost something."""
    if isinstance(error, ImagewrightError):
        return error
    log.error("job %s broke", job.id, exc_info=error)
    kind = UnknownOutcome if call_run.state is CallState.SUBMITTING else ProviderError
    return kind(job.provider, f"internal error: {error!r}", charged=None if call_run.sent else False)


def too_old(hours: float) -> ImagewrightError:
    """Why a job that was begun so long ago is not sent any more."""
    return ImagewrightError(
        f"Nothing was sent and nothing was charged: the server stopped before it could send this, {hours:.0f} "
        "hours ago. Call again if it is still wanted."
    )
