"""What a command line names: pictures, with the names of their results and the keys of their calls, and the prompt."""

from __future__ import annotations

import glob
import hashlib
import io
import json
import os
import queue
import re
import stat
import sys
import threading
import unicodedata
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import click

from imagewright.cli import put_error
from imagewright.cli.options import option_name
from imagewright.engine.check import check
from imagewright.errors import Problem, Refusal
from imagewright.storage.paths.path_syntax import nearest_name
from imagewright.storage.records import EXTENSIONS
from imagewright.text import byte_size, counted, listed, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from imagewright.catalog.row import Kind, Row

ID_START = "img_"
"""How the id of an earlier picture starts; with a file extension behind it, it is a file."""
SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
"""Start of a URL or data URI; two letters at least, as one is a Windows drive."""
PROMPT = "prompt"
MANY = "images"
"""The option for many pictures, which tools have too that take one in a call."""
STDIN = "-"
"""Stands for standard input in the place of a prompt."""
MOST_PROMPT = 100_000
"""Bytes of standard input that are read: several times what any model takes."""
PATIENCE = 2.0
"""Seconds for which a pipe may be silent that nobody has asked to read."""
PICTURE_ENDINGS = frozenset(ending for endings in EXTENSIONS.values() for ending in endings)


@dataclass(frozen=True, slots=True)
class Input:
    """A picture that one call of many is made for."""

    shown: str
    """As people see it: what was typed, or where it was found."""
    given: str
    """As the engine takes it: an absolute path, a URL or the id of an earlier picture."""

    @property
    def path(self) -> Path | None:
        """Its file; None for an earlier picture and for a URL."""
        return None if is_elsewhere(self.given) else Path(self.given)

    @property
    def file_name(self) -> str:
        """What a result is named after."""
        if self.path is not None:
            return self.path.name
        return unquote(urlsplit(self.given).path).rstrip("/").rpartition("/")[2] or urlsplit(self.given).netloc


def is_elsewhere(typed: str) -> bool:
    """Whether it is a URL, a data URI or the id of an earlier picture, and no path."""
    return bool((typed.startswith(ID_START) and not Path(typed).suffix) or SCHEME.match(typed))


def absolute(typed: str) -> str:
    """A path relative to where the user stands, made absolute; a URL, data URI, picture id or empty text as it is."""
    return typed if is_elsewhere(typed) or not typed.strip() else str(_path(typed))


def _path(typed: str) -> Path:
    path = Path(typed).expanduser() if typed.startswith(("~/", "~\\")) else Path(typed)
    return Path.cwd() / path


def find_inputs(words: Sequence[str], into: Path) -> tuple[list[Input], list[str]]:
    """The pictures that were named, each once and in the order of the words, and what is left out, in sentences.

    A word is a file, a folder, whose pictures are taken, a pattern with `*`, `?`, `[...]` or `**`, a URL or an id. What
    lies in the folder `into` is left out unless it was named itself: it was made here.

    Raises:
        Refusal: a word names no picture, or nothing is left.
    """
    found: dict[str, Input] = {}
    problems: list[Problem] = []
    made = 0
    for word in words:
        if not word.strip():  # of a variable that is not set; the folder that the user stands in was not meant
            problems.append(Problem("", "an empty text names no picture; a dot is the folder you are in"))
            continue
        # the query of a signed link is a secret
        some = [Input(word.partition("?")[0], word)] if is_elsewhere(word) else list(_files(word))
        if word[:5].lower() == "data:":
            problems.append(Problem("", "a data URI has no name that a result could get: give a file"))
        elif not some:
            problems.append(Problem("", f"{plain(word)} names no picture{_hint(word)}"))
        for one in some:
            own = one.path
            if own is not None and one.shown != word and own.parent.resolve().is_relative_to(into):
                made += 1
            else:
                found.setdefault(one.given, one)
    notes = [f"left out: {counted(made, 'picture')} in {into}, where results go"] if made else []
    if made and not found:
        problems.append(Problem("", f"all pictures lie in {into}, where results go: name another folder after --into"))
    if problems:
        raise Refusal(*problems)
    return list(found.values()), notes


def _files(word: str) -> Iterator[Input]:
    """The files behind a word; one that does not exist is handed on, as the engine knows what is near."""
    path = _path(word)
    if path.is_dir():
        for file in sorted(path.iterdir()):
            if file.suffix.lower().removeprefix(".") in PICTURE_ENDINGS and not file.name.startswith("."):
                yield Input(str(Path(word) / file.name), str(file))
    elif glob.has_magic(word) and not path.exists():
        pattern = str(Path(word).expanduser())
        for name in sorted(glob.glob(pattern, root_dir=Path.cwd(), recursive=True)):  # noqa: PTH207 - both kinds of path
            if (file := Path.cwd() / name).is_file():
                yield Input(name, str(file))
    else:
        yield Input(word, str(path))


def _hint(word: str) -> str:
    if _path(word).is_dir():
        return ": there is none in this folder; `/**/*` behind it looks into the folders below"
    return ": nothing matches"


def result_names(inputs: Sequence[Input]) -> list[str]:
    """The name of each result, without an extension: that of its input, and more of it where several share one.

    What the name of a file to be made may not hold is replaced.
    """
    ways: tuple[Callable[[Input], str], ...] = (
        lambda one: nearest_name(Path(one.file_name).stem),
        lambda one: nearest_name(Path(one.file_name).name.replace(".", "-")),
        lambda one: nearest_name(f"{Path(one.given).parent.name}-{Path(one.file_name).name.replace('.', '-')}"),
    )
    names = list(map(ways[0], inputs))
    for way in ways[1:]:
        often = Counter(map(_folded, names))
        names = [way(one) if often[_folded(name)] > 1 else name for one, name in zip(inputs, names, strict=True)]
    seen: Counter[str] = Counter()
    for place, name in enumerate(names):
        seen[_folded(name)] += 1
        names[place] = name if (again := seen[_folded(name)]) == 1 else f"{name}-{again}"
    return names


def _folded(name: str) -> str:
    """The same for two names that a file system may take for one."""
    return unicodedata.normalize("NFC", name).casefold()


def with_digests(given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments with the digest of its content in the place of each file."""

    def known(value: object) -> object:
        if isinstance(value, str) and not is_elsewhere(value) and Path(value).is_absolute() and Path(value).is_file():
            return _digest(Path(value))
        return value

    return {name: list(map(known, value)) if isinstance(value, list) else known(value) for name, value in given.items()}


def key_of(tool: str, given: Mapping[str, Any], source: Input, into: Path) -> str:
    """An idempotency key: the same whenever a tool makes the same of the same picture for the same folder.

    `given` are its arguments, as `with_digests` gives them.

    Raises:
        OSError: the picture cannot be read.
    """
    path = source.path
    picture = _digest(path) if path is not None and path.is_file() else source.given
    text = json.dumps(["batch", tool, given, picture, str(into)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def following_key(key: str, job_id: str) -> str:
    """The key of the call that is made after that of a job whose key it was."""
    return hashlib.sha256(f"{key} {job_id}".encode()).hexdigest()


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read_prompt() -> str:
    """The prompt on standard input, which was asked for: it is waited for.

    Raises:
        Refusal: there is none, or it is too long or no text.
    """
    if sys.stdin.isatty():
        put_error("Type the prompt, and then Ctrl-D on a line of its own:\n")
    text = _text(_read(None))
    if not text:
        raise Refusal(Problem("", "standard input, which - stands for, is empty"))
    return text


def piped_prompt() -> str:
    """The prompt that comes through a pipe or from a file unasked; empty where there is none.

    A pipe that a program has left open and never writes to must not keep a call waiting.

    Raises:
        Refusal: nothing comes for `PATIENCE` seconds, or it is too long or no text.
    """
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
    except (OSError, ValueError):  # closed, or not a real one
        return ""
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or stat.S_ISREG(mode)):
        return ""
    return _text(_read(PATIENCE))


def _read(patience: float | None) -> bytes:
    """All of standard input."""
    pieces: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def pump(stream: io.FileIO) -> None:
        with stream:
            while piece := stream.read(MOST_PROMPT):
                pieces.put(piece)
        pieces.put(b"")

    # in a thread, as Windows has no other way to wait so long and no longer for a pipe; on a descriptor of its own, as
    # the thread may outlive standard input, whose number can then be another file's
    stream = io.FileIO(os.dup(sys.stdin.fileno()))
    threading.Thread(target=pump, args=(stream,), daemon=True).start()
    read = b""
    while len(read) <= MOST_PROMPT:
        try:
            piece = pieces.get(timeout=patience)
        except queue.Empty:
            text = f"is required; nothing came through the pipe for {patience:g} s, and - in its place waits for it"
            raise Refusal(Problem("prompt", text)) from None
        if not piece:
            return read
        read += piece
    raise Refusal(Problem("prompt", f"standard input has more than {byte_size(MOST_PROMPT)}"))


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise Refusal(Problem("prompt", "what came from standard input is no UTF-8 text")) from None


def show_pictures(paths: Sequence[Path]) -> None:
    """Open the pictures in the system's viewer; where there is none, say so."""
    screen = sys.platform in {"win32", "darwin"} or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    for path in paths:
        if not screen or click.launch(str(path)):
            put_error("imagewright: there is no viewer here to open pictures with\n")
            return


def picture_argument(row: Row) -> str:
    """The argument that takes the picture or pictures a call is about; empty for a tool without."""
    forms = row.arguments()
    lists = [name for name, own in forms.items() if own[0].kind == "pictures"]
    needed = [name for name, own in forms.items() if own[0].kind == "picture" and own[0].required]
    return next(iter([*lists, *needed]), "")


def arguments(
    row: Row, typed: Mapping[str, Any], unknown: Sequence[str], *, pictures: Sequence[str] = ()
) -> dict[str, Any]:
    """The call's arguments from the options that were typed, which are None or empty where one was not given.

    The words that no option took, `--like this` or `--like=this`, become arguments that the engine refuses. A word
    without an option is the prompt, and `-` stands for standard input; so does a pipe where a prompt is needed and none
    was given.

    Args:
        row: the tool's.
        typed: the options.
        unknown: the other words.
        pictures: what the call is made for besides, if that is not among the options.

    Raises:
        Refusal: a word stands without its option, or standard input cannot be used.
    """
    given = {
        name: _from_here(forms[0].kind, typed[name])
        for name, forms in row.arguments().items()
        if typed[name] not in (None, ())
    }
    strangers, loose = _strangers(unknown)
    if loose:
        given[PROMPT] = _loose_prompt(row, loose, given)
    elif PROMPT in row.arguments() and PROMPT not in given:
        own = picture_argument(row)
        with_pictures = {**given, own: list(pictures)} if pictures else given
        if any(one.argument == PROMPT for one in check(row, with_pictures).problems):
            _refuse_swallowed(with_pictures.get(own))
            piped = piped_prompt()
            given |= {PROMPT: piped} if piped else {}
    if given.get(PROMPT) == STDIN:
        given[PROMPT] = read_prompt()
    return given | strangers


def _loose_prompt(row: Row, loose: Sequence[str], given: Mapping[str, Any]) -> str:
    """The prompt that was typed without its option.

    Raises:
        Refusal: the words are none, or there is another.
    """
    words = listed([repr(plain(word)) for word in loose])
    belong = f"{words} belong{'s' if len(loose) == 1 else ''} to no option"
    own = picture_argument(row)
    if own and all(word and Path(word).exists() for word in loose):
        raise Refusal(Problem("", f"{belong}; pictures go behind {option_name(own)}, many behind --images with --into"))
    if PROMPT not in row.arguments():
        raise Refusal(Problem("", f"{belong}; {row.tool} takes no prompt, its picture goes behind {option_name(own)}"))
    if len(loose) > 1:
        as_one = f'"{plain(" ".join(loose))}"'
        raise Refusal(Problem("", f"{belong}; a prompt of several words stands in quotes: {as_one}"))
    if PROMPT in given:
        raise Refusal(Problem(option_name(PROMPT), f"there are two prompts, this one and {words}; give one"))
    return loose[0]


def _refuse_swallowed(pictures: object) -> None:
    """Find a prompt that was taken for a picture, as it stands behind `--images`.

    Raises:
        Refusal: there is one.
    """
    last = pictures[-1] if isinstance(pictures, list) and len(pictures) > 1 else ""
    if (
        last
        and not is_elsewhere(last)
        and not Path(last).suffix
        and not glob.has_magic(last)
        and not _path(last).exists()
    ):
        name = plain(Path(last).name)
        text = f"{name!r} is no file; a prompt stands before {option_name(MANY)}, or behind {option_name(PROMPT)}"
        raise Refusal(Problem(option_name(MANY), text))


def _strangers(words: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """The options that the tool does not have, with their values, and the words that belong to none."""
    found: dict[str, Any] = {}
    loose: list[str] = []
    name = ""
    for word in words:
        if word.startswith("--") and " " not in word.partition("=")[0]:
            name, equals, value = word[2:].partition("=")
            name = name.replace("-", "_")
            found[name] = value if equals else True
            if equals:
                name = ""
        elif name:
            found[name] = word
            name = ""
        else:
            loose.append(word)
    return found, loose


def _from_here(kind: Kind, typed: Any) -> Any:
    """The value with relative paths of pictures made absolute; numbers and choices are read by the engine."""
    if kind == "pictures":
        return [absolute(one) for one in typed]
    return absolute(typed) if kind == "picture" else typed
