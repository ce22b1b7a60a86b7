"""Watch the configuration and key files, so that what is changed there reaches a running server."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import anyio

from imagewright.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from imagewright.engine.engine import Engine

log = logging.getLogger(__name__)

LOOK_EVERY = 0.5
"""Seconds between two looks at the files: a `stat` each, and the promise is two seconds."""


async def watch_config(engine: Engine, on_change: Callable[[], Awaitable[None]]) -> None:
    """Reload the engine whenever one of its files changes; what cannot be used changes nothing and is logged."""
    folders = engine.settings.folders
    seen = _stamp(folders.config), _stamp(folders.keys)
    while True:
        await anyio.sleep(LOOK_EVERY)
        now = _stamp(folders.config), _stamp(folders.keys)
        if now == seen:
            continue
        seen = now
        try:
            if await engine.reload():
                await on_change()
        except SettingsError as error:
            log.warning("the changed configuration is not used, and the one before stays in force: %s", error)
        except Exception:  # the next change must be seen all the same
            log.exception("the change of the configuration has met a fault")


def _stamp(file: Path) -> tuple[int, int, int, int] | None:
    """What differs after every write, replacement or change of who may read it; None while there is no file."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino, found.st_mode
