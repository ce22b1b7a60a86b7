"""What this installation of Python and Pillow can read."""

from __future__ import annotations

import platform
import sys

from imagewright import __version__
from imagewright.cli.checks.finding import Finding, Level
from imagewright.imaging.signatures import KINDS, known_formats

ADVICE = {
    "avif": "Install a Pillow that was built with AVIF, or save such pictures as PNG first.",
    "heic": "For pictures from iPhones: pip install pillow-heif",
}


def check_program() -> list[Finding]:
    """Versions, and the formats that can and cannot be read."""
    about = f"Imagewright {__version__}, Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    able = known_formats()
    found = [
        Finding("program", Level.OK, about),
        Finding("program", Level.OK, f"interpreter {sys.executable}"),
        Finding("program", Level.OK, f"reads {', '.join(KINDS[name].title for name in able)}"),
    ]
    return found + [
        Finding("program", Level.OFF, f"does not read {kind.title}", ADVICE.get(name, ""))
        for name, kind in KINDS.items()
        if name not in able
    ]
