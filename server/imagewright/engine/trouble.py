"""What is done about a call that does not go well: words about trouble, searching for a lost answer, fetching again."""

from __future__ import annotations

import logging
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from imagewright.engine.elsewhere import take_fetched
from imagewright.engine.pictures import remove_fetched
from imagewright.errors import (
    BadKey,
    ImagewrightError,
    OutOfCredit,
    PictureError,
    ProviderError,
    RateLimited,
    ResultLost,
    StorageError,
    TaskEnded,
    TookTooLong,
    UnknownOutcome,
    VendorUnavailable,
)
from imagewright.imaging.workers import DecoderError
from imagewright.providers.base import CanRecover, Finished, Running
from imagewright.providers.sending import part_of
from imagewright.settings.table import rate_variable
from imagewright.storage.base import LostLeaseError
from imagewright.text import duration

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from pathlib import Path
    from typing import NoReturn

    from imagewright.engine.job import Job
    from imagewright.providers.base import Handle, Output, PollPolicy, Provider
    from imagewright.storage.blob_store import BlobStore
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
WAITING: Mapping[type[Exception], str] = {BadKey: "waiting for the key", OutOfCredit: "waiting for credit"}
"""The stage while a person has to do something. The call keeps its state, and goes on by itself after that."""
ANY_ADVICE = "If the network asks for a sign-in, or a proxy or an address is set wrongly, fix that."
CANCEL_SECONDS = 5.0
"""Bound on asking a vendor to stop."""
LEAST_PATIENCE = 900.0
"""Seconds of trying, whatever the age of the job: the clock may have jumped, or the job was only now picked up."""
FACTOR = 2.0
"""How much longer each wait is than the last while the trouble goes on."""
FETCH_PAUSE = 20.0
"""Seconds between two tries while the vendor cannot be reached: each try has pauses of its own already."""
TROUBLE_PAUSE = 1.0
"""Seconds before the first new try at a link that does not lead to its picture; each later one takes twice as long."""
LONGEST_PAUSE = 60.0
"""Seconds at most between two such tries."""
TELL_AFTER = 2
"""From this many failures in a row on, the caller sees the trouble: a single one is often over a second later."""
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
        begin = WAITING.get(type(self.error), f"asking {self.provider} again")
        return f"{begin}{words or f': {self.what}'}"

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


async def ask_to_stop(provider: Provider, handle: Handle, job_id: str) -> str:
    """Ask a vendor to stop a call; a sentence for the caller on what came of it."""
    name = provider.name
    goes_on = (
        f"so the task goes on there and may still be charged. If the picture is wanted after all, "
        f"`imagewright jobs resume {job_id}` fetches it."
    )
    try:
        with anyio.fail_after(CANCEL_SECONDS):
            if await provider.cancel(handle):
                return f"{name} was asked to stop. What it had begun may still be charged."
    except (ImagewrightError, TimeoutError) as error:
        why = str(error) or f"no answer within {CANCEL_SECONDS:g} s"
    except Exception as error:  # a bug in the vendor's file must not keep the user from ending the job
        log.exception("job %s: %s could not be asked to stop", job_id, name)
        why = f"internal error: {type(error).__name__}"
    else:
        return f"{name} has no way to stop a task, {goes_on}"
    return f"{name} could not be asked to stop, {goes_on} {why}"


class Stalled(ImagewrightError):
    """Nothing came of a call for hours. It waits until somebody asks for its job, or a server starts."""


def took_too_long(provider: str, seconds: float, what: str) -> TookTooLong:
    """Why a call is given up that was not done within so many seconds; `what` was wrong last, if anything."""
    return TookTooLong(provider, f"not finished after {duration(seconds)}{f'; {what}' if what else ''}")


def too_old(seconds: float) -> ImagewrightError:
    """Why a job that was begun so long ago, and not sent by its process, is not sent any more."""
    return ImagewrightError(
        f"Nothing was sent and nothing was charged: the server that began this {duration(round(seconds))} ago stopped "
        "before it could send it. Call again if it is still wanted."
    )


def no_slot(provider: str) -> ImagewrightError:
    """Why a call is given up that waited in line until its job was too old to be sent."""
    return ImagewrightError(
        f"Nothing was sent and nothing was charged: {provider} takes only so many requests in a time, and this one did "
        f"not get its turn within an hour. Call again when fewer wait, or use another provider. If the account takes "
        f"more, say so with {rate_variable(provider)}."
    )


class UnreadableResultError(ResultLost):
    """What the vendor made was fetched and cannot be read as a picture; its file was kept as it came."""

    meaning = "made the picture, but its file cannot be read as one"

    def __init__(self, provider: str, why: str, path: str) -> None:
        # the path stands outside the quotation of `why`, which changes some characters
        advice = f"The vendor's file was kept as {path}: open it with another program."
        super().__init__(provider, why, charged=True, advice=advice)


class BrokenResult(Exception):
    """The file cannot be read as a picture, and trying again did not help."""

    def __init__(self, file: Path, why: str) -> None:
        self.file = file
        super().__init__(why)


@dataclass(slots=True)
class Tries:
    """Tries at fetching one picture into one file."""

    stalls: float
    """From when on they wait for somebody to ask for the picture, by the event loop's clock."""
    patience: float
    """Until when they go on, by the event loop's clock."""
    broken_pauses: list[float]
    """Seconds before each further try at a broken file; at one that came with the answer only if its decoder failed."""
    failures: int = 0
    """How often its link did not lead to it."""
    begun: bool = False
    """Whether some of it may have come: by an earlier try, or to another process."""
    is_there: bool = False
    """Whether another process had fetched it, so that it only has to be read."""


@dataclass(slots=True)
class Fetching:
    """What has to be fetched, and what is done for as long as it does not come."""

    output: Output
    """What the vendor made."""
    _: KW_ONLY
    job: Job
    """The job, which shows when it has to wait."""
    variant: int
    """The number of the picture."""
    handle: Handle | None
    """To ask the vendor for a fresh link with; None where it gave none."""
    place: int
    """The place of the output in the vendor's answer."""
    provider: Provider
    """The provider that fetches it."""
    provider_now: Callable[[], Provider]
    """Returns the provider as it is configured now: some links need its key, which may have been corrected."""
    blobs: BlobStore
    taken_over: bool = False
    """Whether another process may have begun to fetch it."""
    broken: Path | None = None
    """What arrived of it and cannot be read; it is kept if nothing better comes."""
    no_link: str = ""
    """Why no fresh link could be asked for last, and what to do about it; empty where one could."""

    async def after(self, error: Exception, file: Path, tries: Tries) -> None:
        """Return when it is time for the next try, after one that ended with this error.

        Raises:
            BrokenResult: it arrived, and cannot be read as a picture.
            ResultLost: as `Delivery.run`.
            Stalled: as there.
            OSError: the error, where the trouble is with this machine's disk.
            StorageError: as before.
        """
        tries.is_there, tries.begun = False, True
        if isinstance(error, PictureError):
            self.broken = await anyio.to_thread.run_sync(file.replace, file.with_suffix(".broken"))
            if not (tries.broken_pauses and (self.output.data is None or isinstance(error, DecoderError))):
                raise BrokenResult(self.broken, str(error)) from error
            log.info("%s: a result arrived broken and is fetched again: %s", self.provider.name, error)
            self.job.tell(stage="made, and fetched again: it arrived broken")
            await anyio.sleep(tries.broken_pauses.pop(0))
            return
        if _is_of_the_disk(error):
            raise error
        lost = self._lost(error)
        tries.is_there = await take_fetched(self.blobs, self.job.id, self.variant, file)
        if tries.is_there:
            return
        unwanted = self.job.record.cancel_requested and tries.failures >= TELL_AFTER
        if lost.final or anyio.current_time() > tries.patience:
            await self._give_up(lost, file)
        if unwanted or anyio.current_time() > tries.stalls:
            raise Stalled(f"{self.provider.name} has made the picture, and its link did not lead to it{lost.words}.")
        if lost.passing:
            self._tell("", "made, and waiting for the network to fetch it")
            await anyio.sleep(FETCH_PAUSE)
            return
        tries.failures += 1
        self._tell(self._trouble(lost) if tries.failures >= TELL_AFTER else "", f"made, and waiting{lost.words}")
        await anyio.sleep(min(TROUBLE_PAUSE * 2 ** min(tries.failures - 1, 16), LONGEST_PAUSE))
        self.provider = self.provider_now()
        await self._renew_link()

    async def _renew_link(self) -> None:
        """Take a fresh link, if there is one. The picture was made, so no answer about the task ends this."""
        self.no_link = ""
        try:
            answer = None if self.handle is None else await self.provider.poll(self.handle)
            if isinstance(answer, Finished) and self.place < len(answer.outputs):
                self.output = answer.outputs[self.place]
        except TaskEnded as ended:
            log.info("job %s: no fresh link: %s", self.job.id, ended)
        except Exception as error:  # noqa: BLE001 - as with a poll: it only means that the vendor could not be asked
            trouble = Trouble(self.provider.name, error)
            log.info("job %s: no fresh link: %s", self.job.id, trouble.what)
            if not trouble.passes:
                self.no_link = f" No fresh link can be asked for: {trouble.what}. {trouble.advice}"

    def _lost(self, error: Exception) -> ResultLost:
        """What went wrong with fetching, as a vendor's failure."""
        if isinstance(error, ResultLost):
            return error
        if isinstance(error, ProviderError):
            return error.as_kind(ResultLost)
        detail = str(error)
        if not isinstance(error, ImagewrightError):
            log.error("job %s: fetching broke and is tried again", self.job.id, exc_info=error)
            detail = f"internal error: {type(error).__name__}"
        return ResultLost(self.provider.name, detail, spoken=False)

    async def _give_up(self, lost: ResultLost, file: Path) -> NoReturn:
        """End the fetching: raise `BrokenResult` where something arrived broken or in part, else what was lost."""
        if self.broken is None and await anyio.to_thread.run_sync(part_of(file).exists):
            self.broken = part_of(file)
        if self.broken is not None:
            raise BrokenResult(self.broken, lost.detail) from lost
        await anyio.to_thread.run_sync(remove_fetched, file)
        raise lost

    def _trouble(self, lost: ResultLost) -> str:
        name, keeps = self.provider.name, self.provider.poll_policy.keeps
        return (
            f"{name} has made the picture, and its link does not lead to it at the moment{lost.words}."
            f"{self.no_link} The job goes on: it is asked for again, at least once in {LONGEST_PAUSE:g} s, for as long "
            f"as {name} keeps it ({duration(keeps)}), and arrives by itself; do not call again."
        )

    def _tell(self, trouble: str, stage: str) -> None:
        """Report the stage and this picture's trouble. The troubles of other pictures of the job stay."""
        self.job.held_up(f"picture {self.variant}", trouble)
        self.job.tell(stage=stage)


def _is_of_the_disk(error: Exception) -> bool:
    """Whether the trouble is with this machine's disk, and neither with the vendor nor with the network."""
    network = isinstance(error, ConnectionError | TimeoutError)
    return isinstance(error, StorageError) or (isinstance(error, OSError) and not network)
