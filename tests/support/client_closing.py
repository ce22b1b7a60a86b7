"""Official clients leave their connections to the garbage collector; here they are closed with the test."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest


@contextmanager
def closed_at_the_end(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Close every blocking httpx client that is opened meanwhile."""
    opened: list[httpx.Client] = []

    class Tracked(httpx.Client):
        def __init__(self, *arguments: Any, **more: Any) -> None:
            super().__init__(*arguments, **more)
            opened.append(self)

    monkeypatch.setattr(httpx, "Client", Tracked)
    yield
    for one in opened:
        one.close()
