"""The server as it is, but with shorter times: an emulated vendor is done within tenths of a second.

Run as `python quick_server.py [the server's own arguments]`.
"""

from __future__ import annotations

import sys
from dataclasses import replace

from imagewright.cli.main import main
from imagewright.providers.fal.provider import Fal
from imagewright.providers.kie.provider import Kie
from imagewright.providers.replicate.provider import Replicate
from imagewright.settings import load

FIRST = 0.05
LONGEST = 0.1
"""Seconds between two questions."""
SEARCH = 2.0
"""Seconds for which a call is looked for whose answer was never heard."""
SURE_WAIT = 0.3
"""Seconds within which an answer is sure to reach the client."""


def hurry() -> None:
    """Shorten the waits; deadlines and patience stay."""
    load.SURE_WAIT = SURE_WAIT
    for vendor in (Fal, Kie, Replicate):
        vendor.rhythm = replace(vendor.rhythm, first=FIRST, longest=LONGEST, search=SEARCH)


if __name__ == "__main__":
    hurry()
    sys.exit(main())
