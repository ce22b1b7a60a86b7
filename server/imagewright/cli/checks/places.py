"""Folders and database: are they where they should be, and can they be written."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from contextlib import closing
from typing import TYPE_CHECKING

from imagewright.cli.checks.finding import Finding, Level

if TYPE_CHECKING:
    from pathlib import Path

    from imagewright.settings.folders import Folders

LOW_SPACE = 1_000_000_000
"""Bytes free below which a word is said: some 25 large pictures."""


def check_places(folders: Folders) -> list[Finding]:
    """The pictures' folder, the roots and the database. Leaves nothing behind."""
    return [
        _kept("pictures", folders.pictures),
        _kept("configuration", folders.config.parent),
        *(_root(root) for root in folders.roots if root != folders.pictures),
        *_space(folders.pictures),
        _database(folders.database),
    ]


def _kept(what: str, folder: Path) -> Finding:
    """A folder of our own: it may not exist yet, but it must be possible to make it."""
    existing = _nearest_existing(folder)
    if trouble := _cannot_write(existing):
        advice = "Change its permissions, or set IMAGEWRIGHT_HOME to a folder you can write to."
        return Finding("folders", Level.BROKEN, f"{what}: {folder}: {trouble}", advice)
    made = "" if existing == folder else " (made when it is first needed)"
    return Finding("folders", Level.OK, f"{what}: {folder}{made}")


def _root(root: Path) -> Finding:
    if not root.is_dir():
        return Finding("folders", Level.OFF, f"root: {root} is not there")
    if trouble := _cannot_write(root):
        return Finding(
            "folders", Level.NOTE, f"root: {root}: {trouble}", "Pictures can be read from it, not saved there."
        )
    return Finding("folders", Level.OK, f"root: {root}")


def _nearest_existing(folder: Path) -> Path:
    return next(one for one in (folder, *folder.parents) if one.exists())


def _cannot_write(folder: Path) -> str:
    """Why nothing can be written there, found out by doing it: permission bits alone do not tell on every system."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return ""
    except OSError as error:
        return f"cannot be written ({error.strerror or error})"


def _space(folder: Path) -> list[Finding]:
    free = shutil.disk_usage(_nearest_existing(folder)).free
    if free >= LOW_SPACE:
        return []
    return [
        Finding("folders", Level.NOTE, f"only {free / 1e6:.0f} MB are free for pictures", "Make room on that disk.")
    ]


def _database(file: Path) -> Finding:
    if not file.exists():
        where = _nearest_existing(file.parent)
        if trouble := _cannot_write(where):
            return Finding("database", Level.BROKEN, f"{file}: {where}: {trouble}", "Set IMAGEWRIGHT_HOME.")
        return Finding("database", Level.OK, f"{file} (made with the first picture)")
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as database:
            (text,) = database.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        text = str(error)
    if text != "ok":
        advice = "Move the file aside; the pictures themselves are safe, and a new database starts empty."
        return Finding("database", Level.BROKEN, f"{file}: {text}", advice)
    if trouble := _cannot_write(file.parent):
        return Finding("database", Level.BROKEN, f"{file.parent}: {trouble}", "Change its permissions.")
    return Finding("database", Level.OK, str(file))
