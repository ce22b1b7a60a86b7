"""A worker whose `look` does what the file given to it asks: crash, hang, eat memory or answer nonsense.

    with odd_workers(monkeypatch) as odd: ...

The file holds the name of a function here, or the answer to give as JSON. Its times are a hundredth of a worker's.
"""

from __future__ import annotations

import json
import os
import signal
import struct
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imagewright.imaging import worker, workers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import NoReturn

    import pytest

    from imagewright.imaging.limiter import Preview
    from imagewright.imaging.worker import Made

MODULE = "tests.support.odd_worker"
HURRY = 100
HEAD = struct.Struct(">II")
"""What a message begins with: the bytes of what it says, and of its files."""
FIRST_FILES = 16
"""The pipe to the server is one of the first files."""
EATEN = 3_000_000_000
"""Bytes that `eat` asks for. The system gives them, as it only counts what is written to; a worker's limit does not."""
PICTURE = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x08\0\0\0\x08"
"""What begins as a picture of 8 x 8 px does."""


class HurriedLimits(worker.Limits):
    """Limits whose times are soon over."""

    def set(self, memory: int, seconds: float, longest: float) -> None:
        super().set(memory, seconds / HURRY, longest / HURRY)


def look(source: bytes | Path) -> dict[str, Any]:
    """Do what the file asks."""
    asked = (source.read_bytes() if isinstance(source, Path) else source).decode("ascii", "replace")
    return ODD[asked]() if asked in ODD else {"answer": json.loads(asked)}


def _crash() -> Any:
    os.kill(os.getpid(), signal.SIGKILL)


def _abort() -> Any:
    os.abort()


def _spin() -> Any:
    while True:
        pass


def _sleep() -> Any:
    while True:
        signal.pause()


def _eat() -> Any:
    return {"answer": {}, "eaten": len(bytearray(EATEN))}


def _break() -> Any:
    raise ZeroDivisionError


def _half() -> Any:
    _write(HEAD.pack(2, 16) + b"{}" + bytes(8))
    os._exit(0)


def _much() -> Any:
    _write(HEAD.pack(2, 2**32 - 1) + b"{}" + bytes(1 << 16))
    return _sleep()


def _long() -> Any:
    _write(HEAD.pack(2**31, 0) + b"[" * (1 << 16))
    return _sleep()


def _silent() -> Any:
    os.closerange(3, FIRST_FILES)
    return _sleep()


def _write(data: bytes) -> None:
    """To the pipe to the server, wherever that is."""
    for descriptor in range(3, FIRST_FILES):
        with suppress(OSError):
            os.write(descriptor, data)


def _print() -> Any:
    os.write(1, b"a library prints something")
    return {"answer": {"error": "as asked", "kind": "picture"}}


ODD = {"crash": _crash, "abort": _abort, "spin": _spin, "sleep": _sleep, "eat": _eat, "break": _break, "print": _print}
ODD |= {"half": _half, "much": _much, "long": _long, "silent": _silent}


def fit_previews(first: list[Preview], **_: object) -> dict[str, Any]:
    """Do what the first preview asks."""
    return look(first[0].data)


def open_picture(source: bytes) -> dict[str, Any]:
    """Do what the file asks."""
    return look(source)


def _packed(found: dict[str, Any]) -> Made:
    return found["answer"], (PICTURE,)


@contextmanager
def odd_workers(monkeypatch: pytest.MonkeyPatch) -> Iterator[workers.Workers]:
    """Have all pictures decoded by such workers."""
    odd = workers.Workers(MODULE)
    with monkeypatch.context() as patch:
        patch.setattr(workers, "WORKERS", odd)
        yield odd
    odd.close()


def serve() -> NoReturn:
    """Be such a worker."""
    worker.OPERATIONS |= dict.fromkeys(("look", "fit_previews", "open_picture"), (MODULE, _packed))
    worker.Limits = HurriedLimits  # type: ignore[misc]  # what `worker.serve` sets its limits with
    worker.serve()
