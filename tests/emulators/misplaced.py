"""Where a key turns up that must not be there."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from tests.emulators.messages import Received


def misplaced_key(received: Received, key: str, header: str, keyless: Collection[str]) -> list[str]:
    """What a request does with a key that it must not do.

    Args:
        received: the request.
        key: the key.
        header: name of the one header it belongs in, in lower case.
        keyless: hosts that must not see it at all, nor the header.
    """
    found = []
    elsewhere = [value for name, value in received.headers.items() if name != header]
    if key in "\n".join([received.path, *received.query.values(), *elsewhere]):
        found.append(f"the key stood elsewhere than in its header: {received.method} {received.path}")
    if key.encode("utf-8") in received.body:
        found.append(f"the key stood in the body of {received.path}")
    if received.host in keyless and header in received.headers:
        found.append(f"the key was sent along with {received.method} {received.path}")
    return found
