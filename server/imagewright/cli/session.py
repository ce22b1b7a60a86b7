"""The engine as commands use it: opened with the present settings, for as long as a command needs it."""

from __future__ import annotations

import io
import os
import sys
from contextlib import redirect_stderr, suppress
from functools import wraps
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

import anyio

from imagewright.cli import put_error
from imagewright.cli.options import command_line, completions, unwrapped
from imagewright.engine.engine import open_engine
from imagewright.engine.offer import tool_names
from imagewright.errors import ImagewrightError, Problem, Refusal
from imagewright.providers import KEY_VARIABLES, needs_earlier_key
from imagewright.settings.load import Settings, load_settings, log_at
from imagewright.storage.accounts import LOCAL
from imagewright.text import log_to

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import click
    from click.shell_completion import CompletionItem

    from imagewright.engine.engine import Engine
    from imagewright.engine.offer import Offer
    from imagewright.errors import ConfirmationNeededError
    from imagewright.storage.records import Trouble

THRESHOLD = "IMAGEWRIGHT_CONFIRM_ABOVE"
YES = frozenset({"y", "yes"})
COMPLETED = 50
"""How many of the newest pictures and jobs a shell is offered."""
NEWEST = 100
"""Jobs that the doctor looks at."""
LEAVE_SECONDS = 1.5
"""Seconds for which the answer to a request that is being sent is waited for, if a courier hears it after that."""

P = ParamSpec("P")
T = TypeVar("T")


def settings_now() -> Settings:
    """The settings from the environment, the files and the shared options of the command that runs.

    Raises:
        SettingsError: one of them cannot be used, or names a tool there is not.
    """
    log_to(sys.stderr, "imagewright: %(message)s")
    settings = load_settings(os.environ, command_line())
    log_at(settings.log)
    settings.toggles.check_names(tool_names())
    return settings


def with_engine(work: Callable[Concatenate[Engine, P], Awaitable[T]]) -> Callable[P, T]:
    """The work as a plain function, which opens an engine with the present settings for as long as it runs.

    That function raises what the work raises, and a `SettingsError` where the settings name a tool or a provider there
    is not.
    """

    @wraps(work)
    def run(*args: P.args, **more: P.kwargs) -> T:
        settings = settings_now()

        async def inside() -> T:
            async with open_engine(settings) as engine:
                try:
                    return await work(engine, *args, **more)
                finally:
                    # after Ctrl-C; a job that is let go of here goes on elsewhere or can be carried on
                    with anyio.CancelScope(shield=True):
                        await engine.leave(LEAVE_SECONDS)

        try:
            return anyio.run(inside)
        except BaseExceptionGroup as group:  # the engine's task group wraps what the work raises
            raise unwrapped(group) from group

    return run


@with_engine
async def offer_now(engine: Engine) -> Offer:
    """What a server with these settings would offer."""
    return engine.offer


@with_engine
async def spent_now(engine: Engine) -> dict[str, float]:
    """USD spent or set aside in the running `day` and `month`, over all processes; see `Engine.spent`."""
    return await engine.spent(LOCAL)


@with_engine
async def trouble_now(engine: Engine) -> list[Trouble]:
    """What is wrong with the database and its entries; see `Engine.trouble`."""
    return await engine.trouble()


@with_engine
async def _pictures_now(engine: Engine) -> dict[str, str]:
    records = await engine.gallery(LOCAL, limit=COMPLETED)
    return {one.id: f"{one.tool} {one.width}x{one.height} {one.prompt.line()}".rstrip() for one in records}


@with_engine
async def _jobs_now(engine: Engine) -> dict[str, str]:
    return {job.id: f"{job.record.tool}, {job.record.state}" for job in await engine.newest(LOCAL, COMPLETED)}


def complete_picture_id(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """For `shell_complete`: the ids of the newest pictures, each with what it is."""
    return completions(_in_a_line(ctx, _pictures_now), incomplete)


def complete_job_id(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """For `shell_complete`: the ids of the newest jobs, each with how it stands."""
    return completions(_in_a_line(ctx, _jobs_now), incomplete)


def _in_a_line(ctx: click.Context, find: Callable[[], dict[str, str]]) -> dict[str, str]:
    """What was found; nothing where it cannot be: a line that is being typed is no place for errors and warnings."""
    with ctx.scope(cleanup=False), redirect_stderr(io.StringIO()), suppress(ImagewrightError):
        return find()
    return {}


@with_engine
async def locked_jobs_now(engine: Engine) -> dict[str, str]:
    """The provider of each of the newest open jobs that waits for a key which was set before; by the job's id."""
    found = {}
    for job in await engine.newest(LOCAL, NEWEST):
        name, keyring = job.record.provider, engine.settings.keyring
        key = keyring.find(KEY_VARIABLES.get(name, ()))
        handles = [call.handle or {} for call in job.record.calls]
        if not job.done and any(needs_earlier_key(handle, "" if key is None else key.value) for handle in handles):
            found[job.id] = name
    return found


def agrees(needed: ConfirmationNeededError) -> bool:
    """Ask the user; anything but yes is no, and is answered.

    Raises:
        Refusal: there is nobody to ask.
    """
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise Refusal(Problem("", f"{needed} Nobody is here to ask: agree with --yes, or raise {THRESHOLD}"))
    put_error(f"{needed} [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() in YES:
        return True
    put_error("imagewright: not made, and nothing was spent\n")
    return False
