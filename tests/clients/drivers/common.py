"""What drivers in Python share: the document they are given, what they print, and small judgements.

Standard library only, because each client has an environment of its own.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
import urllib.request
from base64 import b64decode
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

DRIVE: dict[str, Any] = json.loads(os.environ["IMAGEWRIGHT_DRIVE"])
SERVERS: dict[str, dict[str, Any]] = DRIVE["servers"]
TOOLS: list[str] = DRIVE["tools"]
OPTIONS: dict[str, Any] = DRIVE["options"]
SWITCHED: str = DRIVE["toggle"]["tool"]
MAKES = "nano_banana"
"""The tool that makes a picture."""
EDITS = {"prompt": "the same at night"}
"""Arguments that edit one, beside its `images`."""
NAMED = "img_0000000000000000"
WRONG = {"prompt": "the same at night", "images": [NAMED]}
"""Arguments that are refused although the schema allows them, and what the refusal has to name."""
LONG = 60.0
"""Seconds for one ability; the slow one may take three times that."""
TRIES = 6
"""How often a model would repeat a call that timed out."""
SHARED: dict[str, str] | None = DRIVE["http"]
"""`url` and `token` of the server that several clients share; None where each starts its own."""
NOTICED = 90.0 if SHARED else 15.0
"""Seconds within which a switch is noticed: the server looks every two. Where it is shared, all others come first."""


def asked(what: str) -> dict[str, Any]:
    """Arguments that make a picture with most tools.

    Each purpose has its own: a call that is repeated at once joins the one before.
    """
    return {"prompt": f"a lighthouse at dusk, {what}", "aspect_ratio": "1:1"}


class AbsentError(Exception):
    """The client has no such thing."""


class UntriedError(Exception):
    """It may have it, and nothing here can make it show."""


class Seen:
    """What came of an ability."""

    def __init__(
        self,
        detail: str = "",
        *,
        note: str = "",
        pictures: Iterable[bytes | str] = (),
        structured: Iterable[tuple[Any, Any]] = (),
    ) -> None:
        self.words = {
            "detail": detail,
            "note": note,
            "pictures": [keep(one) for one in pictures],
            "structured": [{"schema": schema, "value": value} for schema, value in structured],
        }


def keep(picture: bytes | str) -> str:
    """A file with a picture that is given as bytes, as base64 or as a data URI."""
    if isinstance(picture, str):
        picture = b64decode(picture.partition(",")[2] if picture.startswith("data:") else picture, validate=True)
    file = Path(DRIVE["folder"]) / f"picture-{time.monotonic_ns()}"
    file.write_bytes(picture)
    return str(file)


def say(ability: str, outcome: str, **words: Any) -> None:
    """Print one line."""
    sys.stdout.write(f"\n{json.dumps({'ability': ability, 'outcome': outcome, **words})}\n")
    sys.stdout.flush()


def first_of(error: BaseException) -> BaseException:
    """Of a group the first of its errors."""
    while getattr(error, "exceptions", None):
        error = error.exceptions[0]
    return error


def words_of(error: BaseException, most: int = 300) -> str:
    """An error in a line, without what differs from run to run."""
    error = first_of(error)
    text = " ".join(str(error).split()).replace(DRIVE["folder"], "")
    return f"{type(error).__name__}: {text}"[:most]


def main(**abilities: Callable[[], Awaitable[Seen | str | None]]) -> None:
    """Try each ability that is asked for, in this order, and print what came of it; one that is missing is absent."""
    asyncio.run(_try_all(abilities))


async def _try_all(abilities: Mapping[str, Any]) -> None:
    for name in DRIVE["abilities"]:
        if name not in abilities:
            say(name, "absent")
    for name, ability in abilities.items():
        if name in DRIVE["abilities"]:
            await _try(name, ability)


async def _try(name: str, ability: Any) -> None:
    try:
        seen = await asyncio.wait_for(ability(), LONG * (3 if name in {"slow", "price"} else 1))
    except TimeoutError:
        say(name, "fails", detail="it did not end in time")
    except (Exception, asyncio.CancelledError) as error:  # whatever a client raises is what is to be seen
        cause = first_of(error)
        outcome = {AbsentError: "absent", UntriedError: "untried"}.get(type(cause), "fails")
        say(name, outcome, detail=words_of(cause) if outcome == "fails" else str(cause))
    else:
        say(name, "ok", **(seen.words if isinstance(seen, Seen) else {"detail": seen or ""}))


def must(holds: object, text: str) -> None:
    """Fail with this text unless it holds."""
    if not holds:
        raise AssertionError(text)


def all_listed(names: Iterable[str], *, without: str = "") -> str:
    """That these are the tools, with or without something that a client puts before their names."""
    found = sorted(names)
    wanted = [tool for tool in TOOLS if tool != without]
    missing = [tool for tool in wanted if not any(name.endswith(tool) for name in found)]
    must(not missing and len(found) == len(wanted), f"listed: {', '.join(found) or 'nothing'}")
    return f"{len(found)} tools"


def is_refusal(text: object) -> str:
    """That a refusal names what was wrong."""
    before, named, _ = " ".join(str(text).split()).partition(NAMED)
    must(named, f"it does not say what is wrong: {before[:200]}")
    return f"{before}{named}"


def paid(server: str) -> dict[str, int]:
    """How many tasks were begun and paid at the vendor of a server."""
    with urllib.request.urlopen(f"{DRIVE['paid']}/{server}", timeout=10) as reply:  # noqa: S310 - an address of ours
        return json.load(reply)


async def paid_once(server: str, before: int = 0) -> None:
    """That one task more was begun than before, and is paid in the end."""
    end = time.monotonic() + LONG / 2
    while paid(server)["charged"] <= before and time.monotonic() < end:
        await asyncio.sleep(0.2)
    found = paid(server)
    must(found == {"begun": before + 1, "charged": before + 1}, f"begun and paid: {found}")


async def switch(to: str) -> None:
    """Switch the tool `off` or `on`, as its user would; where the runner does it, say that it is time."""
    if DRIVE["toggle"]["by"] == "runner":
        if to == "off":
            sys.stdout.write('\n{"ready": true}\n')
            sys.stdout.flush()
        return
    words, env = DRIVE["toggle"][to], DRIVE["toggle"]["env"]
    done = await asyncio.to_thread(subprocess.run, words, env=env, capture_output=True, check=False, timeout=LONG)
    must(done.returncode == 0, f"the switch failed: {done.stderr.decode(errors='replace')[-200:]}")


async def noticed(changed: asyncio.Event, names: Callable[[], Awaitable[Iterable[str]]]) -> Seen:
    """That a switch is announced, and that a new list is without the tool.

    A row whose option `hears` is false is a client that hands on no notification, and makes a new list for each turn.
    """
    if OPTIONS.get("hears") is False:
        return await seen_in_next_list(names)
    all_listed(await names())
    changed.clear()
    await switch("off")
    try:
        await asyncio.wait_for(changed.wait(), NOTICED)
    except TimeoutError:
        raise AssertionError("no notification came") from None
    finally:
        listed = [*await names()]
        await switch("on")
    return Seen(f"notified; {all_listed(listed, without=SWITCHED)}")


async def seen_in_next_list(names: Callable[[], Awaitable[Iterable[str]]]) -> Seen:
    """For clients that hand on no notification: that a later list is without the tool."""
    all_listed(await names())
    await switch("off")
    end = time.monotonic() + NOTICED
    listed = [*await names()]
    while len(listed) == len(TOOLS) and time.monotonic() < end:
        await asyncio.sleep(0.5)
        listed = [*await names()]
    await switch("on")
    return Seen(f"a later list: {all_listed(listed, without=SWITCHED)}", note="next list")


async def until_it_arrives(call: Callable[[], Awaitable[bytes | str | bool]]) -> Seen:
    """Repeat a slow call as a model would after a time-out, until the picture is there; and that it was paid once.

    Args:
        call: makes the call with the client's own time limit and returns its picture, or whether there is one. What it
            raises is taken for a time-out.
    """
    last = ""
    for number in range(1, TRIES + 1):
        try:
            picture = await call()
        except AssertionError:
            raise
        except Exception as error:  # a client's time-out has many names
            last = words_of(error)
            continue
        if picture:
            await paid_once("slow")
            shown = [] if picture is True else [picture]
            return Seen(f"call {number}", note="" if number == 1 else f"call {number}", pictures=shown)
    raise AssertionError(f"no picture after {TRIES} calls; {last}")
