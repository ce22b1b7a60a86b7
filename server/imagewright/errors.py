"""Every error Imagewright raises on purpose.

    ImagewrightError
    ├── SettingsError           the configuration is wrong: the start stops
    ├── CatalogError            a row, page or route contradicts itself: names file and key
    ├── Refusal                 the call is wrong: every problem at once, nothing was spent
    ├── ConfirmationNeededError the user has to agree to the price first; nothing was spent
    ├── PictureError            bytes that are not the picture they should be
    ├── StorageError            the disk or the database failed
    ├── TaskEnded               a vendor says that a task is over and made nothing; holds a ProviderError
    └── ProviderError           a vendor refused, failed or did not answer
        ├── BadKey              the key is missing, wrong or not allowed
        ├── OutOfCredit         the account has no money left
        ├── RateLimited         too many requests: later is fine
        ├── ContentRefused      the vendor will not make this picture
        ├── RequestRejected     the vendor did not accept an argument
        ├── ModelUnavailable    the model is gone, paused or not activated
        ├── VendorUnavailable   the vendor is down, busy or unreachable, nothing was started
        ├── GenerationFailed    the vendor tried and failed
        ├── ResultLost          it was made, but could not be fetched
        ├── TookTooLong         still unfinished at the deadline: it may still finish
        ├── UnknownOutcome      it is not known whether the vendor started: never sent again
        └── NotSent             it was about to be sent and never left this machine: may be sent now

A `Refusal` is for what the calling model could have avoided; a `ProviderError` for what it could not.
"""

from __future__ import annotations

import errno
import json
import math
import sys
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from imagewright.text import Foreign, clip, duration

if TYPE_CHECKING:
    from collections.abc import Mapping

Failure = TypeVar("Failure", bound="ProviderError")

LONGEST_DETAIL = 1000
"""Characters of a detail that an error's sentence shows; vendors' words were cut to fewer before."""
MOST_PROBLEMS = 20
"""Problems of one call that a refusal names. Further ones are only counted."""
LONGEST_MESSAGE = 1000
"""Characters of one problem. The longest of ours, about a path outside the folders that may be used, takes 500."""
PROBLEM_BYTES = 40_000
"""JSON-encoded bytes of all problems together. A reply that holds them stays below 100 KB."""

_ACCESS = "access is denied: change the permissions of the folder, or use another one"
_MACOS_ACCESS = (
    "macOS denies access: allow it for the app that started this server in System Settings, "
    "Privacy & Security, Files and Folders, or use another folder"
)

_REASONS = {
    errno.ENOSPC: "the disk is full: free some space, or use a folder on another disk",
    errno.EDQUOT: "your disk quota is used up: free some space, or use a folder on another disk",
    errno.EFBIG: "the file is larger than the file system or a limit of the account allows",
    errno.EROFS: "the disk is read-only: use a folder on another disk",
    errno.EACCES: _ACCESS,
    errno.EPERM: _MACOS_ACCESS if sys.platform == "darwin" else _ACCESS,
    errno.ENAMETOOLONG: "the name or the path is too long: use a shorter one",
    errno.ENOENT: "it is not there, or no longer",
    errno.ENOTDIR: "a part of the path is a file and not a folder",
    errno.EEXIST: "there is something else of that name in the way",
    errno.EISDIR: "it is a folder",
    errno.ELOOP: "a link on the path leads elsewhere or in a circle",
    errno.EIO: "the disk reports a fault: use a folder on another disk",
    errno.EMFILE: "this server has too many files open: try again",
    errno.ENFILE: "the system has too many files open: try again",
}


class ImagewrightError(Exception):
    """Base of all errors. Its text can be shown to a person and to a model, and holds no secret."""


class SettingsError(ImagewrightError):
    """The environment, a command line option or the configuration file cannot be used as it stands."""


class CatalogError(ImagewrightError):
    """A row, page or route is wrong; the message names the file and the key."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a call."""

    argument: str
    """The argument it is about; empty when it is about the call as a whole."""
    message: str
    """What is wrong, the limit, and the nearest allowed value, as one sentence."""
    meant: tuple[str, ...] = ()
    """Of an unknown argument: the ones of the tool that may be meant."""

    def __str__(self) -> str:
        return f"{self.argument}: {self.message}" if self.argument else self.message


class Refusal(ImagewrightError):
    """A call that was not carried out; nothing was spent and nothing written.

    Its text is short whatever the caller sent: names and messages are cut, problems beyond the first 20 only counted.
    """

    def __init__(self, *problems: Problem, instead: tuple[str, ...] = (), note: str = "") -> None:
        self.problems = _bounded(problems)
        """What is wrong with the call, in the order of its arguments."""
        self.more = len(problems) - len(self.problems)
        """How many further problems there are."""
        self.instead = instead
        """Names of enabled tools that can do what was asked."""
        self.note = note
        """What else the caller should know, as one sentence; may be empty."""
        text = "; ".join(str(problem) for problem in self.problems)
        if self.more:
            text += f"; and {self.more} more"
        if instead:
            text += f". Can do it: {', '.join(instead)}"
        if note:
            text += f". {note}"
        super().__init__(text)


def _bounded(problems: tuple[Problem, ...]) -> tuple[Problem, ...]:
    """The first problems, cut; at least one where there is one."""
    kept: list[Problem] = []
    room = PROBLEM_BYTES
    for problem in problems[:MOST_PROBLEMS]:
        short = replace(problem, argument=clip(problem.argument), message=clip(problem.message, LONGEST_MESSAGE))
        room -= len(json.dumps([short.argument, short.message]))
        if room < 0 and kept:
            break
        kept.append(short)
    return tuple(kept)


class ConfirmationNeededError(ImagewrightError):
    """The call costs more than the user wants to spend without being asked; nothing was spent."""

    def __init__(self, question: str, usd: float | None) -> None:
        self.usd = usd
        """The estimated price in USD; None when it is not known."""
        super().__init__(question)


class PictureError(ImagewrightError):
    """The bytes are not a readable picture of a known format, or are cut short."""


class StorageError(ImagewrightError):
    """A file or the database could not be read or written; the message says which and why."""


class Charged(Enum):
    """Whether money was taken, where the caller of `ProviderError` does not say it."""

    AS_USUAL = "as usual"
    """What is usual for the class of the error."""


class ProviderError(ImagewrightError):
    """A vendor's failure, in the same words for every vendor."""

    category: ClassVar[str] = "failed"
    """Stable word for programs."""
    meaning: ClassVar[str] = "failed"
    """What the vendor did, as the sentence behind its name."""
    retryable: ClassVar[bool] = False
    """Whether the same call can succeed later without a change."""
    advice: str = "Try again later or choose another tool."
    """What to do next, as one sentence."""
    usually_charged: ClassVar[bool | None] = False
    """Whether the vendor takes money for such a call; None when that is not known."""

    def __init__(
        self,
        provider: str,
        detail: str = "",
        *,
        charged: bool | Charged | None = Charged.AS_USUAL,
        retry_after: float | None = None,
        spoken: bool | None = None,
        advice: str = "",
    ) -> None:
        self.provider = provider
        """The provider's name."""
        self.detail = detail
        """What is known besides, shortened and without secrets; may be empty."""
        self.spoken = spoken
        """Whether `detail` is the vendor's own words, and is quoted as such; None where that is not decided yet."""
        self.retry_after = retry_after
        """Seconds the vendor asked to wait; None when it named none."""
        self.advice = advice or self.advice
        self.charged: bool | None = self.usually_charged if isinstance(charged, Charged) else charged
        """Whether the vendor took money; None when that is not known."""
        super().__init__(self._sentence())

    def as_kind(self, kind: type[Failure], **changes: Any) -> Failure:
        """The same words as a failure of another kind, or a copy of the same kind.

        Args:
            kind: where it is not a kind of this one, charge, wait and advice are that kind's usual ones.
            changes: arguments of its constructor that are different.
        """
        kept = ("charged", "retry_after", "advice") if isinstance(self, kind) else ()
        return kind(self.provider, **{name: getattr(self, name) for name in ("detail", "spoken", *kept)} | changes)

    @property
    def words(self) -> str:
        """The detail in quotation marks, named as the vendor's where it is; empty where there is none."""
        speaker = "; the vendor says" if self.spoken else ""
        return f"{speaker}: {Foreign(self.detail).quoted(LONGEST_DETAIL)}" if self.detail else ""

    def _sentence(self) -> str:
        money = {True: "It was charged.", False: "Nothing was charged.", None: "It may have been charged."}
        retry = "A retry can help." if self.retryable else "A retry of the same call will not help."
        if self.retry_after is not None:
            retry = f"A retry can help after {duration(math.ceil(self.retry_after))}."
        return f"{self.provider} {self.meaning}{self.words}. {money[self.charged]} {retry} {self.advice}"


class BadKey(ProviderError):
    """The key is missing, wrong, or not allowed to do this."""

    category = "bad_key"
    meaning = "did not accept the API key"
    advice = "Put the right key in its place; `imagewright doctor` says where each key comes from, and tries none."


class OutOfCredit(ProviderError):
    """The account cannot pay for the call."""

    category = "out_of_credit"
    meaning = "reports that the account has no credit left"
    advice = "Top up the account, or use another provider."


class RateLimited(ProviderError):
    """Too many requests; the vendor did not take this one."""

    category = "rate_limited"
    meaning = "is limiting the rate of requests"
    retryable = True
    advice = "Call again later, or use another provider."


class ContentRefused(ProviderError):
    """The vendor's moderation refused the prompt, an input or the result."""

    category = "content_refused"
    meaning = "refused the content"
    advice = "Tell the user, and offer other words or other pictures."
    usually_charged = None


class RequestRejected(ProviderError):
    """The vendor did not accept a field that the route lists as accepted."""

    category = "request_rejected"
    meaning = "did not accept the request"
    advice = "Change the argument it names; if it should be allowed, the vendor has changed its limits."


class ModelUnavailable(ProviderError):
    """The model id is unknown, paused, switched off or not activated for the account."""

    category = "model_unavailable"
    meaning = "does not offer this model at the moment"
    advice = "Use another tool, or set a newer model id in the configuration under [routes]."


class VendorUnavailable(ProviderError):
    """Down, overloaded, in maintenance or unreachable, before anything was started."""

    category = "vendor_unavailable"
    meaning = "cannot be reached or is not answering properly"
    retryable = True
    advice = "Try again in a minute."


class GenerationFailed(ProviderError):
    """The vendor took the job and could not finish it."""

    category = "generation_failed"
    meaning = "could not make the picture"
    retryable = True
    advice = "Try again, or simplify the request."
    usually_charged = None


class ResultLost(ProviderError):
    """The picture exists at the vendor, but could not be fetched whole."""

    category = "result_lost"
    meaning = "made the picture, but it could not be fetched"
    advice = "Look in the vendor's own history before paying again."
    usually_charged = True

    def __init__(
        self,
        provider: str,
        detail: str = "",
        *,
        charged: bool | Charged | None = Charged.AS_USUAL,
        retry_after: float | None = None,
        spoken: bool | None = None,
        advice: str = "",
        passing: bool = False,
        final: bool = False,
    ) -> None:
        super().__init__(provider, detail, charged=charged, retry_after=retry_after, spoken=spoken, advice=advice)
        self.passing = passing
        """Whether the same address may well work a little later: the network, or a server in trouble."""
        self.final = final
        """Whether asking again cannot help, because the file is larger than the limit. All other causes may still
        pass."""


class TookTooLong(ProviderError):
    """The deadline passed while the vendor was still at work."""

    category = "took_too_long"
    meaning = "had not finished when the time was up"
    advice = "It may still finish: look in the vendor's own history before paying again."
    usually_charged = None


class UnknownOutcome(ProviderError):
    """The connection broke while submitting; sending again could pay twice."""

    category = "unknown_outcome"
    meaning = "may or may not have received the request: the connection broke"
    advice = "It was not sent again, so as not to pay twice: look in the vendor's own history first."
    usually_charged = None


class NotSent(ProviderError):
    """A request that was written down as being sent never left this machine, so it may be sent now."""

    category = "not_sent"
    meaning = "did not get the request: it never left this machine"
    advice = "It is sent again by itself."
    retryable = True
    usually_charged = False


class TaskEnded(ImagewrightError):
    """The vendor says that the task itself is over and made nothing. No other answer to a poll ends a call.

    The functions that read a vendor's answers return it, and only if the answer says so about the task itself: it
    failed, was refused for its content, expired, or was cancelled at the vendor.
    """

    def __init__(self, error: ProviderError, *, sure: bool = True) -> None:
        self.error = error
        """Why there is no picture, for the caller."""
        self.sure = sure
        """Whether the answer is believed at once. If it may be a mistake of the vendor's, such as success without any
        picture, the vendor is asked again first, see `PollPolicy.doubts`."""
        super().__init__(str(error))


def why(error: OSError) -> str:
    """Why the operating system refused it and what to do, as words that can follow a colon."""
    return _REASONS.get(error.errno or 0) or error.strerror or type(error).__name__


class RecordedError(ImagewrightError):
    """An error as it was written down."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.category: str = data["kind"]
        """Its stable word for programs."""
        self.charged: bool | None = data.get("charged")
        """Whether the vendor took money; None when that is not known, or the error is not the vendor's."""
        self.retryable: bool | None = data.get("retryable")
        """Whether the same call can succeed later without a change; None when the error is not the vendor's."""
        self.data = dict(data)
        """As `error_data` gave it."""
        super().__init__(data["text"])


def error_data(error: ImagewrightError) -> dict[str, Any]:
    """An error as plain data, fit to be written down; `RecordedError` reads it back."""
    if isinstance(error, RecordedError):
        return dict(error.data)
    data: dict[str, Any] = {"kind": "failed", "text": str(error)}
    if isinstance(error, ProviderError):
        data |= {"kind": error.category, "retryable": error.retryable, "charged": error.charged}
    return data
