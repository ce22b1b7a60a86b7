"""The configuration: can it be used, and does it say what its author meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagewright.cli.checks.finding import Finding, Level
from imagewright.engine.offer import tool_names
from imagewright.errors import SettingsError
from imagewright.settings.config_file import read_config
from imagewright.settings.environment import filled_in, unexpanded, unknown_variables
from imagewright.settings.folders import find_folders
from imagewright.settings.keys import read_key_file
from imagewright.settings.load import Settings, filled_in_line, load_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from imagewright.settings.load import CommandLine

AREA = "configuration"
ADVICE = "Fill it in where the client asks for it, or take the line out of the client's configuration."


def check_settings(
    environment: Mapping[str, str], line: CommandLine, working_directory: Path
) -> tuple[Settings | None, list[Finding]]:
    """The settings, or None when they cannot be used; every file that is wrong is named, not only the first."""
    found = [Finding(AREA, Level.NOTE, text, "Correct its name.") for text in unknown_variables(environment)]
    found += [
        Finding(AREA, Level.NOTE, f"{name} was left as ${{...}} by whatever set it: it counts as not set", ADVICE)
        for name in unexpanded(environment)
    ]
    if filled_in_line(line) != line:
        found.append(Finding(AREA, Level.NOTE, "an option was left as ${...}: it counts as not given", ADVICE))
    environment = filled_in(environment)
    try:
        folders = find_folders(environment, working_directory)
    except SettingsError as error:
        return None, [*found, _broken(error)]
    files = [
        _file(folders.config, read_config, "every setting has its default"),
        _file(folders.keys, read_key_file, "keys can be kept there, mode 0600"),
    ]
    found += files
    if any(finding.level is Level.BROKEN for finding in files):
        return None, found
    try:
        settings = load_settings(environment, line, working_directory)
        settings.toggles.check_names(tool_names())
    except SettingsError as error:
        return None, [*found, _broken(error)]
    return settings, found


def _broken(error: SettingsError) -> Finding:
    return Finding(AREA, Level.BROKEN, str(error), "Correct it; until then the server does not start.")


def _file(file: Path, read: Callable[[Path], object], absent: str) -> Finding:
    try:
        read(file)
    except SettingsError as error:
        return _broken(error)
    if file.exists():
        return Finding(AREA, Level.OK, f"{file} is valid")
    return Finding(AREA, Level.OFF, f"{file} is not there: {absent}")
