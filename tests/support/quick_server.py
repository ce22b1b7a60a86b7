"""The server as it is, but with shorter times, and on a day of its own.

An emulated vendor is done within tenths of a second, and no built-in model ends while the tests are kept.

Run as `python quick_server.py [the server's own arguments]`.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import date
from functools import partial
from typing import TYPE_CHECKING

from imagewright.cli.main import main
from imagewright.engine import config, engine
from imagewright.providers.fal.provider import Fal
from imagewright.providers.kie.provider import Kie
from imagewright.providers.replicate.provider import Replicate
from imagewright.settings import load
from imagewright.surface import delivery, http, listening

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST = 0.05
LONGEST = 0.1
"""Seconds between two questions."""
SEARCH = 5.0
"""Seconds for which a call is looked for whose answer was never heard."""
LOOK_EVERY = 0.05
"""Seconds between two looks at the configuration."""
SURE_WAIT = 0.3
"""Seconds within which an answer is sure to reach the client."""
HTTP_SECONDS = 3.0
"""Seconds within which a client must send what it begins and read what it is sent."""
SESSIONS = 20
"""Sessions over HTTP at once."""
CONNECTIONS = 60
"""Connections over HTTP at once."""
DAY = date(2026, 11, 26)
"""The day that is taken for today where it is judged what has ended."""


def hurry(change: Callable[[object, str, object], None] = setattr) -> None:
    """Shorten the waits and stop the calendar; deadlines and patience stay.

    Args:
        change: sets an attribute; a test's own way takes it back afterwards.
    """
    change(load, "SURE_WAIT", SURE_WAIT)
    change(listening, "HEAD_SECONDS", HTTP_SECONDS)
    change(listening, "MOST_CONNECTIONS", CONNECTIONS)
    change(http, "BODY_SECONDS", HTTP_SECONDS)
    change(delivery, "MOST_SESSIONS", SESSIONS)
    change(delivery, "WRITE_SECONDS", HTTP_SECONDS)
    change(config, "LOOK_EVERY", LOOK_EVERY)
    change(engine, "make_config", partial(config.make_config, today=DAY))
    for vendor in (Fal, Kie, Replicate):
        change(vendor, "poll_policy", replace(vendor.poll_policy, first=FIRST, longest=LONGEST, search=SEARCH))


if __name__ == "__main__":
    hurry()
    sys.exit(main())
