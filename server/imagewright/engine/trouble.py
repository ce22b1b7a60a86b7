"""Trouble with asking a vendor how a call stands: what is told of it, and how soon it is asked again. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from imagewright.errors import BadKey, OutOfCredit, ProviderError, RateLimited, VendorUnavailable
from imagewright.text import duration

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagewright.providers.base import PollPolicy

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


@dataclass(frozen=True, slots=True)
class Trouble:
    """A poll that did not tell how the call stands.

    Attributes:
        provider: name of the provider.
        error: what it raised.
    """

    provider: str
    error: Exception

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
        """Whether it passes by itself, and nobody has to know."""
        return isinstance(self.error, RateLimited | VendorUnavailable)

    @property
    def advice(self) -> str:
        """What a person has to do, in sentences."""
        return ADVICE.get(type(self.error), ANY_ADVICE)

    def notice(self, poll_policy: PollPolicy) -> str:
        """What the caller is told at once: what is wrong and what to do about it; empty where it passes by itself."""
        if self.passes:
            return ""
        return (
            f"{self.what}. The picture may be paid for already, so the job goes on. {self.advice} {self.provider} is "
            f"asked again at least every {poll_policy.seldom:g} s, and the picture arrives by itself: "
            f"do not call again. {self.provider} keeps a result for {duration(poll_policy.keeps)}."
        )

    def pause(self, poll_policy: PollPolicy, before: int) -> float:
        """Seconds until the next question; what the vendor asks for is believed up to `PollPolicy.seldom`.

        Args:
            poll_policy: how often the vendor wants to be asked.
            before: how many polls just before this one met trouble too.
        """
        asked = self.error.retry_after if isinstance(self.error, ProviderError) else None
        # the count is bounded, as trouble may last for days and its power would be too large for a number
        usual = poll_policy.first * FACTOR ** min(before, 16)
        return min(max(usual, asked or 0.0), poll_policy.seldom)
