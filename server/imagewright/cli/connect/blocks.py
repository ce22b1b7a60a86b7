"""The same as `jsonc` for TOML and YAML, where an entry is a block of lines; `tomlkit` and PyYAML know where it is."""

from __future__ import annotations

import json
import re
import tomllib
from typing import TYPE_CHECKING, Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from imagewright.cli.connect import UNSAFE, Splice, difference, newline
from imagewright.cli.launching import install_words
from imagewright.errors import SettingsError

try:
    import yaml  # type: ignore[import-untyped,unused-ignore] # its types are a package of their own, and little is used
except ModuleNotFoundError:  # only the extra installs it
    yaml = None

if TYPE_CHECKING:
    from collections.abc import Mapping

EMPTY = " {}"
"""An empty section in YAML, as it stands behind the colon."""
INDENT = "  "
YAML_EXTRA = "goose"
"""Installs what reads YAML."""


def parse_toml(text: str) -> dict[str, Any]:
    """The document's value.

    Raises:
        SettingsError: it is no TOML.
    """
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise SettingsError(f"it is no TOML ({error})") from error


def insert_toml(text: str, section: str, name: str, value: Mapping[str, Any]) -> list[Splice]:
    """A table of its own at the end of the text. Raises SettingsError where that is no TOML."""
    parse_toml(text)
    line = newline(text)
    lines = [f"[{section}.{name}]", *(f"{key} = {_written(one)}" for key, one in value.items())]
    gap = "" if not text else line if text.endswith("\n") else line * 2
    return [Splice(len(text), len(text), gap + "".join(f"{one}{line}" for one in lines))]


def replace_toml(text: str, section: str, name: str, value: Mapping[str, Any]) -> list[Splice]:
    """The entry's keys get other values; those that stay the same are not touched.

    Raises:
        SettingsError: it is no TOML, or written in a way that cannot be edited.
        KeyError: there is no such entry.
    """
    found = _own_lines(text, section, name)
    start, end = found or (0, len(text))
    document, tables = _tables(text[start:end], section)
    entry = tables[name]
    for key, one in value.items():
        if entry.get(key) != one:
            entry[key] = _item(one)
    if found is None:
        return _whole(text, document, name)
    return difference(text, text[:start] + tomlkit.dumps(document) + text[end:])


def remove_toml(text: str, section: str, name: str, *, emptied: bool) -> list[Splice]:
    """The entry's table goes, and with `emptied` the section too where nothing is left. Raises as `replace_toml`.

    Comments and blank lines behind it stay: they are about what follows.
    """
    if found := _own_lines(text, section, name):
        start, end = found
        line = newline(text)
        blank = len(line) if text[:start].endswith(line * 2) or text[:start] == line else 0  # put there with it
        return [Splice(start - blank, end, "")]
    document, tables = _tables(text, section)
    del tables[name]
    if emptied and not tables:
        del document[section]
    return _whole(text, document, name)


def _own_lines(text: str, section: str, name: str) -> tuple[int, int] | None:
    """Where the lines of an entry's own tables begin and end.

    None where it has none, or others between them, or one that is only quoted in a text of several lines.
    """
    header = re.compile(rf"[ \t]*\[[ \t]*{section}[ \t]*\.[ \t]*[\"']?{name}[\"']?[ \t]*[].]")
    own, others, at, ours = list[tuple[int, int]](), list[int](), 0, False
    for line in text.splitlines(keepends=True):
        if line.lstrip().startswith("["):
            ours = header.match(line) is not None
        if ours and line.strip() and not line.lstrip().startswith("#"):
            own.append((at, at + len(line)))
        if not ours:
            others.append(at)
        at += len(line)
    if not own or any(own[0][0] < one < own[-1][0] for one in others):
        return None
    start, end = own[0][0], own[-1][1]
    try:
        tomllib.loads(text[start:end])
    except tomllib.TOMLDecodeError:
        return None
    return start, end


def _tables(text: str, section: str) -> tuple[Any, Any]:
    parse_toml(text)
    try:
        document = tomlkit.parse(text)
        return document, document[section]
    except TOMLKitError as error:
        raise SettingsError(f"its TOML cannot be edited ({error})") from error


def _item(value: Any) -> Any:
    if not isinstance(value, dict):
        return tomlkit.item(value)
    made = tomlkit.inline_table()
    made.update(value)
    return made


def _written(value: Any) -> str:
    text: str = _item(value).as_string()
    return text


def _whole(text: str, document: Any, name: str) -> list[Splice]:
    """The splice for a document that was edited as a whole.

    Raises:
        SettingsError: lines that do not name the entry are others now: tomlkit brings some documents into order.
    """
    new = tomlkit.dumps(document)
    before = iter(text.splitlines())
    if not all(line in before for line in new.splitlines() if name not in line):
        raise SettingsError(UNSAFE)
    return difference(text, new)


def parse_yaml(text: str) -> dict[str, Any]:
    """The document's value; empty for a text with nothing but white space and comments.

    Raises:
        SettingsError: it is no YAML, or no mapping, or what reads YAML is not installed.
    """
    if yaml is None:
        raise SettingsError(f"what reads YAML is not installed; install it with: {install_words(YAML_EXTRA)}")
    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise SettingsError(f"it is no YAML ({' '.join(str(error).split())})") from error
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise SettingsError("it is YAML, but no mapping of keys to values")
    return value


def insert_yaml(text: str, section: str, name: str, value: Mapping[str, Any]) -> list[Splice]:
    """A block that is the first of its section; a missing section is made at the end of the text.

    For an empty text nothing needs to be installed.

    Raises:
        SettingsError: it is no YAML, or the section is written in braces.
    """
    line, found = newline(text), _child(_composed(text), section) if text else None
    if found is None:
        gap = "" if not text or text.endswith("\n") else line
        return [Splice(len(text), len(text), f"{gap}{section}:{line}{_block(name, value, INDENT, line)}")]
    key, node = found
    if isinstance(node, yaml.MappingNode) and node.value and node.value[0][0].start_mark.line > key.end_mark.line:
        at = _line_end(text, key.end_mark.index)
        return [Splice(at, at, _block(name, value, " " * node.value[0][0].start_mark.column, line))]
    if node.value not in ("", "~", "null", []):
        raise SettingsError(f"its {section!r} is not written as a block of lines")
    start = text.index(":", key.end_mark.index) + 1
    return [Splice(start, max(start, node.end_mark.index), line + _block(name, value, INDENT, line).removesuffix(line))]


def replace_yaml(text: str, section: str, name: str, value: Mapping[str, Any]) -> list[Splice]:
    """The entry's block is written anew. Raises as `insert_yaml`, and KeyError where there is no such entry."""
    _, _, (key, node) = _entry(text, section, name)
    line, column = newline(text), key.start_mark.column
    block = _block(name, value, " " * column, line).removesuffix(line)
    return [Splice(key.start_mark.index - column, _last(text, key, node), block)]


def remove_yaml(text: str, section: str, name: str, *, emptied: bool) -> list[Splice]:
    """The entry's block goes, and with `emptied` the section too where nothing is left. Raises as `replace_yaml`."""
    holder, members, (key, node) = _entry(text, section, name)
    start, end = _lines(text, key, node)
    if len(members) > 1:
        return [Splice(start, end, "")]
    if emptied:
        return [Splice(holder.start_mark.index - holder.start_mark.column, end, "")]
    return [Splice(text.index(":", holder.end_mark.index) + 1, _last(text, key, node), EMPTY)]


def _composed(text: str) -> Any:
    parse_yaml(text)
    return yaml.compose(text, Loader=yaml.SafeLoader)


def _child(node: Any, name: str) -> tuple[Any, Any] | None:
    """The key and the value of that name in a mapping."""
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    return next(((key, value) for key, value in pairs if key.value == name), None)


def _entry(text: str, section: str, name: str) -> tuple[Any, list[Any], tuple[Any, Any]]:
    holder = _child(_composed(text), section)
    found = holder and _child(holder[1], name)
    if not holder or found is None:
        raise KeyError(name)
    if found[0].start_mark.line == holder[0].start_mark.line:
        raise SettingsError(f"its {section!r} is not written as a block of lines")
    return holder[0], holder[1].value, found


def _lines(text: str, key: Any, node: Any) -> tuple[int, int]:
    """Where the lines of a key with its value begin and end."""
    return key.start_mark.index - key.start_mark.column, _line_end(text, _last(text, key, node))


def _last(text: str, key: Any, node: Any) -> int:
    """Where the last word of a key with its value ends: the marks of a block are those of what comes after it."""
    while isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        key, node = last if isinstance(node, yaml.MappingNode) else (last, last)
    return len(text[: max(key.end_mark.index, node.end_mark.index)].rstrip())


def _line_end(text: str, at: int) -> int:
    found = text.find("\n", at)
    return len(text) if found < 0 else found + 1


def _block(name: str, value: Mapping[str, Any], indent: str, line: str) -> str:
    """The entry, its values as JSON: no version of YAML takes a text in quotes for a number or a truth value."""
    values = [f"{INDENT}{key}: {json.dumps(one, ensure_ascii=False)}" for key, one in value.items()]
    return "".join(f"{indent}{one}{line}" for one in (f"{name}:", *values))
