"""Changing a client's file: what it holds now, what it is to hold, and writing that in one step with a copy beside it.

What was put in is noted, in a file of our own for each of the clients' files, so that commands that run at the same
time do not meet. By its note an entry can be taken out to the byte, and one that somebody wrote by hand is told from
ours. A note holds no text of the client's file but an empty section's.
"""

from __future__ import annotations

import codecs
import hashlib
import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pydantic import BaseModel, ValidationError

from imagewright.cli.connect import NAME, UNSAFE, Splice, apply, blocks, difference, jsonc
from imagewright.errors import SettingsError, StorageError, why
from imagewright.storage.paths import open_folder
from imagewright.storage.paths.files import remove_file, replace_file, save_new, sweep

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from imagewright.cli.connect import Client

LARGEST = 100_000_000
"""Bytes of a configuration that is read. Claude Code's also holds what was typed, and gets large."""


class Editor(NamedTuple):
    """How a format is read and changed; each function takes the text first, see `jsonc`."""

    parse: Callable[[str], dict[str, Any]]
    insert: Callable[..., list[Splice]]
    replace: Callable[..., list[Splice]]
    remove: Callable[..., list[Splice]]


JSON = Editor(jsonc.parse, jsonc.insert, jsonc.replace, jsonc.remove)
EDITORS = {
    "json": JSON,
    "jsonc": JSON,
    "toml": Editor(blocks.parse_toml, blocks.insert_toml, blocks.replace_toml, blocks.remove_toml),
    "yaml": Editor(blocks.parse_yaml, blocks.insert_yaml, blocks.replace_yaml, blocks.remove_yaml),
}


class Note(BaseModel):
    """What was put into one file."""

    file: str = ""
    """Its path, for whoever looks into the note."""
    digest: str = ""
    """SHA-256 of the file as it was left, in hexadecimal digits; empty where nothing is known to the byte."""
    pieces: list[tuple[int, int, str]] = []
    """Where our characters begin and end in it, and what stood there before."""
    made: set[Literal["folder", "file", "section"]] = set()
    """What was not there before."""


@dataclass(frozen=True, slots=True)
class Change:
    """What is to become of one file."""

    file: Path
    """Without links."""
    before: bytes | None
    """What it holds; None where it is not there."""
    after: bytes | None
    """What it is to hold; None where it is to go."""
    done: Literal["connected", "changed", "already connected", "removed", "not connected"]
    """What it comes to, as a word for the user."""
    note: Note | None = None
    """What is to be noted of it; None for nothing."""


class ByHandError(SettingsError):
    """There is an entry of our name that was not put in by us; `entry` is what it holds."""

    def __init__(self, entry: object) -> None:
        super().__init__(f"it has an entry {NAME!r} that was not put in by this command")
        self.entry = entry


def note_file(notes: Path, file: Path) -> Path:
    """Where the note about a client's file is kept, in the folder of the notes."""
    return notes / f"{_digest(os.fsencode(os.path.realpath(file)))[:16]}.json"


def read_note(file: Path) -> Note | None:
    """The note in a file; None where nothing was put in.

    Raises:
        SettingsError: it cannot be read.
    """
    try:
        return Note.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise SettingsError(
            f"{file}: cannot be read ({type(error).__name__}). Delete it; what was put into the client then counts as "
            "written by hand"
        ) from error


def connect(client: Client, file: Path, wanted: Mapping[str, Any], note: Note | None, *, replace: bool) -> Change:
    """The change that puts our entry into a client's file, or makes it what is wanted; other fields of it stay.

    Args:
        client: whose file it is.
        file: its path, or that of a link to it.
        wanted: the entry, see `Client.entry`.
        note: what was put in before.
        replace: whether an entry that was written by hand is changed too.

    Raises:
        ByHandError: there is such an entry, and it is not to be replaced.
        SettingsError: the file cannot be edited as it stands, or must not be made.
        StorageError: it cannot be read.
    """
    editor, file = EDITORS[client.format], Path(os.path.realpath(file))
    before = _read(file)
    mark, text = _decoded(before or b"")
    value = editor.parse(text)
    if before is None:
        _check_folder(file)
    holder = value.get(client.section)
    if holder is None:
        holder = {}
    if not isinstance(holder, dict):
        raise SettingsError(f"its {client.section!r} holds no servers by their names")
    known = NAME in holder
    merged = _merged(client, holder[NAME], wanted) if known else dict(wanted)
    if not known:
        splices = editor.insert(text, client.section, NAME, merged)
        note = Note(pieces=_pieces(text, splices), made=_made(file, before, known=client.section in value))
    elif client.filled(holder[NAME]) == merged:
        return Change(file, before, before, "already connected", note or Note())
    elif note is None and not replace:
        raise ByHandError(holder[NAME])
    elif client.is_http(wanted) is client.is_http(_table(holder[NAME])):
        splices = editor.replace(text, client.section, NAME, merged)
        note = _moved(note, before, splices)
    else:  # of another form: fields of it must go, and what is put in anew cannot be taken out to the byte
        without = apply(text, editor.remove(text, client.section, NAME, emptied=False))
        splices = difference(text, apply(without, editor.insert(without, client.section, NAME, merged)))
        note = Note(made=note.made if note else set())
    changed = apply(text, splices)
    _check(editor, changed, [{**value, client.section: {**holder, NAME: merged}}])
    after = _encoded(mark, changed)
    if note.pieces:
        note = note.model_copy(update={"digest": _digest(after)})
    return Change(file, before, after, "changed" if known else "connected", note)


def disconnect(client: Client, file: Path, wanted: Mapping[str, Any], note: Note | None, *, replace: bool) -> Change:
    """The change that takes our entry out again, and whatever was made for it. Arguments and errors as `connect`.

    An entry that is as it is wanted counts as ours, whoever has written it.
    """
    editor, file = EDITORS[client.format], Path(os.path.realpath(file))
    before = _read(file)
    mark, text = _decoded(before or b"")
    value = editor.parse(text)
    holder = value.get(client.section)
    if before is None or not isinstance(holder, dict) or NAME not in holder:
        return Change(file, before, before, "not connected")
    if note is None and not replace and client.filled(holder[NAME]) != wanted:
        raise ByHandError(holder[NAME])
    note = note or Note()
    rest = {name: one for name, one in holder.items() if name != NAME}
    allowed = [{**value, client.section: rest}]
    if not rest:  # what an empty section looks like is for the format to say
        bare = {name: one for name, one in value.items() if name != client.section}
        allowed += [bare, {**bare, client.section: None}]
    if note.pieces and note.digest == _digest(before):
        changed = apply(text, [Splice(start, end, old) for start, end, old in note.pieces])
    else:
        changed = apply(text, editor.remove(text, client.section, NAME, emptied="section" in note.made))
    _check(editor, changed, allowed)
    gone = "file" in note.made and "".join(changed.split()) in ("", "{}")
    return Change(file, before, None if gone else _encoded(mark, changed), "removed", note)


def carry_out(change: Change, notes: Path, now: datetime) -> Path | None:
    """Write what is to be written, and return the copy of what was there before; None where there is none.

    The note comes first: one too many does no harm, and one too few would make our entry somebody else's.

    Args:
        change: what is to be written.
        notes: the folder of the notes.
        now: the time in the name of the copy.

    Raises:
        StorageError: it cannot be written, or was changed by another program meanwhile. The file is as it was.
    """
    with suppress(OSError), open_folder(change.file.parent) as folder:
        sweep(folder)  # also where nothing is written: a draft that a killed command left can hold another server's key
    place = note_file(notes, change.file)
    known = read_note(place)
    taken = change.done in ("removed", "not connected")
    if change.note is not None and not taken:
        shown = os.fsencode(change.file).decode(errors="replace")
        _save_note(place, change.note.model_copy(update={"file": shown}))
    copy = None
    if change.after != change.before:
        try:
            copy = _copied(change, now)
            _write(change)
        except (OSError, StorageError) as error:
            if copy is not None:
                remove_file(copy)
            if known is not None:  # else it may be that of another command, which was faster
                _save_note(place, known)
            if isinstance(error, StorageError):
                raise
            raise StorageError(f"{change.file}: cannot be written: {why(error)}") from error
    if taken:
        _save_note(place, None)
    return copy


def other_texts(client: Client, change: Change) -> set[str]:
    """Every text that the client's file holds outside our entry, before the change and after it."""
    found, left = set[str](), list[object]()
    for text in texts(change):
        value = EDITORS[client.format].parse(text)
        holder = value.get(client.section)
        if isinstance(holder, dict):
            value = {**value, client.section: {name: one for name, one in holder.items() if name != NAME}}
        left.append(value)
    while left:
        one = left.pop()
        if isinstance(one, str):
            found.add(one)
        elif isinstance(one, dict | list):
            left += one.values() if isinstance(one, dict) else one
    return found


def entry_in(client: Client, file: Path) -> object:
    """What a client's file holds for us; None for nothing. Raises as `connect`."""
    content = _read(file)
    if content is None:
        return None
    holder = EDITORS[client.format].parse(_decoded(content)[1]).get(client.section)
    return holder.get(NAME) if isinstance(holder, dict) else None


def block(client: Client, wanted: Mapping[str, Any]) -> str:
    """What to put into the client's file by hand; ends with a line break."""
    return apply("", EDITORS[client.format].insert("", client.section, NAME, wanted))


def texts(change: Change) -> tuple[str, str]:
    """What the file holds before and after, as text; empty where it is not there."""
    return _decoded(change.before or b"")[1], _decoded(change.after or b"")[1]


def _read(file: Path) -> bytes | None:
    try:
        status = file.stat()
        if not stat.S_ISREG(status.st_mode):
            raise SettingsError("it is a folder" if stat.S_ISDIR(status.st_mode) else "it is no ordinary file")
        if status.st_size > LARGEST:
            raise SettingsError(f"it is larger than {LARGEST // 1_000_000} MB")
        if not status.st_mode & stat.S_IWUSR or not os.access(file, os.W_OK):
            raise SettingsError("it may not be written: its owner has made it read-only")
        if os.name == "posix" and status.st_uid != os.geteuid():
            raise SettingsError("it belongs to another user; run this command as that user")
        return file.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageError(f"{file}: cannot be read: {why(error)}") from error


def _check_folder(file: Path) -> None:
    """Check that a new file would belong to whoever owns its folder: root must not make one in a user's."""
    if os.name != "posix" or os.geteuid() != 0:
        return
    folder = next(one for one in file.parents if one.exists())
    if folder.stat().st_uid != 0:
        raise SettingsError(f"{folder} belongs to another user; run this command as that user")


def _decoded(data: bytes) -> tuple[bytes, str]:
    """The byte order mark, if there is one, and the text behind it."""
    mark = codecs.BOM_UTF8 if data.startswith(codecs.BOM_UTF8) else b""
    try:
        return mark, data[len(mark) :].decode("utf-8")
    except UnicodeDecodeError as error:
        raise SettingsError(f"it is not UTF-8 (byte {error.start + len(mark)}); save it as UTF-8") from error


def _encoded(mark: bytes, text: str) -> bytes:
    try:
        return mark + text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise SettingsError("the command has a letter in its path that is no Unicode; install it elsewhere") from error


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _made(file: Path, before: bytes | None, *, known: bool) -> set[Literal["folder", "file", "section"]]:
    made = set[Literal["folder", "file", "section"]]()
    if not known:
        made.add("section")
    if before is None:
        made.add("file")
        if not file.parent.exists():
            made.add("folder")
    return made


def _merged(client: Client, entry: object, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The entry with what is wanted; other fields stay, and so do other variables and headers."""
    old = {name: one for name, one in _table(entry).items() if name not in client.foreign(wanted)}
    merged = {**old, **wanted}
    for name in {client.fields.env, client.http.headers if client.http else client.fields.env} & wanted.keys():
        if isinstance(old.get(name), dict):
            merged[name] = {**old[name], **wanted[name]}
    return merged


def _table(entry: object) -> dict[str, Any]:
    return entry if isinstance(entry, dict) else {}


def _pieces(text: str, splices: Sequence[Splice]) -> list[tuple[int, int, str]]:
    """Where the new characters of splices are once they are applied, and what stood there."""
    pieces, shift = [], 0
    for start, end, new in sorted(splices):
        pieces.append((start + shift, start + shift + len(new), text[start:end]))
        shift += len(new) - (end - start)
    return pieces


def _moved(note: Note | None, before: bytes | None, splices: Sequence[Splice]) -> Note:
    """The note after splices within our own entry; without places where the file is no longer as we left it."""
    made = note.made if note else set()
    if note is None or note.digest != _digest(before or b""):
        return Note(made=made)
    pieces = note.pieces
    for start, end, new in splices:
        grown = len(new) - (end - start)
        pieces = [(first + grown * (first >= end), last + grown * (last >= end), old) for first, last, old in pieces]
    return Note(pieces=pieces, made=made)


def _check(editor: Editor, text: str, allowed: Sequence[dict[str, Any]]) -> None:
    """Check that the text holds what it should and nothing else is another."""
    try:
        found = editor.parse(text)
    except SettingsError as error:
        raise SettingsError(UNSAFE) from error
    if found not in allowed:
        raise SettingsError(UNSAFE)


def _copied(change: Change, now: datetime) -> Path | None:
    if change.before is None or change.after is None:
        return None  # what goes as a whole was made by us, and holds nothing but our entry
    return save_new(change.before, change.file.with_name(f"{change.file.name}.{now:%Y-%m-%d-%H%M%S}.bak"))


def _write(change: Change) -> None:
    def check(_: Path) -> None:
        if _read(change.file) != change.before:
            raise StorageError(f"{change.file}: another program has changed it just now; run the command again")

    if change.after is not None:
        replace_file(change.file, change.after, check)
        return
    check(change.file)
    remove_file(change.file)
    if change.note and "folder" in change.note.made and not any(change.file.parent.iterdir()):
        change.file.parent.rmdir()


def _save_note(file: Path, note: Note | None) -> None:
    """Write a note, or remove it with None."""
    try:
        if note is not None:
            replace_file(file, note.model_dump_json(indent=2).encode(), read_note)
        elif file.exists():
            remove_file(file)
    except OSError as error:
        raise StorageError(f"{file}: cannot be written: {why(error)}") from error
