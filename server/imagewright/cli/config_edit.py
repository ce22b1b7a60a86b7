"""Switch tools on and off in the configuration file: comments and order stay, and it is all or nothing."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from imagewright.errors import SettingsError, StorageError
from imagewright.settings.config_file import read_config
from imagewright.storage.private import make_folder

if TYPE_CHECKING:
    from collections.abc import Iterable


def switch(file: Path, tools: Iterable[str], *, on: bool) -> tuple[str, ...]:
    """Switch tools on or off in the configuration file, made if there is none.

    Off means: listed in `[tools].disable`. On means: not listed there, and in `[tools].allow` where that exists.

    Args:
        file: the configuration file.
        tools: valid names.
        on: on or off.

    Returns:
        The tools whose entry had to change; empty when the file was already so and was left untouched.

    Raises:
        SettingsError: the file is not valid as it stands; it is left as it is.
        StorageError: it cannot be written.
    """
    read_config(file)
    try:
        text = file.read_bytes().decode("utf-8") if file.exists() else ""
        document = tomlkit.parse(text)
    except TOMLKitError as error:
        raise SettingsError(f"{file}: {error}") from error
    changed = tuple(name for name in dict.fromkeys(tools) if _switch_one(document, name, on=on))
    if changed:
        _write(file, tomlkit.dumps(document))
    return changed


def _switch_one(document: Any, name: str, *, on: bool) -> bool:
    table = document.get("tools", {})
    if not on:
        return _add(document, "disable", name)
    listed = name not in table.get("allow", [name])
    removed = _remove(table, name)
    return (listed and _add(document, "allow", name)) or removed


def _add(document: Any, key: str, name: str) -> bool:
    if "tools" not in document:
        if document.as_string():
            document.append(None, tomlkit.nl())
        # at the end, as the header would swallow plain keys behind it
        document.append("tools", tomlkit.table())
    table = document["tools"]
    if key not in table:
        table[key] = tomlkit.array()
    if name in table[key]:
        return False
    table[key].append(name)
    return True


def _remove(table: Any, name: str) -> bool:
    names = table.get("disable", [])
    found = name in names
    while name in names:
        names.remove(name)
    return found


def _write(file: Path, text: str) -> None:
    """Replace the file in one step; where it is a link, what it points to."""
    target = Path(os.path.realpath(file))
    try:
        make_folder(target.parent)  # private, as it also holds the key file
        with tempfile.NamedTemporaryFile(
            "w", dir=target.parent, prefix=f".{target.name}.", encoding="utf-8", newline="", delete=False
        ) as draft:
            draft.write(text)
            draft.flush()
            os.fsync(draft.fileno())
        try:
            read_config(Path(draft.name))
            if target.exists():
                Path(draft.name).chmod(target.stat().st_mode & 0o7777)
            Path(draft.name).replace(target)
        except BaseException:
            Path(draft.name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise StorageError(f"{file}: cannot be written ({error.strerror or error})") from error
