"""Putting one entry into a JSON file, changing it and taking it out again, with every other byte as it was.

Comments and trailing commas are understood, as editors write them. The editor is our own: of the Python packages that
keep comments, `json-five` writes a document anew from its own model, `jsonc-document` wants Python 3.12 and
`jsonc-edit` a Node.js and a download. It is a thin layer over the standard library's parser, which says where a value
ends, and whoever applies its splices compares the values before and after.
"""

from __future__ import annotations

import json
import re
from json import JSONDecodeError, JSONDecoder
from typing import Any, NamedTuple

from imagewright.cli.connect import Splice, newline
from imagewright.errors import SettingsError

TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|//[^\r\n]*|/\*.*?\*/|[{}\[\],:]|[^\s"/{}\[\],:]+|\S', re.DOTALL)
SPACE = re.compile(r"[ \t\r\n]*")
REST_OF_LINE = re.compile(r"(?:[ \t]|/\*(?:[^*\r\n]|\*(?!/))*\*/)*(?://[^\r\n]*)?(?=\r?\n)")
"""White space and comments, where nothing else stands before the end of the line."""
INDENT = re.compile(r"(?<![^\r\n])[ \t]+(?=\S)")
DECODER = JSONDecoder()
DEFAULT_UNIT = "  "


class Member(NamedTuple):
    """A key of an object with its value, as positions in the text."""

    key: str
    start: int
    value: int
    end: int
    comma: int
    """Of the comma behind it, or -1."""


class Document(NamedTuple):
    """A text and what stands in it."""

    text: str
    plain: str
    """The text as strict JSON of the same length: comments and trailing commas are blanks."""
    trailing: frozenset[int]
    """Where the trailing commas were."""


def parse(text: str) -> dict[str, Any]:
    """The document's value; empty for a text with nothing but white space and comments.

    Raises:
        SettingsError: it is no JSON, or no object.
    """
    return _value(_document(text))


def insert(text: str, section: str, name: str, value: object) -> list[Splice]:
    """Splices that put an entry into a section, behind those that are there; a missing section is made.

    Raises:
        SettingsError: the text is no JSON, or the section no object.
    """
    document = _document(text)
    root = _root(document)
    if root is None:
        line = newline(text)
        before = "" if not text or text.endswith("\n") else line
        made = _rendered({section: {name: value}}, text, "", DEFAULT_UNIT)
        return [Splice(len(text), len(text), f"{before}{made}{line}")]
    found = _find(document, root, section)
    if found is None:
        return _put(document, root, section, {name: value})
    if document.plain.startswith("null", found.value):
        made = _rendered({name: value}, text, _line_indent(text, found.start), _unit(document))
        return [Splice(found.value, found.end, made)]
    return _put(document, _object(document, found), name, value)


def replace(text: str, section: str, name: str, value: object) -> list[Splice]:
    """Splices that give an entry another value. Raises as `insert`, and KeyError where there is no such entry."""
    document, _, found = _entry(text, section, name)
    indent = _line_indent(text, found.start)
    return [Splice(found.value, found.end, _rendered(value, text, indent, _unit(document)))]


def remove(text: str, section: str, name: str, *, emptied: bool) -> list[Splice]:
    """Splices that take an entry out, and with `emptied` the section too where nothing is left. Raises as `replace`."""
    document, holder, found = _entry(text, section, name)
    members, _ = _members(document, _object(document, holder))
    if emptied and len(members) == 1:
        return _take(document, _root(document) or 0, holder)
    return _take(document, _object(document, holder), found)


def _document(text: str) -> Document:
    try:
        json.loads(text)
    except (JSONDecodeError, RecursionError):
        pass
    else:  # nothing to blank out, as in nearly every file, and some have megabytes
        return Document(text, text, frozenset())
    plain, trailing = [*text], set[int]()
    comma, before = -1, "["  # where the last token is, if a comma behind a value; else -1, and what it is
    for token in TOKEN.finditer(text):
        word = token[0]
        if word.startswith(("//", "/*")):
            plain[token.start() : token.end()] = [one if one in "\r\n" else " " for one in word]
            continue
        if word in "}]" and comma >= 0:
            trailing.add(comma)
            plain[comma] = " "
        comma = token.start() if word == "," and before not in "{[,:" else -1
        before = word
    return Document(text, "".join(plain), frozenset(trailing))


def _value(document: Document) -> dict[str, Any]:
    if not document.plain.strip():
        return {}
    try:
        value = json.loads(document.plain)
    except JSONDecodeError as error:
        raise SettingsError(f"it is no JSON (line {error.lineno}, column {error.colno}: {error.msg})") from error
    except RecursionError as error:
        raise SettingsError("it is nested too deeply to be read") from error
    if not isinstance(value, dict):
        raise SettingsError("it is JSON, but no object with keys and values")
    return value


def _root(document: Document) -> int | None:
    """Where the document's object begins; None where there is none yet."""
    _value(document)
    return _skip(document, 0) if document.plain.strip() else None


def _skip(document: Document, at: int) -> int:
    found = SPACE.match(document.plain, at)
    return found.end() if found else at


def _members(document: Document, at: int) -> tuple[list[Member], int]:
    """What stands in the object that begins there, and where its closing brace is."""
    members = []
    at = _skip(document, at + 1)
    while document.plain[at] != "}":
        start = at
        key, at = DECODER.raw_decode(document.plain, start)
        value = _skip(document, _skip(document, at) + 1)
        _, end = DECODER.raw_decode(document.plain, value)
        at = _skip(document, end)
        comma = at if document.plain[at] == "," else next((one for one in document.trailing if end <= one < at), -1)
        members.append(Member(key, start, value, end, comma))
        if document.plain[at] == ",":
            at = _skip(document, at + 1)
    return members, at


def _find(document: Document, at: int, key: str) -> Member | None:
    """The key's last member, which is the one that counts where a key stands twice."""
    return next((one for one in reversed(_members(document, at)[0]) if one.key == key), None)


def _object(document: Document, member: Member) -> int:
    if document.plain[member.value] != "{":
        raise SettingsError(f"its {member.key!r} is no object with keys and values")
    return member.value


def _entry(text: str, section: str, name: str) -> tuple[Document, Member, Member]:
    document = _document(text)
    root = _root(document)
    holder = None if root is None else _find(document, root, section)
    found = holder and _find(document, _object(document, holder), name)
    if holder is None or found is None:
        raise KeyError(name)
    return document, holder, found


def _put(document: Document, at: int, key: str, value: object) -> list[Splice]:
    """Splices that put a member behind the last one of an object, in the way the others are written."""
    text, (members, close) = document.text, _members(document, at)
    line, outer = newline(text), _line_indent(text, at)
    if not members:
        inner = outer + _unit(document)
        written = f"{line}{inner}{_pair(document, key, value, inner)}"
        spot = at + 1 + len(text[at + 1 : close].rstrip(" \t\r\n"))
        return [Splice(spot, spot, written if "\n" in text[spot:close] else f"{written}{line}{outer}")]
    last = members[-1]
    if not _begins_line(text, last.start):
        start, end = (last.comma + 1, ",") if last.comma >= 0 else (last.end, "")
        lead = " " if end else ", "
        return [Splice(start, start, f"{lead}{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}{end}")]
    inner = _line_indent(text, last.start)
    written = f"{line}{inner}{_pair(document, key, value, inner)}"
    tail = max(last.end, last.comma + 1)
    rest = REST_OF_LINE.match(text, tail)
    spot = rest.end() if rest else tail
    if last.comma >= 0:
        return [Splice(spot, spot, f"{written},")]
    if spot == tail:
        return [Splice(spot, spot, f",{written}")]
    return [Splice(tail, tail, ","), Splice(spot, spot, written)]


def _take(document: Document, at: int, member: Member) -> list[Splice]:
    """Splices that take a member out of its object: what `_put` has put in, wherever others came to stand since."""
    text, (members, _) = document.text, _members(document, at)
    place = members.index(member)
    start = len(text[: member.start].rstrip(" \t"))
    end = max(member.end, member.comma + 1)
    if _begins_line(text, member.start):
        start -= 2 if text[:start].endswith("\r\n") else 1
        rest = REST_OF_LINE.match(text, end)
        if rest and rest[0].strip():
            start = member.start  # somebody's comment keeps its line
    if member.comma >= 0 or place == 0:
        return [Splice(max(start, at + 1), end, "")]
    before = members[place - 1].comma
    if before + 1 >= start:
        return [Splice(before, end, "")]
    return [Splice(before, before + 1, ""), Splice(start, end, "")]


def _pair(document: Document, key: str, value: object, indent: str) -> str:
    return f"{json.dumps(key)}: {_rendered(value, document.text, indent, _unit(document))}"


def _rendered(value: object, text: str, indent: str, unit: str) -> str:
    lines = json.dumps(value, indent=unit, ensure_ascii=False).split("\n")
    return f"{newline(text)}{indent}".join(lines)


def _unit(document: Document) -> str:
    """By how much the document indents."""
    found = INDENT.search(document.plain)
    return found[0] if found else DEFAULT_UNIT


def _line_indent(text: str, at: int) -> str:
    """The white space with which the line of a position begins."""
    line = text[text.rfind("\n", 0, at) + 1 : at]
    return line[: len(line) - len(line.lstrip(" \t"))]


def _begins_line(text: str, at: int) -> bool:
    before = text[:at].rstrip(" \t")
    return before.endswith("\n")
