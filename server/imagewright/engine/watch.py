"""Watch the configuration and key files, so that what is changed there reaches a running server."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import anyio

from imagewright.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from imagewright.engine.workshop import Workshop

log = logging.getLogger(__name__)

LOOK_EVERY = 0.5
"""Seconds between two looks at the files: a `stat` each, and the promise is two seconds."""


async def watch_config(workshop: Workshop, on_change: Callable[[], Awaitable[None]]) -> None:
    """Reload the workshop whenever one of its files changes; what cannot be used changes nothing and is logged."""
    folders = workshop.settings.folders
    seen = _stamp(folders.config), _stamp(folders.keys)
    while True:
        await anyio.sleep(LOOK_EVERY)
        now = _stamp(folders.config), _stamp(folders.keys)
        if now == seen:
            continue
        seen = now
        try:
            changed = await workshop.reload()
        except SettingsError as error:
            log.warning("the changed configuration is not used, and the one before stays in force: %s", error)
            continue
        except Exception:
            log.exception("the changed configuration cannot be read, and the one before stays in force")
            continue
        if changed:
            await on_change()


def _stamp(file: Path) -> tuple[int, int, int] | None:
    """What differs after every write, also after an atomic replacement; None while there is no file."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
