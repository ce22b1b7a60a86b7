"""One worker: a small process that decodes pictures for a server, and how a server starts it and speaks with it.

It reads messages from its standard input, does what each asks, and answers. It ends when its input ends, and so with
its server, once the work at hand is done; one that somebody has stopped is ended by the system then (not on Windows).
It has neither keys nor settings, and no terminal's Ctrl-C reaches it.
Before each piece of work it sets its own limits, which the system enforces:

- Its address space, from the picture's pixels (Linux: RLIMIT_AS). macOS has this limit and does not enforce it, and
  Windows has none for a process outside a job object. There only the limits by pixels hold.
- Its processor time and the time that passes (Linux, macOS: interval timers, whose signals end it even in the middle of
  a decoder). On Windows the server ends it when the time has passed.
"""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import asdict
from importlib import import_module
from io import BufferedReader
from itertools import accumulate, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from imagewright.errors import PictureError, StorageError
from imagewright.imaging.limiter import Preview, Target
from imagewright.processes import freeze_imports, start_python

if sys.platform != "win32":
    import fcntl
    import resource

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from io import FileIO
    from typing import NoReturn

    from PIL.Image import Image

    from imagewright.imaging.files import PictureFacts
    from imagewright.imaging.limiter import PreparedPicture

MODULE = "imagewright.imaging.worker"
HEAD_LIMIT = 64_000
"""Most bytes of what a message says, without the files that go with it."""
PIPE_BYTES = 1 << 20
"""What the pipe to the server holds, so that a preview goes into it at once; any user may have so much (pipe(7))."""
READ_BYTES = 1 << 16
"""Bytes that are read from a pipe at once: nearly every message with its preview."""
KEPT_VARIABLES = frozenset(
    {"SYSTEMROOT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE"}
    | {"PYTHONPYCACHEPREFIX"}
)
"""The variables that a worker gets: where libraries are. It needs no setting, and least of all a key."""
STATM = Path("/proc/self/statm")
"""Where Linux says how much memory a process has."""

_LENGTHS = struct.Struct(">II")  # of a message's head and of all that follows it, in bytes

Head = dict[str, Any]
Made = tuple["Mapping[str, Any]", "Sequence[bytes]"]
"""What an answer says, and the files that go with it."""


class BadAnswerError(Exception):
    """What a worker answered is no answer; the text says what of it."""


def write_message(descriptor: int, head: Mapping[str, Any], files: Sequence[bytes] = ()) -> None:
    """Write a message with the files that go with it to a pipe, however long that takes.

    Raises:
        OSError: nobody reads it.
    """
    text = json.dumps(head).encode("ascii")
    parts = [_LENGTHS.pack(len(text), sum(map(len, files))), text, *files]
    if sum(map(len, parts)) <= PIPE_BYTES:  # in one go: else who waits for it would be woken for each part
        parts = [b"".join(parts)]
    for part in parts:
        view = memoryview(part)
        while view:
            view = view[os.write(descriptor, view) :]


def read_head(pipe: BinaryIO) -> tuple[Head, int] | None:
    """What a message says, and how many bytes follow it; None at the end of the pipe.

    Raises:
        BadAnswerError: what stands there is no message.
    """
    lengths = _read(pipe, _LENGTHS.size)
    if lengths is None:
        return None
    size, more = _LENGTHS.unpack(lengths)
    text = _read(pipe, size) if size <= HEAD_LIMIT else b""
    if text is None:
        return None
    try:
        head = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadAnswerError("no JSON") from error
    if type(head) is not dict:
        raise BadAnswerError("no object")
    return head, more


def _read(pipe: BinaryIO, size: int) -> bytes | None:
    """So many bytes of a pipe; None where it ends before."""
    data = pipe.read(size)
    return data if len(data) == size else None


class Worker:
    """A worker, as its server sees it."""

    def __init__(self, module: str = MODULE) -> None:
        """Start it; it need not be up yet when this returns.

        Raises:
            OSError: it cannot be started.
        """
        self._process = start_python(
            module,
            environment(os.environ),
            own_session=False,
            options=["-S"],  # all that it imports is found on the server's paths
            flags=getattr(subprocess, "CREATE_NO_WINDOW", 0),  # only Windows has it
        )
        self._answers = BufferedReader(cast("FileIO", self._process.stdout), READ_BYTES)
        self.pid = self._process.pid
        self.idle_since = time.monotonic()
        """When it had nothing more to do, by the monotonic clock."""

    def ask(self, head: Mapping[str, Any], files: Sequence[bytes], most: int) -> tuple[Head, bytes] | None:
        """Give it work and wait for the answer, whose file has at most so many bytes; None where it ended before.

        Raises:
            BadAnswerError: it does not answer as it should.
            OSError: it ended before it had everything.
        """
        write_message(cast("FileIO", self._process.stdin).fileno(), head, files)
        found = read_head(self._answers)
        if found is None:
            return None
        if found[1] > most:
            raise BadAnswerError("a file that is too large")
        body = _read(self._answers, found[1])
        return None if body is None else (found[0], body)

    def kill(self) -> None:
        """Let it end at once, whatever it does. It is not waited for."""
        self._process.kill()

    def end(self) -> int:
        """End it, and return its exit code. Blocks for a moment."""
        self._process.kill()
        code = self._process.wait()
        self.forget()
        return code

    def forget(self) -> None:
        """Close the pipes to it: for a process that was forked from the one that started it."""
        cast("FileIO", self._process.stdin).close()
        self._answers.close()
        if self._process.returncode is None:
            self._process.returncode = 0  # it is no child of this process: there is nothing to wait for


def environment(variables: Mapping[str, str]) -> dict[str, str]:
    """A worker's environment."""
    kept = {name: value for name, value in variables.items() if name.upper() in KEPT_VARIABLES}
    # one arena is enough for a process of one thread, and each further one takes 64 MB of address space
    return kept | {"MALLOC_ARENA_MAX": "1"}


def _facts(facts: PictureFacts) -> Made:
    return asdict(facts), ()


def _looked(found: tuple[PictureFacts, Preview]) -> Made:
    return {"facts": asdict(found[0]), **_fields(found[1])}, (found[1].data,)


def _fitted(found: tuple[list[Preview], bool]) -> Made:
    return {"previews": [_fields(one) for one in found[0]], "shrunk": found[1]}, [one.data for one in found[0]]


def _prepared(made: PreparedPicture) -> Made:
    return {**_fields(made), "note": made.note}, (made.data,) if made.note else ()


def _fields(made: Preview | PreparedPicture) -> dict[str, Any]:
    return {"format": made.format, "width": made.width, "height": made.height, "size": len(made.data)}


def _value(value: float | str) -> Made:
    return {"value": value}, ()


def _file(data: bytes) -> Made:
    return {}, (data,)


def _pixels(image: Image) -> Made:
    profile: bytes = image.info.get("icc_profile") or b""
    fields = {"mode": image.mode, "width": image.width, "height": image.height, "profile": len(profile)}
    return fields, (profile, image.tobytes())


OPERATIONS: dict[str, tuple[str, Callable[[Any], Made]]] = {
    "probe": ("imagewright.imaging.files", _facts),
    "look": ("imagewright.imaging.preview", _looked),
    "fit_previews": ("imagewright.imaging.preview", _fitted),
    "prepare": ("imagewright.imaging.prepare", _prepared),
    "mask_coverage": ("imagewright.imaging.prepare", _value),
    "mask_doubt": ("imagewright.imaging.prepare", _value),
    "convert_mask": ("imagewright.imaging.prepare", _file),
    "read_mask": ("imagewright.imaging.prepare", _pixels),
    "resize_exact": ("imagewright.imaging.pixels", _file),
    "open_picture": ("imagewright.imaging.pixels", _pixels),
    "as_png": ("imagewright.imaging.lossless", _file),
}
"""What can be asked of a worker: the functions of these names in these modules, and what makes an answer of what they
return. Each is called with the path of a file or the content of one, and with its options by name."""
FIRST = ("imagewright.imaging.files", "imagewright.imaging.preview", "PIL.PngImagePlugin", "PIL.JpegImagePlugin")
"""What nearly every worker needs, loaded before the first work comes. `Limits` counts from there."""


def answer(head: Head, body: bytes) -> Made:
    """Do what a message asks; an error becomes an answer too."""
    kind = "picture"
    try:
        module, pack = OPERATIONS[head["what"]]
        function, options = getattr(import_module(module), head["what"]), head["options"]
        if "target" in options:
            options["target"] = Target(**options["target"])
        if "first" in options:
            files = pairwise(accumulate(options["first"], initial=0))
            options["first"] = [Preview(body[start:end], "", 0, 0) for start, end in files]
            return pack(function(**options))
        return pack(function(body if head["path"] is None else Path(head["path"]), **options))
    except PictureError as error:
        text = str(error)
    except StorageError as error:
        kind, text = "storage", str(error)
    except MemoryError:
        text = "it takes more memory than a picture of its size should: save it anew with another program"
    except Exception as error:  # noqa: BLE001 - a bug that one picture meets must not end the worker
        kind, text = "fault", f"what decodes it failed ({type(error).__name__})"
    return {"kind": kind, "error": text}, ()


class Limits:
    """What the system lets this process take for one piece of work."""

    def __init__(self) -> None:
        self._base = 0
        if sys.platform == "linux" and STATM.exists():
            self._base = int(STATM.read_text("ascii").split()[0]) * os.sysconf("SC_PAGE_SIZE")

    def set(self, memory: int, seconds: float, longest: float) -> None:
        """Allow so many bytes of address space beyond what it had at first, and so many seconds of work and in all."""
        if sys.platform != "win32":
            signal.setitimer(signal.ITIMER_PROF, seconds)
            signal.setitimer(signal.ITIMER_REAL, longest)
            if self._base:
                most = resource.getrlimit(resource.RLIMIT_AS)[1]
                wanted = self._base + memory
                resource.setrlimit(resource.RLIMIT_AS, (wanted if most < 0 else min(wanted, most), most))

    def lift(self) -> None:
        """Stop counting the time, until the next piece of work comes."""
        if sys.platform != "win32":
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.setitimer(signal.ITIMER_REAL, 0)


def serve() -> NoReturn:
    """Be a worker, until the server has ended."""
    output = os.dup(1)
    os.dup2(2, 1)  # whatever a library prints must not stand between the messages
    if sys.platform == "linux":
        with suppress(OSError):  # the user has many pipes
            fcntl.fcntl(output, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    if sys.platform != "win32":
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # no picture is left in a file when a decoder crashes
    for module in FIRST:
        import_module(module)
    freeze_imports()
    limits = Limits()
    with suppress(OSError), open(0, "rb", READ_BYTES, closefd=False) as pipe:  # the server may end while it is answered
        while (found := read_head(pipe)) is not None:
            head, size = found
            limits.set(head["memory"], head["seconds"], head["longest"])
            body = _read(pipe, size)
            if body is None:
                break
            fields, files = answer(head, body)
            limits.lift()
            write_message(output, fields, files)
            del body, fields, files  # the next piece of work may be long in coming
    os._exit(0)
