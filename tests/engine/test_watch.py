"""Files that change at any moment: what is written last is in force after the next look."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio.lowlevel
import pytest

from imagewright.engine.config import LOOK_EVERY, watch_files
from imagewright.errors import SettingsError
from imagewright.providers import KEY_VARIABLES
from imagewright.settings.load import COARSE_STEP, FINE_STEP, Seen, is_settled, load_settings, look

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from imagewright.settings.load import Settings

    Step = Callable[[], object]
    Change = Callable[[Path], object]

KEY = "kie-key-of-a-test"
NANOSECONDS = 1_000_000_000
TIME = 1_795_000_000 * NANOSECONDS + 1
"""A time of writing; it has more than whole seconds."""


class Ended(Exception):
    """The script is at its end."""


class Script:
    """Stands for time: a step of the script is taken at each pause between two looks.

    Args:
        steps: at the pauses of `LOOK_EVERY`; after the last of them, the watching ends.
        short: at the shorter pauses, for as long as there are any.
    """

    def __init__(self, steps: Iterable[Step], short: Iterable[Step] = ()) -> None:
        self._steps, self._short = iter(steps), iter(short)

    async def pause(self, seconds: float) -> None:
        await anyio.lowlevel.checkpoint()
        step = next(self._steps, None) if seconds == LOOK_EVERY else next(self._short, nothing)
        if step is None:
            raise Ended
        step()


def nothing() -> None:
    """Let the time pass."""


def write(file: Path, text: str) -> None:
    """Write it, at another time than it was written before: by the clock of the file system."""
    file.parent.mkdir(parents=True, exist_ok=True)
    before = times(file) if file.exists() else ()
    file.touch(mode=0o600)
    while True:
        file.write_text(text, encoding="utf-8")
        if times(file) != before:
            break


def times(file: Path) -> tuple[int, ...]:
    found = file.stat()
    return found.st_mtime_ns, found.st_ctime_ns


def config(home: Path, text: str) -> None:
    write(home / "config.toml", text)


def key(home: Path, value: str) -> None:
    write(home / "keys.toml", f'KIE_API_KEY = "{value}"\n')


def replace(home: Path) -> None:
    write(home / "config.new", "wait = 2")
    (home / "config.new").replace(home / "config.toml")


def write_with_the_old_time(home: Path) -> None:
    file = home / "config.toml"
    before = file.stat()
    config(home, "wait = 2")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def link(home: Path, name: str = "one") -> None:
    write(home / name / "settings", f"wait = {1 if name == 'one' else 2}")
    (home / "link").unlink(missing_ok=True)
    (home / "link").symlink_to(home / name)
    if not (home / "config.toml").is_symlink():
        (home / "config.toml").symlink_to(home / "link" / "settings")


CHANGES: dict[str, tuple[Change, Change]] = {
    "the folder appears": (lambda _: None, lambda home: config(home, "wait = 2")),
    "the file appears": (lambda home: home.mkdir(parents=True), lambda home: config(home, "wait = 2")),
    "it is written in place": (lambda home: config(home, "wait = 1"), lambda home: config(home, "wait = 2")),
    "it is replaced": (lambda home: config(home, "wait = 1"), replace),
    "it keeps its time": (lambda home: config(home, "wait = 1"), write_with_the_old_time),
    "it is moved away": (
        lambda home: config(home, "wait = 1"),
        lambda home: (home / "config.toml").rename(home / "config.old"),
    ),
    "its link leads elsewhere": (link, lambda home: link(home, "two")),
    "a key appears": (lambda _: None, lambda home: key(home, KEY)),
    "a key is corrected": (lambda home: key(home, "kie-key-of-a-text"), lambda home: key(home, KEY)),
    "a key is taken out": (lambda home: key(home, KEY), lambda home: (home / "keys.toml").unlink()),
}
"""What can happen to the files: how they were, and the change."""
MOMENTS = ("reading", "start", "look", "reload")
"""When it happens: while the files are read at the start, after that, between two looks, after they were read again."""


class Changing(type(Path())):  # type: ignore[misc] # the class for this system
    """The configuration file, which is changed once it was opened to be read."""

    change: Step

    def open(self, *args: Any, **named: Any) -> Any:
        """As any path, and the change."""
        stream = super().open(*args, **named)
        self.change()
        return stream


def settled(files: Iterable[Path]) -> Seen:
    """How they stand, as if they had been written long ago: a young one is read again anyway."""
    return look(files)._replace(settled=True)


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("what", CHANGES)
@pytest.mark.anyio
async def test_a_change_at_any_moment_is_in_force_after_the_next_look(what: str, moment: str, home: Path) -> None:
    if os.name != "posix" and what in {"it keeps its time", "its link leads elsewhere"}:
        pytest.skip("Windows has no time of change, and links only for those who may make them")
    prepare, change = CHANGES[what]
    prepare(home)
    environment = {"IMAGEWRIGHT_HOME": str(home)}
    at = dict.fromkeys(MOMENTS, nothing) | {moment: partial(change, home)}
    if moment == "reload":
        other = ("keys.toml", "") if "key" not in what else ("config.toml", "wait = 3")
        at["look"] = partial(write, home / other[0], other[1])
    file = Changing(home / "config.toml")
    file.change = at["reading"]
    settings = load_settings(environment, config=file)
    seen = settings.seen._replace(settled=True)
    at["start"]()

    async def reload() -> None:
        nonlocal settings
        settings = load_settings(environment)
        at.pop("reload", nothing)()

    with pytest.raises(Ended):
        await watch_files(
            partial(settled, settings.folders.followed), seen, reload, Script([at["look"], nothing]).pause
        )
    assert read_from(settings) == read_from(load_settings(environment))


def read_from(settings: Settings) -> tuple[float, object]:
    return settings.wait, settings.keyring.find(KEY_VARIABLES["kie"])


@pytest.mark.anyio
async def test_a_file_of_another_name_is_not_read(home: Path) -> None:
    settings = load_settings({"IMAGEWRIGHT_HOME": str(home)})

    async def reload() -> None:
        pytest.fail("nothing has changed")

    steps = [
        partial(write, home / name, "wait = 2") for name in ("config.example.toml", "config.toml.new", "http-token")
    ]
    with pytest.raises(Ended):
        await watch_files(partial(look, settings.folders.followed), settings.seen, reload, Script(steps).pause)


OLD, NEW, LATER = (Seen(((stamp,),), settled=True) for stamp in (1, 2, 3))
OPEN = Seen(NEW.stamps, settled=False)
MISTAKE = SettingsError("a mistake")
UNREADABLE = SettingsError("cannot be read")
UNREADABLE.__cause__ = OSError("too many open files")
WRITING = [Seen(((number,),), settled=True) for number in range(2, 20)]
LOOKS: dict[str, tuple[list[Seen], list[Exception | None], list[int], int]] = {
    "as it was": ([OLD, OLD, OLD], [], [], 0),
    "changed": ([NEW, NEW, NEW, NEW], [None], [2], 0),
    "written in the same step of the clock": ([OPEN, OPEN, OPEN, OPEN, NEW, NEW, NEW], [None] * 3, [2, 4, 6], 0),
    "half-written": ([NEW, LATER, LATER, LATER], [None], [3], 0),
    "written without end": (WRITING, [None] * 3, [6, 12, 18], 0),
    "a mistake is told once": ([NEW, NEW, NEW, NEW], [MISTAKE], [2], 1),
    "and again where it is written again": ([NEW, NEW, LATER, LATER], [MISTAKE] * 2, [2, 4], 2),
    "and once where it is only read again": ([OPEN, OPEN, NEW, NEW, NEW], [MISTAKE] * 2, [2, 4], 1),
    "what cannot be read is tried again": ([NEW] * 7, [UNREADABLE, UNREADABLE, None], [2, 4, 6], 1),
    "a fault does not end it": ([NEW, NEW, LATER, LATER], [ValueError("a fault"), None], [2, 4], 1),
}
"""How the files stand at each look, what comes of reading them, after how many looks they are read, and lines in the
log. They stood as `OLD` when they were read before."""


@pytest.mark.parametrize("what", LOOKS)
@pytest.mark.anyio
async def test_what_is_made_of_each_look(what: str, caplog: pytest.LogCaptureFixture) -> None:
    looks, ends, expected, lines = LOOKS[what]
    left, end, read = iter(looks), iter(ends), list[int]()
    taken = 0

    def next_look() -> Seen:
        nonlocal taken
        taken += 1
        if (seen := next(left, None)) is None:
            raise Ended
        return seen

    async def reload() -> None:
        read.append(taken)
        if (error := next(end)) is not None:
            raise error

    with pytest.raises(Ended):
        await watch_files(next_look, OLD, reload, Script([nothing] * len(looks)).pause)
    assert (read, len(caplog.records)) == (expected, lines)


@pytest.mark.parametrize(
    ("written", "age", "settled"),
    [
        (TIME, 0, False),
        (TIME, FINE_STEP - 1, False),
        (TIME, FINE_STEP, True),
        (TIME, -1, False),
        (TIME, -3600 * NANOSECONDS, True),
        (TIME - 1, FINE_STEP, False),
        (TIME - 1, COARSE_STEP - 1, False),
        (TIME - 1, COARSE_STEP, True),
    ],
)
def test_a_time_of_writing_tells_the_next_write_apart_once_its_step_is_over(
    written: int, age: int, *, settled: bool
) -> None:
    assert is_settled(written + age, written, written - NANOSECONDS) is settled
    assert is_settled(written + age, written - NANOSECONDS, written) is settled
