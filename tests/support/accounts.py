"""An account at a vendor, for tests that send requests of their own."""

from __future__ import annotations

from imagewright.providers.http.client import Account


def bearer(provider: str, key: str, *bases: str) -> Account:
    """An account whose key goes into `Authorization: Bearer`."""
    return Account(provider, bases, key, {"Authorization": f"Bearer {key}"})
