"""The server as it is, but for how often it asks: an emulated vendor is done within tenths of a second.

Run as `python quick_server.py [the server's own arguments]`.
"""

from __future__ import annotations

import sys
from dataclasses import replace

from imagewright.cli.main import main
from imagewright.providers.fal.provider import Fal
from imagewright.providers.kie.provider import Kie
from imagewright.providers.replicate.provider import Replicate

FIRST = 0.05
LONGEST = 0.1
"""Seconds between two questions."""


def hurry() -> None:
    """Shorten the waits; deadlines and patience stay."""
    for vendor in (Fal, Kie, Replicate):
        vendor.rhythm = replace(vendor.rhythm, first=FIRST, longest=LONGEST)


if __name__ == "__main__":
    hurry()
    sys.exit(main())
