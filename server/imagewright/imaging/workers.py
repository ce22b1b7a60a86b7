"""The processes in which pictures are decoded, as this process sees them.

A picture comes from a stranger, and a decoder is a large C library. So each is decoded in a small process of its own
session without keys, with bounds on its memory and its time (`worker`). One that crashes, hangs or takes too much costs
one call one error. What it answers is not trusted either: it is bounded, no code in it is run, and each value is
checked.

The functions here block for as long as the work takes, so `limiter` calls them in threads. There is one for each kind
of work that a worker does, of the same name as the function that does it there.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from imagewright.errors import ImagewrightError, PictureError, StorageError
from imagewright.imaging.files import PictureFacts, measure
from imagewright.imaging.headers import MAX_PIXELS
from imagewright.imaging.limiter import MOST_AT_ONCE, PreparedPicture, Preview
from imagewright.imaging.signatures import KINDS
from imagewright.imaging.worker import MODULE, BadAnswerError, Worker
from imagewright.text import clip, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from PIL.Image import Image

    from imagewright.imaging.files import Measured
    from imagewright.imaging.limiter import Piece, Target
    from imagewright.imaging.prepare import MaskForm
    from imagewright.imaging.signatures import Sides
    from imagewright.imaging.worker import Head

IDLE_SECONDS = 60.0
"""After so long without work a worker is ended; the next work starts another."""
MEMORY_FACTOR, SPARE_BYTES = 1.5, 240_000_000 + 16_000_000 * (os.cpu_count() or 1)
"""Address space that a worker may take: so many times the memory that its work is reckoned to need, and so much more
for libraries that are loaded with the first picture of a format and for the stacks of their threads."""
ANSWER_BYTES = 4_000_000
"""Bytes that an answer may have beyond what its work is reckoned to need: colour profiles, and files of few pixels."""
LEAST_SECONDS, BYTES_PER_SECOND, MOST_SECONDS = 5.0, 8_000_000, 180.0
"""Seconds of processor time that work may take: the least, one more for so many bytes of memory, and at most the last.
That large WebP takes 55 s on a server of 2026; most work takes a tenth of what it may."""
WALL_FACTOR, START_SECONDS = 4, 10.0
"""Seconds that may pass meanwhile: so many times the processor time (the machine may be busy), and a start."""
LONGEST_WORDS = 1000
"""Characters of an error's text that are taken from a worker."""
TIME_SIGNALS = frozenset(-getattr(signal, name, 0) for name in ("SIGPROF", "SIGALRM")) - {0}
"""Exit codes of a worker whose time was over."""
ADVICE = "save it anew with another program, or give another picture"
MADE_BYTES = 12
"""Bytes of memory for each pixel of a picture that is made in a given size."""
CHANNELS = {"L": 1, "RGB": 3, "RGBA": 4}
"""Bytes of a pixel in each of the modes in which pictures are handed over as pixels."""

Result = TypeVar("Result")
Value = TypeVar("Value")
Source = bytes | Path


class DecoderError(PictureError):
    """A picture could not be decoded, and it is not known to be damaged."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a worker answered. Each method returns what it says of something, or raises `BadAnswerError`."""

    fields: Head
    """What it says."""
    body: bytes
    """The file that it made."""

    def value(self, name: str, kind: type[Value]) -> Value:
        """A value of exactly that type."""
        value = self.fields.get(name) if type(self.fields) is dict else None
        if type(value) is not kind:
            raise BadAnswerError(name)
        return value

    def number(self, name: str, least: int, most: int) -> int:
        """A whole number within bounds."""
        value = self.value(name, int)
        if not least <= value <= most:
            raise BadAnswerError(name)
        return value

    def words(self, name: str) -> str:
        """A text on one line, cut."""
        return plain(clip(self.value(name, str), LONGEST_WORDS))

    def sides(self) -> tuple[int, int]:
        """Width and height in px."""
        width, height = (self.number(name, 1, MAX_PIXELS) for name in ("width", "height"))
        if width * height > MAX_PIXELS:
            raise BadAnswerError("width and height")
        return width, height

    def file(self) -> Measured:
        """What the file's own header says."""
        with suppress(PictureError):
            return measure(self.body)
        raise BadAnswerError("no picture")

    def made(self) -> tuple[bytes, str, int, int]:
        """The file that was made, its type and its sides in px, which its own header has as well."""
        measured = self.file()
        if (measured.width, measured.height) != self.sides():
            raise BadAnswerError("other sides than in the file")
        return self.body, measured.format, measured.width, measured.height

    def error(self) -> ImagewrightError | None:
        """The error that it is, if it is one."""
        kinds = {"picture": PictureError, "storage": StorageError}
        return kinds.get(self.words("kind"), DecoderError)(self.words("error")) if "error" in self.fields else None


class Workers:
    """The workers of this process, at most `MOST_AT_ONCE`: what comes beyond waits in its thread for the next free one.

    Each does one thing at a time, and an idle one is used again. Safe to use from any thread.
    """

    def __init__(self, module: str = MODULE, *, idle_seconds: float = IDLE_SECONDS) -> None:
        self._module = module
        self._idle_seconds = idle_seconds
        self.idle: list[Worker] = []
        """Those that have nothing to do, the last one used at the end."""
        self._lock, self._turns = threading.Lock(), threading.Semaphore(MOST_AT_ONCE)
        self._timer: threading.Timer | None = None
        self.count = 0
        """How many there are, busy or idle."""

    def do(
        self,
        piece: Piece,
        what: str,
        source: Source | Sequence[bytes],
        read: Callable[[Answer], Result],
        *,
        more: int = 0,
        **options: Any,
    ) -> Result:
        """Let a worker do something to a file or to several, and read its answer.

        `more` is bytes of memory beyond those reckoned for the piece of work. A worker that ends without an answer may
        have been ended by the system for want of memory, so a new one tries once more.

        Raises:
            PictureError: as the function of that name in the worker.
            StorageError: as there.
            DecoderError: it took too long, or no worker lived long enough to answer.
        """
        cost = piece.cost + more
        seconds = min(LEAST_SECONDS + cost / BYTES_PER_SECOND, MOST_SECONDS)
        longest = WALL_FACTOR * seconds + START_SECONDS
        files = () if isinstance(source, Path) else (source,) if isinstance(source, bytes) else tuple(source)
        head = {
            "what": what,
            "memory": int(cost * MEMORY_FACTOR) + sum(map(len, files)) + SPARE_BYTES,
            "seconds": seconds,
            "longest": longest,
            "path": str(source) if isinstance(source, Path) else None,
            "options": options,
        }
        with self._turns:
            for is_new in () if piece.ended else (False, True):
                try:
                    worker = self._taken(is_new=is_new)
                except OSError as error:
                    raise DecoderError(f"no process can be started that decodes pictures: {error}") from error
                done: list[Result | ImagewrightError] = []
                if piece.begin(worker.kill, longest):
                    with suppress(BadAnswerError, OSError):
                        found = worker.ask(head, files, cost + ANSWER_BYTES)
                        answer = None if found is None else Answer(*found)
                        done = [] if answer is None else [answer.error() or read(answer)]
                if piece.finish() and done:
                    self._put(worker)
                    if isinstance(done[0], ImagewrightError):
                        raise done[0]
                    return done[0]
                if self._ended(worker) in TIME_SIGNALS or piece.ended:
                    raise DecoderError(
                        f"it was not decoded within {seconds:.0f} s of work and {longest:.0f} s in all: {ADVICE}"
                    )
        raise DecoderError(f"the process that decodes it ended twice without an answer: {ADVICE}")

    def warm_up(self, wanted: int = 1) -> None:
        """Start so many, less those there are, for work that is about to come. Does not block."""
        with self._lock:
            missing = max(0, min(wanted, MOST_AT_ONCE) - self.count)
            self.count += missing
        for _ in range(missing):
            threading.Thread(target=self._add, name="worker start", daemon=True).start()

    def close(self) -> None:
        """End the workers that have nothing to do."""
        with self._lock:
            idle, self.idle = self.idle, []
        for worker in idle:
            self._ended(worker)

    def forget(self) -> None:
        """Leave all workers to the process that this one was forked from."""
        self._lock, self._turns = threading.Lock(), threading.Semaphore(MOST_AT_ONCE)
        self._timer = None
        idle, self.idle, self.count = self.idle, [], 0
        for worker in idle:
            worker.forget()

    def _add(self) -> None:
        try:
            worker = Worker(self._module)
        except OSError:  # whoever needs it hears of it
            with self._lock:
                self.count -= 1
        else:
            self._put(worker)

    def _taken(self, *, is_new: bool) -> Worker:
        with self._lock:
            if self.idle and not is_new:
                return self.idle.pop()
        worker = Worker(self._module)
        with self._lock:
            self.count += 1
        return worker

    def _put(self, worker: Worker) -> None:
        worker.idle_since = time.monotonic()
        with self._lock:
            self.idle.append(worker)
            if self._timer is None:
                self._wait(self._idle_seconds)

    def _ended(self, worker: Worker) -> int:
        """End a worker; its exit code."""
        code = worker.end()
        with self._lock:
            self.count -= 1
        return code

    def _wait(self, seconds: float) -> None:
        self._timer = threading.Timer(seconds, self._reap)
        self._timer.daemon = True
        self._timer.start()

    def _reap(self) -> None:
        """End those that had nothing to do for long, and come back for the others."""
        since = time.monotonic() - self._idle_seconds
        with self._lock:
            old = [worker for worker in self.idle if worker.idle_since <= since]
            self.idle = [worker for worker in self.idle if worker.idle_since > since]
            self._timer = None
            if self.idle:
                self._wait(self.idle[0].idle_since - since)
        for worker in old:
            self._ended(worker)


WORKERS = Workers()
"""The workers of this process."""
atexit.register(WORKERS.close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=WORKERS.forget)


def probe(piece: Piece, source: Source) -> PictureFacts:
    """As `files.probe`, thoroughly."""
    return WORKERS.do(piece, "probe", source, _facts)


def look(piece: Piece, source: Source) -> tuple[PictureFacts, Preview]:
    """As `preview.look`."""
    return WORKERS.do(piece, "look", source, _looked)


def fit_previews(piece: Piece, first: Sequence[Preview], budget: int) -> tuple[list[Preview], bool]:
    """As `preview.fit_previews`."""

    def read(answer: Answer) -> tuple[list[Preview], bool]:
        made, body = [], answer.body
        for fields, _ in zip(answer.value("previews", list), first, strict=False):
            size = Answer(fields, body).number("size", 1, len(body))
            made.append(Preview(*Answer(fields, body[:size]).made()))
            body = body[size:]
        if body or sum(preview.encoded_size for preview in made) > budget:
            raise BadAnswerError("more previews than there is room for")
        return made, answer.value("shrunk", bool)

    files = [preview.data for preview in first]
    return WORKERS.do(piece, "fit_previews", files, read, first=[len(file) for file in files], budget=budget)


def prepare(piece: Piece, data: bytes, target: Target) -> PreparedPicture:
    """As `prepare.prepare`."""

    def read(answer: Answer) -> PreparedPicture:
        note = answer.words("note")
        made = answer.made() if note else (data, Answer({}, data).file().format, *answer.sides())
        return PreparedPicture(*made, note)  # without a note it is the caller's own file

    return WORKERS.do(piece, "prepare", data, read, target=asdict(target))


def mask_coverage(piece: Piece, data: bytes) -> float:
    """As `prepare.mask_coverage`."""
    return WORKERS.do(piece, "mask_coverage", data, _share)


def mask_doubt(piece: Piece, data: bytes) -> str:
    """As `prepare.mask_doubt`."""
    return WORKERS.do(piece, "mask_doubt", data, lambda answer: answer.words("value"))


def convert_mask(piece: Piece, data: bytes, form: MaskForm, size: Sides) -> bytes:
    """As `prepare.convert_mask`."""
    return WORKERS.do(piece, "convert_mask", data, _file, more=size[0] * size[1] * MADE_BYTES, form=form, size=size)


def resize_exact(piece: Piece, source: Source, width: int, height: int) -> bytes:
    """As `pixels.resize_exact`."""
    return WORKERS.do(
        piece, "resize_exact", source, _file, more=width * height * MADE_BYTES, width=width, height=height
    )


def as_png(piece: Piece, source: Source) -> bytes:
    """As `lossless.as_png`."""
    return WORKERS.do(piece, "as_png", source, _file)


def open_picture(piece: Piece, data: bytes) -> Image:
    """As `pixels.open_picture`."""
    return WORKERS.do(piece, "open_picture", data, _image)


def read_mask(piece: Piece, data: bytes) -> Image:
    """As `prepare.read_mask`."""
    return WORKERS.do(piece, "read_mask", data, _image)


def _file(answer: Answer) -> bytes:
    answer.file()
    return answer.body


def _share(answer: Answer) -> float:
    value = answer.value("value", float)
    if not 0 <= value <= 1:
        raise BadAnswerError("share")
    return value


def _facts(answer: Answer) -> PictureFacts:
    width, height = answer.sides()
    transparent = answer.fields.get("transparent")
    if (name := answer.words("format")) not in KINDS:
        raise BadAnswerError("format")
    return PictureFacts(
        format=name,
        width=width,
        height=height,
        orientation=answer.number("orientation", 1, 8),
        frames=answer.number("frames", 1, MAX_PIXELS),
        has_alpha=answer.value("has_alpha", bool),
        size=answer.number("size", 0, sys.maxsize),
        transparent=None if transparent is None else answer.value("transparent", bool),
    )


def _looked(answer: Answer) -> tuple[PictureFacts, Preview]:
    return _facts(Answer(answer.value("facts", dict), b"")), Preview(*answer.made())


def _image(answer: Answer) -> Image:
    """Pixels, which follow the colour profile."""
    from PIL import Image as images  # noqa: N813, PLC0415 - a server that only passes pictures on loads no Pillow

    mode, size = answer.words("mode"), answer.sides()
    profile = answer.number("profile", 0, len(answer.body))
    if mode not in CHANNELS or len(answer.body) - profile != size[0] * size[1] * CHANNELS[mode]:
        raise BadAnswerError("pixels")
    image = images.frombytes(mode, size, memoryview(answer.body)[profile:])
    if profile:
        image.info["icc_profile"] = answer.body[:profile]
    return image
