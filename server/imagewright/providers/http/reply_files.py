"""What a paid request leaves in its job's folder: a lock while it is under way, and then the file of its reply.

Whoever gets the lock `lock-<number>` knows the outcome. The file `reply-<number>` says the answer, or why none came, or
that nothing was sent. Without one the outcome is unknown. The lock file is empty until the request is sent, and then
holds a mark. Only a process that was told to go leaves a reply where there is one, or a mark: one that wakes up late
may find that another has sent the request. The system frees a lock when its process ends, so neither a clock nor a
process number is needed. httpx is not imported here: whoever only collects needs none.
"""

from __future__ import annotations

import errno
import json
import os
import sys
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread

from imagewright.errors import StorageError, why
from imagewright.providers.http.classify import Broken
from imagewright.providers.http.dispatch import LATE_SECONDS, SMALL, STOPPED, read_reply
from imagewright.providers.http.redact import without_key, without_keys
from imagewright.providers.http.request import Purpose, Request
from imagewright.providers.sending import Sending
from imagewright.storage.batches import Batches
from imagewright.storage.paths import open_folder
from imagewright.storage.paths.files import read_file, write_whole

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from imagewright.providers.http.dispatch import Parcel
    from imagewright.providers.http.exchange import Connections
    from imagewright.providers.http.request import Reply

LOOKS = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""Seconds between looks at a lock that is taken; the last is repeated."""
BUSY = frozenset({errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK})
"""What a lock says that is taken."""
UNKEPT_HEADERS = frozenset({"set-cookie"})
"""Of a vendor's answer, not kept."""
DISK = Batches(8)
"""The threads that lock and write these files. Each file is written to the disk by itself, so several wait at once."""
LOST = "the process that was sending it stopped"
SENT = b"sent"
"""The mark of a request that is sent, in its lock. A file of its own would take an inode for every request."""


def lock_file(folder: Path, number: int) -> Path:
    """The file that is locked while a request is under way."""
    return folder / f"lock-{number}"


def reply_file(folder: Path, number: int) -> Path:
    """The file that holds the answer to a request."""
    return folder / f"reply-{number}"


class StillLocked(Exception):
    """Another process has had the lock of a request for as long as it was waited for."""


@asynccontextmanager
async def locked(folder: Path, number: int, seconds: float | None = None, *, make: bool = False) -> AsyncIterator[int]:
    """Hold the lock of a request, an open file, and wait for it that long.

    The file stays: removing it would let two processes hold locks of one name. Where the file system has no locks, it
    counts as got. With `make`, a missing folder is made.

    Raises:
        OSError: the file cannot be made.
        StillLocked: it was not got within that time.
    """
    path, looks = lock_file(folder, number), iter(LOOKS)
    lock: int | None = None
    try:
        lock = await DISK.run(_lock, path, make)
        if lock is None:
            with anyio.move_on_after(seconds):
                while lock is None:
                    await anyio.sleep(next(looks, LOOKS[-1]))
                    lock = await DISK.run(_lock, path, make)
        if lock is None:
            raise StillLocked
        yield lock
    finally:
        if lock is not None:
            os.close(lock)


def _lock(path: Path, make: bool) -> int | None:  # noqa: FBT001 - handed on to a thread
    """An open file that holds the lock; None while another has it."""
    with open_folder(path.parent, make=make) as folder:
        descriptor = folder.open(path.name, os.O_RDWR | os.O_CREAT)
    try:
        if sys.platform == "win32":
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in BUSY:
            os.close(descriptor)
            return None
    return descriptor


async def collect(provider: str, folder: str, number: int, max_bytes: int, seconds: float) -> Reply:
    """The answer to a request that a courier has sent. While that is under way it is waited for, so many seconds.

    Raises:
        Broken: no whole answer came, or nothing was sent.
        StorageError: the folder cannot be read, or the answer is not written yet: a full disk may not take it.
    """
    try:
        async with locked(Path(folder), number, seconds):
            data = await anyio.to_thread.run_sync(_read, reply_file(Path(folder), number), max_bytes)
    except StillLocked as error:
        raise StorageError(f"What {provider} answered does not come to {folder}: is the disk full?") from error
    except FileNotFoundError:  # the folder was removed
        data = None
    except OSError as error:
        raise StorageError(f"{folder} cannot be read: {why(error)}.") from error
    if data is None:
        raise Broken(LOST, reached=True)
    return await anyio.to_thread.run_sync(partial(read_reply, data, provider, begun=True))


async def collect_again(provider: str, sending: Sending, max_bytes: int, seconds: float) -> Reply:
    """The answer to a request that another process began to send.

    Raises:
        Broken: no whole answer came, or nothing was sent.
        StorageError: as `collect`.
    """
    if sending.collected:
        raise Broken(STOPPED, reached=False, unsent=True)
    if sending.folder is None:
        raise Broken(LOST, reached=True)
    reply = await collect(provider, str(sending.folder), sending.number, max_bytes, seconds + LATE_SECONDS)
    sending.collected = True
    return reply


def _read(path: Path, max_bytes: int) -> bytes | None:
    try:
        return read_file(path, max_bytes + SMALL)  # and its first line
    except FileNotFoundError:
        return None


def pack_reply(head: Mapping[str, Any], body: bytes = b"") -> bytes:
    """A reply as it stands in its file: a line of JSON, then the body."""
    return json.dumps(head).encode("ascii") + b"\n" + body


def pack_broken(parcel: Parcel, why: str, *, reached: bool, oversize: bool = False) -> bytes:
    """As `pack_reply`, for a request without a whole answer; the words are as in `Broken`."""
    return pack_reply({"provider": parcel.provider, "broken": why, "reached": reached, "oversize": oversize})


async def obtain(connections: Connections, parcel: Parcel, begin: Callable[[], Awaitable[None]]) -> bytes:
    """Send a request and return what its file will hold. Its lock is held; `begin` is as in `Sending`."""
    request: Request[Any] = Request(
        purpose=Purpose.SUBMIT,
        method=parcel.method,
        url=parcel.url,
        content=parcel.content or None,
        max_bytes=parcel.max_bytes,
        read=lambda _: None,
    )
    try:
        reply = await connections.exchange(request, parcel.headers, parcel.seconds, Sending(begin), guard=None)
    except Broken as broken:
        return pack_broken(
            parcel, without_key(broken.why, parcel.key), reached=broken.reached, oversize=broken.oversize
        )
    reply = await without_keys(reply, parcel.key)
    headers = {name: value for name, value in reply.headers.items() if name not in UNKEPT_HEADERS}
    return pack_reply({"provider": parcel.provider, "status": reply.status, "headers": headers}, reply.body)


def write(path: Path, data: bytes) -> None:
    """Write a file whole or not at all. It survives a power cut.

    Raises:
        OSError: it cannot be written.
    """
    with open_folder(path.parent) as folder:
        write_whole(folder, path.name, data, lasting=True)


def mark(parcel: Parcel, lock: int) -> None:
    """Write down, right before the first byte leaves, that it is sent: into its lock, and in place of an older reply.

    Raises:
        OSError: it cannot be written.
    """
    path = reply_file(Path(parcel.folder), parcel.number)
    if path.exists():  # one that comes back after a power cut would be taken for the answer
        write(path, pack_broken(parcel, LOST, reached=True))
    os.write(lock, SENT)


def mark_unsent(parcel: Parcel, lock: int, data: bytes) -> None:
    """Write down that it was not sent, unless another process has sent it: then there is a reply, or a mark.

    Raises:
        OSError: it cannot be written.
    """
    path = reply_file(Path(parcel.folder), parcel.number)
    if not path.exists() and not os.fstat(lock).st_size:
        write(path, data)


async def send_here(connections: Connections, parcel: Parcel, begin: Callable[[], Awaitable[None]]) -> Reply:
    """Send a request from this process, as there is no courier, and leave the same files.

    Raises:
        Broken: no whole answer came.
        StorageError: nothing can be written there; nothing was sent.
    """
    folder, number = Path(parcel.folder), parcel.number
    sent = False

    async def begin_and_mark() -> None:
        nonlocal sent
        await begin()
        mark(parcel, lock)
        sent = True

    try:
        async with locked(folder, number, parcel.seconds + LATE_SECONDS, make=True) as lock:
            data = await obtain(connections, parcel, begin_and_mark)
            with suppress(OSError):  # the caller has it anyway
                await anyio.to_thread.run_sync(write, reply_file(folder, number), data)
    except StillLocked as error:
        raise Broken("another process is sending it", reached=False) from error
    except OSError as error:
        if sent:  # one that httpx does not know
            raise Broken(why(error), reached=True) from error
        raise StorageError(f"Nothing can be written in {folder}: {why(error)}.") from error
    return await anyio.to_thread.run_sync(partial(read_reply, data, parcel.provider, begun=False))
