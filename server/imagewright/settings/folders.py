"""Where things are kept and which folders may be read and written, on every platform."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from imagewright.errors import SettingsError
from imagewright.settings import without_secrets
from imagewright.settings.table import HOME, ROOTS

if TYPE_CHECKING:
    from collections.abc import Mapping

PROJECT_MARKS = (".git", ".hg", "pyproject.toml", "package.json", "Cargo.toml", "go.mod", ".vscode", ".idea")
"""A working directory that holds one of these is a project, and may be read and written."""


@dataclass(frozen=True, slots=True)
class Folders:
    """Absolute paths. Making this object creates nothing on disk."""

    pictures: Path
    """Where pictures are kept by default."""
    database: Path
    """The file of the library."""
    config: Path
    """The configuration file."""
    keys: Path
    """The key file, mode 0600."""
    roots: tuple[Path, ...]
    """The folders that may be read from and saved into; the first is `pictures`."""

    @property
    def followed(self) -> tuple[Path, ...]:
        """The files that a running server follows, whether or not they are there."""
        return self.config, self.keys

    @property
    def token(self) -> Path:
        """The file with the token of the server over HTTP, mode 0600."""
        return self.config.with_name("http-token")


def find_folders(environment: Mapping[str, str], working_directory: Path) -> Folders:
    """The folders that follow from `IMAGEWRIGHT_HOME` and `IMAGEWRIGHT_ROOTS`, else from the platform.

    Raises:
        SettingsError: a folder is given as a relative path.
    """
    home = environment.get(HOME.variable, "").strip()
    if home:
        base = _absolute(HOME.variable, home)
        pictures, database, config = base / "pictures", base / "imagewright.db", base
    else:
        pictures = Path(platformdirs.user_pictures_dir()) / "Imagewright"
        database = Path(platformdirs.user_data_dir("imagewright", appauthor=False)) / "imagewright.db"
        config = Path(platformdirs.user_config_dir("imagewright", appauthor=False))
    named = environment.get(ROOTS.variable, "").strip()
    if named:
        roots = [_absolute(ROOTS.variable, part) for part in named.split(os.pathsep) if part.strip()]
    else:
        roots = _usual_roots(working_directory)
    unique = dict.fromkeys([pictures, *roots])
    return Folders(pictures, database, config / "config.toml", config / "keys.toml", tuple(unique))


def _usual_roots(working_directory: Path) -> list[Path]:
    usual = [
        Path(platformdirs.user_pictures_dir()),
        Path(platformdirs.user_downloads_dir()),
        Path(platformdirs.user_desktop_dir()),
        Path(platformdirs.user_documents_dir()),
    ]
    apart = working_directory not in (Path.home(), Path(working_directory.anchor))
    if apart and any((working_directory / mark).exists() for mark in PROJECT_MARKS):
        usual.append(working_directory)
    return usual


def _absolute(variable: str, text: str) -> Path:
    path = Path(text.strip()).expanduser()
    if not path.is_absolute():
        given, meant = without_secrets(text), Path.cwd() / without_secrets(str(path))
        raise SettingsError(f"{variable}: {given!r} is not an absolute path; did you mean {meant}?")
    return path
