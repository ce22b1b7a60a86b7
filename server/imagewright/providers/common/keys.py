"""Whether a vendor takes a key and can be reached, found out without spending anything.

A vendor's file has `check_key` where the vendor documents a call that needs the key and is free of charge. Where none
is known, the key is not checked, because any other call may be paid.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from imagewright.errors import BadKey, OutOfCredit, ProviderError, VendorUnavailable
from imagewright.providers.common.fields import decimal, usd

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagewright.providers.base import Provider


@dataclass(frozen=True, slots=True)
class KeyAccepted:
    """The vendor takes the key."""

    usd_left: float | None = None
    """What the account has left, in USD; None where the vendor's answer does not say."""


def with_credit(left: Any, *, per_unit: float) -> KeyAccepted | None:
    """The vendor takes the key, and this is left, in its own units of `per_unit` USD; None where that is no number.

    An overdrawn account has a key that is known, too.
    """
    return None if decimal(left) is None else KeyAccepted(usd(left, per_unit=per_unit))


@runtime_checkable
class ChecksKey(Protocol):
    """A provider whose vendor has a call that needs the key and is free of charge."""

    async def check_key(self) -> KeyAccepted | None:
        """Make that call; None where it cannot be made here, because the address was set to another server.

        Raises a `ProviderError`: `BadKey` where the key is refused.
        """
        ...


@runtime_checkable
class HasAddresses(Protocol):
    """A provider that is reached over the network."""

    addresses: Mapping[str, str]
    """Its base addresses: "" for the main one, "upload" for a second host."""

    async def reach(self, address: str) -> int:
        """The HTTP status with which one of these addresses answers a plain GET. Starts nothing and costs nothing.

        Raises a `ProviderError` where nothing answers.
        """
        ...


class Verdict(StrEnum):
    """What became of a check."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNCHECKED = "cannot be checked without spending"
    UNANSWERED = "no usable answer"
    """Nothing answered, or something that is broken just now."""
    UNCLEAR = "unclear"
    """The vendor answered, but its answer says nothing about the key."""


@dataclass(frozen=True, slots=True)
class KeyCheck:
    """The result of one check."""

    verdict: Verdict
    detail: str = ""
    """What the vendor said, as one sentence; empty where the verdict says it all."""
    usd_left: float | None = None
    """What the account has left, in USD; None where the vendor does not say."""


async def try_key(provider: Provider) -> KeyCheck:
    """Ask the vendor about the provider's key. Costs nothing and raises nothing."""
    try:
        accepted = await provider.check_key() if isinstance(provider, ChecksKey) else None
    except (BadKey, OutOfCredit) as error:
        return _refusal(error)
    except VendorUnavailable as error:
        return KeyCheck(Verdict.UNANSWERED, error.detail)
    except ProviderError as error:
        return KeyCheck(Verdict.UNCLEAR, error.detail)
    if accepted is None:
        return KeyCheck(Verdict.UNCHECKED)
    return KeyCheck(Verdict.ACCEPTED, usd_left=accepted.usd_left)


def _refusal(error: BadKey | OutOfCredit) -> KeyCheck:
    if not error.spoken:  # a page of a firewall or a proxy, mostly
        return KeyCheck(Verdict.UNCLEAR, f"{error.detail}, without a word about the key")
    if isinstance(error, BadKey):
        return KeyCheck(Verdict.REFUSED, error.detail)
    # it knows whose account is empty
    return KeyCheck(Verdict.ACCEPTED, f"the account has no credit left: {error.detail}")


async def try_addresses(provider: Provider) -> dict[str, str | int]:
    """By base address, the HTTP status it answers with, or why nothing answers there. Raises nothing."""
    found: dict[str, str | int] = {}
    if isinstance(provider, HasAddresses):
        for address in dict.fromkeys(provider.addresses.values()):
            try:
                found[address] = await provider.reach(address)
            except ProviderError as error:
                found[address] = error.detail or str(error)
    return found
