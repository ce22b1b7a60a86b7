"""How paths are written: from the text a caller gives to a path, and which names may be given to a file.

Nothing here opens a file, so that the rules of every platform can be tested on each.
"""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import PurePath, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING
from urllib.parse import unquote

from imagewright.text import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

ON_WINDOWS = os.name == "nt"
LONGEST_PATH = 4096
"""Characters; PATH_MAX of Linux, above that of the others."""
LONGEST_NAME = 240
"""Bytes in UTF-8 of a file name to be made; file systems hold 255, the rest is for a number and an extension."""
ROOM_FOR_NUMBER = 8
"""Bytes that `nearest_name` leaves for what sets two names apart."""
DEVICES = frozenset({"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"}) | {
    port + digit for port in ("COM", "LPT") for digit in "0123456789¹²³"
}
"""Names that are devices on Windows, in any folder and with any extension."""

_FORBIDDEN = '<>:"/\\|?*'
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_SHOWN = 160


def shown(text: str) -> str:
    """The text as it can stand in a message: quoted, escaped and cut to a bearable length."""
    cut = text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
    safe = "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode("ascii") for sign in cut)
    return f"'{safe}'"  # not repr, which would double the backslashes of Windows


def parse(text: str, *, shares: Sequence[str] = (), windows: bool = ON_WINDOWS) -> PurePath:
    """The path that a text means: a path, or a `file:` URI of this machine; `~` is expanded.

    Args:
        text: what the caller gave.
        shares: network folders that may be named although they are on another machine; Windows only.
        windows: whether to read it by the rules of Windows.

    Returns:
        An absolute or relative path; nothing is resolved and no file was opened.

    Raises:
        ValueError: the text cannot be a path that may be used; the message is a whole sentence.
    """
    _check_text(text)
    if text[:5].lower() == "file:":
        text = _from_uri(text, windows=windows)
    elif _SCHEME.match(text):
        message = f"{shown(text)} is an address, not a path."
        raise ValueError(message)
    if text == "~" or text.startswith(("~/", "~\\")):
        text = os.path.expanduser(text)  # noqa: PTH111 - Path.expanduser raises where there is no home
    path = PureWindowsPath(text) if windows else PurePosixPath(text)
    if text[:2] in {"//", "\\\\", "/\\", "\\/"} and not _on_share(path, shares):
        message = f"{shown(text)} is on another machine; only files of this machine can be used."
        raise ValueError(message)
    if not windows and _DRIVE.match(text):
        message = f"{shown(text)} is a path of Windows, but this server runs on another system{_mounted(text)}."
        raise ValueError(message)
    if windows:
        _check_windows(path, text)
    return path


def check_name(name: str) -> None:
    """Refuse a name for a new file or folder that one of the three platforms cannot hold, so that it can be moved.

    Raises:
        ValueError: says what is wrong with it, as a whole sentence.
    """
    wrong = ""
    bad = [sign for sign in _FORBIDDEN if sign in name]
    if bad:
        wrong = f"it holds {' '.join(bad)}"
    elif hidden := _hidden(name):
        wrong = f"it holds {hidden}, which nobody sees"
    elif name.startswith("-"):
        wrong = "it starts with a hyphen, which commands take for an option"
    elif name != name.rstrip(". "):
        wrong = "it ends with a dot or a space"
    elif name.startswith(" "):
        wrong = "it starts with a space"
    elif device := _device(name):
        wrong = f"{device} is a device on Windows"
    elif len(name.encode()) > LONGEST_NAME:
        wrong = f"it is longer than {LONGEST_NAME} bytes"
    if wrong:
        message = f"{shown(name)} cannot be the name of a file: {wrong}. Use another name."
        raise ValueError(message)


def nearest_name(name: str) -> str:
    """The name with as little changed as makes it one that `check_name` takes, also with a short number behind it."""
    seen = "".join(
        "_" if sign in _FORBIDDEN or sign != shown else sign for sign, shown in zip(name, plain(name), strict=True)
    )
    seen = seen.encode()[: LONGEST_NAME - ROOM_FOR_NUMBER].decode(errors="ignore").lstrip(" -").rstrip(". ")
    return f"_{seen}" if not seen or _device(seen) else seen


def _hidden(name: str) -> str:
    """The first sign of a name that is not shown, or turns the direction of writing; empty where there is none."""
    return next((f"U+{ord(sign):04X}" for sign, seen in zip(name, plain(name), strict=True) if sign != seen), "")


def _check_text(text: str) -> None:
    wrong = ""
    if not text.strip():
        wrong = "The path is empty."
    elif len(text) > LONGEST_PATH:
        wrong = f"{shown(text)} is longer than any path: the limit is {LONGEST_PATH} characters."
    elif any(unicodedata.category(sign) in {"Cc", "Cs"} for sign in text):
        wrong = f"{shown(text)} holds control characters, which a path may not."
    if wrong:
        raise ValueError(wrong)


def _from_uri(uri: str, *, windows: bool) -> str:
    """The path in a `file:` URI (RFC 8089), decoded once."""
    rest = uri[5:]
    if rest.startswith("//") and not rest.startswith("///"):
        host, slash, path = rest[2:].partition("/")
        if host.lower() != "localhost":
            message = f"{shown(uri)} is on another machine ({shown(host)}); write file:/// and the absolute path."
            raise ValueError(message)
        rest = slash + path
    elif rest.startswith("///"):
        rest = rest[2:]
    try:
        text = unquote(rest, errors="strict")
    except UnicodeDecodeError:
        message = f"{shown(uri)} is not UTF-8 once its percent signs are decoded."
        raise ValueError(message) from None
    if windows and re.match(r"/[A-Za-z][:|]", text):
        text = f"{text[1]}:{text[3:]}"
    _check_text(text)
    return text


def _on_share(path: PurePath, shares: Sequence[str]) -> bool:
    return (
        isinstance(path, PureWindowsPath)
        and ".." not in path.parts
        and any(share.startswith("\\\\") and path.is_relative_to(share) for share in shares)
    )


def _mounted(text: str) -> str:
    """Where the Windows subsystem for Linux shows that path, if it does."""
    candidate = f"/mnt/{text[0].lower()}/" + text[3:].replace("\\", "/")
    return f"; did you mean {shown(candidate)}?" if os.path.isdir(candidate[:6]) else ""  # noqa: PTH112 - no Path of Windows' rules is wanted here


def _check_windows(path: PurePath, text: str) -> None:
    """Spellings that Windows silently takes for another file or for none."""
    if ":" in text[len(path.drive) :]:
        message = f"{shown(text)} names a stream inside a file; name the file itself."
        raise ValueError(message)
    for part in path.parts[1 if path.anchor else 0 :]:
        if device := _device(part):
            message = f"{shown(text)} names the device {device}, not a file."
            raise ValueError(message)
        if part != ".." and part != part.rstrip(". "):
            message = f"{shown(text)}: {shown(part)} ends with a dot or a space, which Windows ignores; leave it out."
            raise ValueError(message)


def _device(name: str) -> str:
    stem = name.partition(".")[0].partition(":")[0].rstrip(" ").upper()
    return stem if stem in DEVICES else ""


def numbered(name: str, number: int) -> str:
    """The name with `-<number>` before its extension."""
    path = PurePath(name)
    return f"{path.stem}-{number}{path.suffix}"
