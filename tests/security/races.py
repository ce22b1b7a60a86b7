"""Folders and files that another program exchanges for links, again and again, while pictures are read and saved.

    python -m tests.security.races [--rounds 10000]

The other program swaps a folder of the user's, one of a running job, and a picture with links to what lies outside, by
`renameat2` with EXCHANGE: at every moment one of the two is there. Of each round is counted what came of it. Nothing
from outside may be read, nothing may be written, made or removed outside, and whatever is refused is refused in words.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import subprocess
import sys
import tempfile
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from imagewright.errors import StorageError
from imagewright.providers.http.reply_files import locked, reply_file, write
from imagewright.settings.folders import Folders
from imagewright.storage import ChangedFileError
from imagewright.storage.accounts import LOCAL
from imagewright.storage.paths.files import open_file, rename_file
from imagewright.storage.paths.roots import AllowedRoots
from imagewright.storage.records import NewPicture, PictureRecord
from imagewright.storage.stores import open_stores

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from imagewright.storage.stores import Stores

EXCHANGE = 2
"""RENAME_EXCHANGE of `linux/fs.h`."""
AT_WORKING_DIRECTORY = -100
SECRET = b"the secret that nobody may read"
OWN = b"a picture of the user's own"
LIMIT = 1000
OUTCOMES = ("done", "refused", "leaked", "broke")


def why_not() -> str:
    """Why no race can be run here; empty if it can."""
    if not hasattr(ctypes.CDLL(None), "renameat2"):
        return "this system has no renameat2"
    with tempfile.TemporaryDirectory() as folder:
        one, other = Path(folder, "one"), Path(folder, "other")
        one.touch()
        other.touch()
        return "" if exchange(one, other) == 0 else "this file system cannot exchange two files"


def exchange(one: Path, other: Path) -> int:
    """Exchange two names at once; 0 if that was done."""
    names = os.fsencode(one), AT_WORKING_DIRECTORY, os.fsencode(other), EXCHANGE
    done: int = ctypes.CDLL(None, use_errno=True).renameat2(AT_WORKING_DIRECTORY, *names)
    return done


@contextmanager
def swapped(*pairs: tuple[Path, Path]) -> Iterator[None]:
    """While the block runs, a process of its own exchanges the two of each pair, as often as it can."""
    words = [str(path) for pair in pairs for path in pair]
    swapper = subprocess.Popen([sys.executable, __file__, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603 - our own words
    assert swapper.stdin is not None
    assert swapper.stdout is not None
    try:
        swapper.stdout.readline()
        yield
    finally:
        swapper.stdin.close()
        swapper.stdout.close()
        swapper.kill()
        swapper.wait()


def swap(words: list[str]) -> None:
    """What the other process does until it is killed, or its parent has ended."""
    library = ctypes.CDLL(None)
    names = [os.fsencode(word) for word in words]
    pairs = list(zip(names[::2], names[1::2], strict=True))
    print("swapping", flush=True)  # noqa: T201 - the parent waits for it
    while os.getppid() != 1:
        for _ in range(1000):
            for one, other in pairs:
                library.renameat2(AT_WORKING_DIRECTORY, one, AT_WORKING_DIRECTORY, other, EXCHANGE)


@dataclass
class Place:
    """Folders with pictures, and what lies outside of them."""

    base: Path
    folders: Folders = field(init=False)

    def __post_init__(self) -> None:
        home = self.base / "home"
        self.root, self.outside = self.base / "root", self.base / "outside"
        self.folders = Folders(
            home / "pictures", home / "imagewright.db", home / "c.toml", home / "k.toml", (home / "pictures", self.root)
        )
        self.job = home / "incoming" / "job_1"
        for folder in (self.root / "inner", self.outside, self.job):
            folder.mkdir(parents=True)
        for name in ("cat.png", "input-0", "picture", "result-1", "reply-1"):
            (self.outside / name).write_bytes(SECRET)
        (self.root / "inner" / "cat.png").write_bytes(OWN)
        (self.root / "dog.png").write_bytes(OWN)
        (self.job / "result-1").write_bytes(OWN)
        (self.root / "evil").symlink_to(self.outside)
        (self.root / "evil.png").symlink_to(self.outside / "cat.png")
        (self.job.parent / "evil").symlink_to(self.outside)
        self.source = self.base / "source"
        self.source.write_bytes(OWN)
        self.before = self.lies_outside()

    @property
    def pairs(self) -> tuple[tuple[Path, Path], ...]:
        """What is exchanged."""
        return (
            (self.root / "inner", self.root / "evil"),
            (self.root / "dog.png", self.root / "evil.png"),
            (self.job, self.job.parent / "evil"),
        )

    def lies_outside(self) -> dict[str, bytes]:
        """All files outside, by name."""
        return {path.name: path.read_bytes() if path.is_file() else b"" for path in self.outside.rglob("*")}

    def changed_outside(self) -> list[str]:
        """What was made, changed or removed outside."""
        now = self.lies_outside()
        return sorted(name for name in now | self.before if now.get(name) != self.before.get(name))


@dataclass
class Count:
    """What came of the rounds of each kind, and what is outside that should not be."""

    outcomes: dict[str, Counter[str]] = field(default_factory=dict)
    outside: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    """Errors that are no refusals, with their kind."""

    def broken(self) -> list[str]:
        """All that may not be; empty if it held."""
        leaks = [kind for kind, counts in self.outcomes.items() if counts["leaked"]]
        return [*leaks, *self.outside, *self.faults]


def _reads(place: Place, stores: Stores) -> dict[str, Callable[[], Awaitable[bytes | None]]]:
    """Ways to read; those of kept pictures read what is recorded for them."""
    roots = AllowedRoots(place.folders.roots)
    new = NewPicture(tool="t", operation="generate", provider="p", model="m", format="png", width=1, height=1)

    def record(name: str) -> PictureRecord:
        path = place.root / name
        known = {one: getattr(new, one) for one in NewPicture.__dataclass_fields__}
        return PictureRecord(**known, id=f"img_{path.stem}", key=f"file:{path.as_posix()}", path=path, bytes=len(OWN))

    async def argument(name: str) -> bytes:
        return await anyio.to_thread.run_sync(roots.read_bytes, str(place.root / name), LIMIT)

    async def head(name: str) -> bytes:
        return (await stores.library.head(record(name), LIMIT))[0]

    async def missing() -> bytes:
        """The refusal names what lies beside it."""
        try:
            return await argument("inner/result.png")
        except StorageError as error:
            if "did you mean" in str(error) and "result-1" in str(error):
                return SECRET
            raise

    return {
        "an argument in the folder": lambda: argument("inner/cat.png"),
        "an argument": lambda: argument("dog.png"),
        "a kept picture in the folder": lambda: stores.library.read(record("inner/cat.png"), LIMIT),
        "a kept picture": lambda: stores.library.read(record("dog.png"), LIMIT),
        "the head of a kept picture": lambda: head("inner/cat.png"),
        "the names beside a missing file": missing,
        "a file of a job": lambda: stores.blobs.read("incoming/job_1/result-1"),
    }


def _writes(place: Place, stores: Stores) -> dict[str, Callable[[], Awaitable[bytes | None]]]:
    new = NewPicture(tool="t", operation="generate", provider="p", model="m", format="png", width=1, height=1)
    reply = reply_file(place.job, 1)

    async def save(name: str) -> None:
        record, _ = await stores.library.keep(LOCAL, place.source, new, save_as=name)
        assert record.path is not None

    async def lock() -> None:
        async with locked(place.job, 1, 0.01):
            pass

    async def answer() -> None:
        write(reply, OWN)

    async def removal() -> None:
        await stores.blobs.delete("incoming/job_1/input-")

    async def workplace() -> None:
        await stores.blobs.workplace("incoming/job_1/fetch-1-me")

    async def listing() -> None:
        await stores.blobs.keys("incoming/job_1/")
        await stores.blobs.folders("incoming")

    return {
        "a picture into the folder": lambda: save(str(place.root / "inner" / "fox.png")),
        "a picture into a new folder": lambda: save(str(place.root / "inner" / "new" / "fox.png")),
        "the room in the folder": lambda: stores.library.check_room(LOCAL, str(place.root / "inner" / "a.png"), 10),
        "a result": lambda: stores.blobs.put("incoming/job_1/result-1", OWN),
        "a lock": lock,
        "an answer": answer,
        "a folder to work in": workplace,
        "removing inputs": removal,
        "what lies there": listing,
    }


def _deliveries(place: Place, stores: Stores) -> dict[str, Callable[[], Awaitable[bytes | None]]]:
    new = NewPicture(tool="t", operation="generate", provider="p", model="m", format="png", width=1, height=1)

    async def download() -> None:
        part = place.job / "picture.part"
        with open_file(part, "wb") as file:
            file.write(OWN)
        rename_file(part, "picture")

    async def delivery() -> bytes:
        """What was fetched becomes a picture of the library, without a copy where it can."""
        try:
            await download()
        except OSError as error:
            raise StorageError("It could not be fetched.") from error
        try:
            record, _ = await stores.library.keep(LOCAL, place.job / "picture", new, digest=sha256(OWN).digest())
        except ChangedFileError as error:
            raise StorageError("It was exchanged for another file.") from error
        assert record.path is not None
        return await anyio.Path(record.path).read_bytes()

    async def unreadable() -> bytes:
        path = await stores.library.keep_unreadable(place.job / "result-1", replace(new, job_id="job_1"), "bin")
        return await anyio.Path(path).read_bytes()

    return {"a download": download, "a delivery": delivery, "a delivery of what cannot be read": unreadable}


async def run(base: Path, rounds: int) -> Count:
    """So many rounds of reading and as many of writing, each in all ways by turns, while all is being exchanged."""
    place, count = Place(base), Count()
    stores = open_stores(place.folders, lease=10)
    with swapped(*place.pairs):
        for ways in (_reads(place, stores), _writes(place, stores) | _deliveries(place, stores)):
            kinds = list(ways)
            for number in range(rounds):
                kind = kinds[number % len(kinds)]
                outcome = await _outcome(ways[kind], kind, count)
                count.outcomes.setdefault(kind, Counter())[outcome] += 1
    await stores.close()
    count.outside = place.changed_outside()
    return count


async def _outcome(way: Callable[[], Awaitable[bytes | None]], kind: str, count: Count) -> str:
    try:
        found = await way()
    except (StorageError, OSError) as error:
        # those of a job's own files are handled by who asks; nothing else may raise what is no refusal
        if isinstance(error, OSError) and kind not in ("a download", "a lock", "an answer"):
            count.faults.append(f"{kind}: {error!r}")
            return "broke"
        return "leaked" if SECRET.decode() in str(error) else "refused"
    except Exception as error:  # noqa: BLE001 - it is what is looked for
        count.faults.append(f"{kind}: {error!r}")
        return "broke"
    return "leaked" if found is not None and SECRET in found else "done"


def main() -> int:
    """Print the counts; 1 if anything got through."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=10_000, help="rounds of reading, and as many of writing")
    parser.add_argument("--dir", help="where it is done; a new folder in the temporary one by default")
    options = parser.parse_args()
    if reason := why_not():
        print(f"Nothing was tried: {reason}.")  # noqa: T201 - this is a command
        return 0
    with tempfile.TemporaryDirectory(dir=options.dir) as folder:
        count = anyio.run(run, Path(folder).resolve(), options.rounds)
    for kind, counts in count.outcomes.items():
        print(f"{kind:<34}", *(f"{counts[one]:>6} {one}" for one in OUTCOMES))  # noqa: T201 - as above
    print(f"outside: {len(count.outside)} made, changed or removed {count.outside[:5]}")  # noqa: T201 - as above
    print(f"errors that are no refusals: {len(count.faults)} {count.faults[:5]}")  # noqa: T201 - as above
    return 1 if count.broken() else 0


if __name__ == "__main__":
    if len(sys.argv) > 2 and not sys.argv[1].startswith("-"):
        swap(sys.argv[1:])
    sys.exit(main())
