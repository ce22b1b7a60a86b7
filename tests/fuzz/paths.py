"""What a caller writes for a path: how it is read, which name a new file may have, and which file is opened or named.

An input is a text in UTF-8. It is tried as it is, and below the allowed folder, in which there are files, folders and
links that lead out of it.
"""

from __future__ import annotations

import atexit
import os
from contextlib import suppress
from functools import cache
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

from hypothesis import strategies as st

from imagewright.errors import StorageError
from imagewright.storage.paths.path_syntax import LONGEST_NAME, check_name, parse
from imagewright.storage.paths.roots import AllowedRoots
from tests.fuzz.target import Target, check_values, expect

SECRET = b"outside"
"""What stands in every file that may not be read."""
OPEN = b"inside"
PARTS = (
    *(
        "..",
        ".",
        "/",
        "\\",
        "~",
        "a.png",
        "folder",
        "out",
        "file.link",
        "circle",
        "C:",
        "CON",
        "nul.png",
        "%2e%2e",
        "%2f",
    ),
    *(
        "file://",
        "file:///",
        "localhost",
        "http://",
        "//",
        "\\\\?\\",
        "\u202e",
        "\u200b",
        "\x00",
        "\ud800",
        " ",
        ":",
        "é",
        "e\u0301",
    ),
    *("/proc/self/root", "/proc/1/root", "/dev/fd/0", "/etc/passwd", "x" * 255, "a/" * 120),
)


@cache
def _roots() -> tuple[AllowedRoots, Path]:
    """The allowed folder, beside a forbidden one."""
    base = Path(mkdtemp(prefix="imagewright-fuzz-")).resolve()
    atexit.register(rmtree, base, ignore_errors=True)
    inside, outside = base / "in", base / "outside"
    for folder in (inside / "folder", outside):
        folder.mkdir(parents=True)
    (inside / "a.png").write_bytes(OPEN)
    (inside / "folder" / "é.png").write_bytes(OPEN)
    (outside / "a.png").write_bytes(SECRET)
    (inside / "out").symlink_to(outside)
    (inside / "file.link").symlink_to(outside / "a.png")
    (inside / "circle").symlink_to(inside / "circle")
    return AllowedRoots([inside]), inside


def _check(data: bytes) -> None:
    text = data.decode("utf-8", "surrogatepass" if data.isascii() else "surrogateescape")
    for windows in (False, True):
        with suppress(ValueError):
            parse(text, windows=windows)
    with suppress(ValueError):
        name = parse(text, windows=False).name
        check_name(name)
        expect(not {"/", "\\", "\0"} & set(name), f"{name!r} may be a name")
        expect(len(os.fsencode(name)) <= LONGEST_NAME, "a name is longer than file systems hold")
    roots, inside = _roots()
    for one in (text, f"{inside}/{text}"):
        _check_reading(roots, inside, one)
        _check_saving(roots, inside, one)


def _check_reading(roots: AllowedRoots, inside: Path, text: str) -> None:
    try:
        stream, path = roots.open_readable(text)
    except StorageError as error:
        check_values(str(error), "the refusal")
        return
    with stream:
        expect(path.is_relative_to(inside), f"{text!r} opens {path}")
        expect(stream.read() == OPEN, f"{text!r} opens a file outside")


def _check_saving(roots: AllowedRoots, inside: Path, text: str) -> None:
    try:
        folder, name = roots.target(text)
    except StorageError as error:
        check_values(str(error), "the refusal")
        return
    expect(folder.is_relative_to(inside) and ".." not in folder.parts, f"{text!r} is saved into {folder}")
    expect(name not in (".", "..") and "/" not in name, f"{text!r} is saved as {name!r}")


_texts = st.lists(st.one_of(st.sampled_from(PARTS), st.text(max_size=8)), max_size=8).map("".join)
TARGETS = {"paths": Target(_check, _texts.map(lambda text: text.encode("utf-8", "surrogatepass")), PARTS)}
