"""Ask a vendor about a call until it says how it ended: poll a submitted call, or find one whose answer was lost.

Only the vendor's own statement about the task ends a call. Any other answer or error is trouble: it is asked again.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio

from imagewright.errors import (
    BadKey,
    OutOfCredit,
    ProviderError,
    RateLimited,
    StorageError,
    TaskEnded,
    TookTooLong,
    VendorUnavailable,
)
from imagewright.providers.base import CanRecover, Finished, Running
from imagewright.storage.base import LostLeaseError
from imagewright.text import duration

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from imagewright.providers.base import Handle, PollPolicy, Provider
    from imagewright.storage.records import CallRecord
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


async def poll_until_done(
    provider: Provider,
    handle: Handle,
    tell: Callable[[Running, str], None],
    begun: float,
    provider_now: Callable[[], Provider],
) -> Finished:
    """Poll until the vendor is done, by its poll policy; rarely once it takes longer than it should.

    Only the vendor's own statement about the task ends this, or the deadline after which it keeps no result, but not
    before it was asked for `LEAST_PATIENCE` here. After any other answer or error it is polled again, at most
    `PollPolicy.seldom` later.

    Args:
        provider: who was asked.
        handle: what `submit` returned.
        tell: receives, after each poll but the last, how it stands and the trouble that does not pass by itself.
        begun: when the job began, seconds since 1970, so that a process that takes it over keeps the same deadline.
        provider_now: the provider as it is configured now: its key may have been corrected after trouble.

    Raises:
        TookTooLong: it was not done by the deadline; the task may still finish there.
        ProviderError: the task has ended without a picture.
    """
    poll_policy = provider.poll_policy
    # setting the clock while this runs must not end the call: from here on only elapsed time counts
    began_here, age_before = anyio.current_time(), max(0.0, time.time() - begun)
    wait = pause = poll_policy.first
    troubles = doubts = 0
    what = ""
    while True:
        await anyio.sleep(pause)
        here = anyio.current_time() - began_here
        age = age_before + here
        over = age > poll_policy.deadline
        try:
            answer = await provider.poll(handle)
        except TaskEnded as ended:
            if ended.sure or over or doubts == len(poll_policy.doubts):
                raise ended.error from ended
            pause = poll_policy.doubts[doubts]
            doubts, troubles, what = doubts + 1, 0, ""
            tell(Running(stage=f"asking {provider.name} again{ended.error.words}"), "")
        except Exception as error:
            # whatever it is, it is not a statement about the task, which may be paid for
            trouble = Trouble(provider.name, error)
            pause = trouble.pause(poll_policy, troubles)
            troubles += 1
            if trouble.what != what:
                what = trouble.what
                log.warning("%s; asking again", what, exc_info=None if isinstance(error, ProviderError) else error)
            tell(Running(stage=trouble.stage), trouble.notice(poll_policy))
            provider = provider_now()
        else:
            if isinstance(answer, Finished):
                return answer
            tell(answer, "")
            troubles, doubts, what = 0, 0, ""
            wait = min(wait * poll_policy.factor, poll_policy.longest)
            pause = max(wait, poll_policy.seldom) if age > poll_policy.usual else wait
        if over and here > LEAST_PATIENCE:
            why = f"; {what}" if what else ""
            raise TookTooLong(provider.name, f"not finished after {duration(poll_policy.deadline)}{why}")


async def recover(
    provider_now: Callable[[], Provider],
    job_id: str,
    call: CallRecord,
    jobs: DeferredJobs,
    tell: Callable[[Running], None],
) -> Handle | None:
    """Find a call whose answer was never heard: ask the vendor for its recent calls until ours is among them.

    Nothing is sent again. What is found is written down as `submitted` before this returns, so that no other call
    claims it. Time in which the vendor cannot be reached does not count. A refused list is given up like one that does
    not show the call, as not every key may list calls. `tell` receives the progress after each look.

    Returns:
        The handle; None when the vendor did not show such a call in time.

    Raises:
        LostLeaseError: another process has the job now.
    """
    provider = provider_now()
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
            handle = await _look_for(provider_now(), call.signature or {}, {data["task"] for data in known})
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
    return None


async def _look_for(provider: Provider, signature: Mapping[str, str], known: Collection[str]) -> Handle | None:
    return await provider.recover(signature, known) if isinstance(provider, CanRecover) else None
