"""`imagewright run TOOL --images ... --into FOLDER`: one call for each of many pictures, each made once.

Nothing is written down besides the engine's journal. Each call has an idempotency key that is made of the tool, its
arguments, the picture's bytes and the folder. So the same command again finds what it has begun: a picture that is
there is left, a job that was left behind is carried on, and only the rest is paid.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import click
from rich.text import Text

from imagewright.cli import put, put_error
from imagewright.cli.inputs import find_inputs, following_key, key_of, result_names, with_digests
from imagewright.cli.options import as_typed, for_person, option_name
from imagewright.cli.output import STYLES, console, money, print_json, table
from imagewright.cli.progress import DONE, FAILED, SOME, STALLED, Board, exit_code, reporting
from imagewright.cli.session import agrees, with_engine
from imagewright.engine.budget import check_together, question, total
from imagewright.engine.engine import job_data
from imagewright.errors import BadKey, ImagewrightError, OutOfCredit, Problem, Refusal
from imagewright.storage.records import LOCAL
from imagewright.text import counted, duration, listed, plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from imagewright.catalog.row import Row
    from imagewright.cli.inputs import Input
    from imagewright.cli.progress import Tell
    from imagewright.engine.budget import Estimate
    from imagewright.engine.engine import Engine
    from imagewright.engine.job import Job
    from imagewright.settings.load import BudgetTable

AT_ONCE = 8
"""Calls that run at the same time; a vendor's rate is kept besides, whatever is asked for."""
LOOKED_AT_ONCE = 4
"""Pictures that are opened at the same time before anything is begun: each is in memory."""
FATAL = frozenset({BadKey.category, OutOfCredit.category})
"""Errors that every further call would have too."""
NAMED = 5
"""Pictures that are named where several have the same problem."""
TO_MAKE, BEGUN, MADE_BEFORE = "to make", "begun before", "made before"
PAID_BEFORE = "not made again"
"""It was charged, or may have been, and its pictures are not there."""
SAME = "same as another"
"""Its content is that of another picture of the batch, which is made once."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked for on the command line."""

    row: Row
    given: Mapping[str, Any]
    """The arguments of every call, without its picture and the name to save as."""
    argument: str
    """The argument that takes the picture."""
    several: bool
    """Whether that is a list."""
    into: Path
    """The folder for the results, absolute."""
    at_once: int = AT_ONCE
    again: bool = False
    """Whether what was paid for and is not there any more is made anew."""
    skip: bool = False
    """Whether pictures that cannot be used are left out."""

    def arguments(self, item: Item) -> dict[str, Any]:
        """The arguments of the call for one picture."""
        picture = [item.source.given] if self.several else item.source.given
        return {**self.given, self.argument: picture, "save_as": str(self.into / item.name)}

    def sentences(self, refusal: Refusal) -> list[str]:
        """What is wrong with a call, without the name of the argument that takes the picture."""
        typed, own = as_typed(refusal, click.get_current_context()), option_name(self.argument)
        texts = [one.message if one.argument.startswith(own) else str(one) for one in typed.problems]
        return [*texts, *([f"can do it instead: {', '.join(typed.instead)}"] if typed.instead else [])]


@dataclass(slots=True)
class Item:
    """One picture and the call that is made for it."""

    source: Input
    name: str
    """The name of the result, without an extension."""
    key: str = ""
    """The idempotency key of its call."""
    standing: str = TO_MAKE
    """How it stood before anything was begun: one of the constants above."""
    job: Job | None = None
    """The job that serves it, once there is one."""
    estimate: Estimate | None = None
    """Of one that is to make."""
    problems: list[str] = field(default_factory=list)
    """Why there is no call, or no further one."""

    @property
    def is_made(self) -> bool:
        """Whether all its pictures are there."""
        return self.job is not None and is_there(self.job)

    @property
    def paid(self) -> float | None:
        """What its job cost in USD, once that has ended; None where it is not known."""
        return None if self.job is None or not self.job.done else self.job.record.cost_usd

    @property
    def state(self) -> str:
        """How it stands at the end, in a few words."""
        if self.standing not in {TO_MAKE, BEGUN}:
            return self.standing
        if self.job is None:
            return "refused" if self.problems else TO_MAKE
        return "made" if self.is_made else self.job.record.state

    @property
    def paths(self) -> list[Path]:
        """The files that were made."""
        return [one.path for one in self.job.pictures if one.path is not None] if self.job else []


def is_there(job: Job) -> bool:
    """Whether the job has ended with all its pictures, and their files are still there."""
    whole = job.record.state == "completed" and len(job.pictures) >= job.record.expected
    return whole and all(one.path is None or one.path.is_file() for one in job.pictures)


def run_batch(wanted: Wanted, words: Sequence[str], *, dry: bool, yes: bool, form: str) -> int:
    """Make one call for each picture that the words name; the exit code is that of `cli.progress`.

    Args:
        wanted: the calls.
        words: files, folders, patterns, ids and URLs.
        dry: whether only to say what would be done.
        yes: whether the user has agreed to the price.
        form: how to print what came of it: `json`, `quiet` for paths alone, or empty.

    Raises:
        Refusal: something is wrong with a call, or a budget has no room for all of them; nothing was begun.
    """
    if wanted.into.exists() and not wanted.into.is_dir():
        raise Refusal(Problem("--into", f"{wanted.into} is a file, not a folder"))
    inputs, notes = find_inputs(words, wanted.into)
    items = [Item(one, name) for one, name in zip(inputs, result_names(inputs), strict=True)]
    budget, spent = _look(items, wanted, quiet=form == "quiet")
    _refuse_problems(items, wanted)
    estimates = [item.estimate for item in items if item.estimate is not None]
    check_together(estimates, budget, spent)
    if form != "quiet":
        put_error("".join(f"{line}\n" for line in (*notes, _plan(items, estimates))))
    if dry:
        _print_items(items, wanted, form)
        return DONE
    needed = question(estimates, budget)
    if needed is not None and not yes and not agrees(needed):
        return FAILED
    began = time.monotonic()
    _make(items, wanted, quiet=form == "quiet")
    _print_items(items, wanted, form)
    _print_end(items, time.monotonic() - began, quiet=form == "quiet")
    return _code(items)


@with_engine
async def _look(
    engine: Engine, items: Sequence[Item], wanted: Wanted, *, quiet: bool
) -> tuple[BudgetTable, dict[str, float]]:
    """Find what was begun before and what the rest would cost; the limits, and what is spent of them."""
    turns, seen = anyio.CapacityLimiter(LOOKED_AT_ONCE), 0
    given = await anyio.to_thread.run_sync(with_digests, wanted.given)
    keys: set[str] = set()

    async def one(item: Item, tell: Tell) -> None:
        nonlocal seen
        async with turns:
            try:
                item.key = await anyio.to_thread.run_sync(key_of, wanted.row.tool, given, item.source, wanted.into)
                if item.key in keys:
                    item.standing = SAME
                else:
                    keys.add(item.key)
                    await _find_out(engine, item, wanted)
            except Refusal as refusal:
                item.problems += wanted.sentences(refusal)
            except ImagewrightError as error:
                item.problems.append(str(error))
            except OSError as error:
                item.problems.append(f"cannot be read: {error.strerror}")
        seen += 1
        tell(seen / len(items), f"{seen} of {len(items)} looked at")

    with reporting(quiet=quiet) as reporter:
        tell = reporter.begin(wanted.row.tool, lines=False)
        async with anyio.create_task_group() as group:
            for item in items:
                group.start_soon(one, item, tell)
    return engine.settings.budget, await engine.spent(LOCAL)


async def _find_out(engine: Engine, item: Item, wanted: Wanted) -> None:
    """How an item stands in the journal; of one that is to make, what it would cost.

    Raises:
        Refusal: its call is wrong.
    """
    while (job := await engine.keyed(LOCAL, item.key)) is not None:
        item.job = job
        item.standing = MADE_BEFORE if is_there(job) else BEGUN
        if not job.done or is_there(job) or (job.record.state == "cancelled" and not wanted.again):
            return
        item.standing = PAID_BEFORE
        following = following_key(item.key, job.id)
        if not wanted.again and await engine.keyed(LOCAL, following) is None:
            return
        item.key, item.job = following, None
    item.standing = TO_MAKE
    item.estimate = await engine.estimate(LOCAL, wanted.row.tool, wanted.arguments(item))


def _refuse_problems(items: Sequence[Item], wanted: Wanted) -> None:
    """Leave out what cannot be used, if that was asked for.

    Raises:
        Refusal: something cannot be used.
    """
    by_text: dict[str, list[str]] = {}
    for item in items:
        if item.problems:
            by_text.setdefault("; ".join(item.problems), []).append(plain(item.source.shown))
    good = sum(not item.problems for item in items)
    if not by_text or (wanted.skip and good):
        return
    problems = []
    for text, names in by_text.items():
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        of = "" if len(names) == len(items) > 1 else f"{', '.join(names[:NAMED])}{more}: "
        problems.append(Problem("", f"{of}{text}"))
    raise Refusal(*problems, note=f"nothing was begun{f'; --skip makes the other {good}' if good else ''}")


def _plan(items: Sequence[Item], estimates: Sequence[Estimate]) -> str:
    """What will be done, in a line."""
    counts = Counter("left out" if item.problems else item.standing for item in items)
    parts = [f"{count} {standing}" for standing, count in counts.items()]
    if estimates:
        usd = total(estimates)
        cost = "for an unknown sum" if usd is None else f"for about {money(usd)}"
        parts.append(f"{cost} by {listed(dict.fromkeys(one.provider for one in estimates))}")
    return f"{counted(len(items), 'picture')}: {', '.join(parts)}"


@with_engine
async def _make(engine: Engine, items: Sequence[Item], wanted: Wanted, *, quiet: bool) -> None:
    """Make the calls, so many at once, and carry on those that were begun."""
    todo = [item for item in items if item.standing in {TO_MAKE, BEGUN} and not item.problems]
    turns = anyio.Semaphore(wanted.at_once)
    try:
        with reporting(quiet=quiet) as reporter:
            board = Board(reporter, wanted.row.tool, len(todo))
            async with anyio.create_task_group() as watching:
                watching.start_soon(engine.follow_files)
                if any(item.standing == BEGUN for item in todo):
                    await engine.resume()
                async with anyio.create_task_group() as group:
                    for item in todo:
                        await turns.acquire()
                        if board.stopped:
                            break
                        group.start_soon(_one, engine, item, wanted, board, turns)
                watching.cancel_scope.cancel()
    except anyio.get_cancelled_exc_class():
        ended = sum(item.is_made for item in todo)
        going = sum(item.job is not None and not item.job.done for item in todo)
        put_error(
            f"imagewright: stopped: {ended} made, {going} begun, {len(todo) - ended - going} not begun. "
            "The same command again carries on; nothing is paid twice\n"
        )
        raise


async def _one(engine: Engine, item: Item, wanted: Wanted, board: Board, turns: anyio.Semaphore) -> None:
    """Make the call for one picture, or carry on the one that was begun, and wait for its end."""
    trouble = ""
    try:
        board.began()
        item.job = await _job_of(engine, item, wanted)
        async for job in engine.watch(item.job):
            item.job = job
            if job.trouble and job.trouble != trouble:
                board.say(f"imagewright: {item.source.shown}: {for_person(job.trouble)}")
            trouble = job.trouble
            if job.record.state == STALLED:
                break
        if item.job.done:
            await engine.answered(item.job)
        board.stopped = board.stopped or getattr(item.job.error, "category", "") in FATAL
    except Refusal as refusal:
        item.problems = wanted.sentences(refusal)
        # about the call as a whole: a budget that others have used up meanwhile, which the rest would meet too
        board.stopped = board.stopped or any(not one.argument for one in refusal.problems)
    except ImagewrightError as error:
        item.problems = [str(error)]
    finally:
        turns.release()
    paths = f" {item.paths[0]}" if item.paths else ""
    board.ended(f"{item.source.shown}: {item.state}{paths}", good=item.is_made, usd=item.paid or 0.0)


async def _job_of(engine: Engine, item: Item, wanted: Wanted) -> Job:
    """The job of an item: the one it has, also if another process has just begun it, else a new one.

    Raises:
        Refusal: it cannot be begun, or was cancelled and nothing is left to fetch.
    """
    job = await engine.keyed(LOCAL, item.key)
    if job is None:
        try:
            job = await engine.start(LOCAL, wanted.row.tool, wanted.arguments(item), key=item.key, confirmed=True)
        except Refusal:
            if (job := await engine.keyed(LOCAL, item.key)) is None:
                raise
    return await engine.revive(LOCAL, job.id) if job.record.state == "cancelled" else job


def _print_items(items: Sequence[Item], wanted: Wanted, form: str) -> None:
    """What came of each picture, or would."""
    if form == "json":
        print_json([_data(item, wanted) for item in items])
        return
    if form == "quiet":
        put("".join(f"{plain(str(path))}\n" for item in items for path in item.paths))
        return
    screen = console()
    near = Path.cwd() if screen.is_terminal else None
    rows = []
    for item in items:
        style = "green" if item.is_made else STYLES.get(item.state, "red" if item.problems else "")
        planned = [wanted.into / item.name] if item.estimate and item.job is None else []
        paths = [
            str(path.relative_to(near) if near and path.is_relative_to(near) else path)
            for path in item.paths or planned
        ]
        known = item.estimate.usd if item.estimate and item.job is None else item.paid
        cost = money(known) if item.estimate or item.job else ""
        rows.append((item.source.shown, "\n".join(paths), Text(item.state, style=style), cost))
    screen.print(table(("picture", "result", "status", "cost"), rows, kept=("status", "cost")))


def _data(item: Item, wanted: Wanted) -> dict[str, Any]:
    """An item as plain data."""
    known: dict[str, Any] = {"input": item.source.shown, "result": str(wanted.into / item.name), "status": item.state}
    if item.estimate is not None:
        known["estimate"] = {"usd": item.estimate.usd, "provider": item.estimate.provider}
    return known | {"problems": item.problems} | ({"job": job_data(item.job)} if item.job else {})


def _print_end(items: Sequence[Item], seconds: float, *, quiet: bool) -> None:
    """Why some have no picture, and the sums."""
    for item in items:
        for line in _reasons(item):
            put_error(f"imagewright: {plain(item.source.shown)}: {plain(for_person(line))}\n")
    paid = sum(item.paid or 0.0 for item in items if item.standing in {TO_MAKE, BEGUN})
    states = ", ".join(f"{count} {state}" for state, count in Counter(item.state for item in items).items())
    took = duration(max(1, round(seconds)))
    if not quiet:
        put_error(f"{counted(len(items), 'picture')}: {states}; {money(round(paid, 6))} in {took}\n")


def _reasons(item: Item) -> Iterator[str]:
    """Why an item has no picture, and what to do."""
    yield from item.problems
    if item.job is None or item.is_made:
        return
    if item.standing == PAID_BEFORE:
        yield f"{item.job.id} was made, or may be charged, and its file is not there; --again makes and pays it anew"
    elif item.job.error is not None:
        yield str(item.job.error)
    elif not item.job.done:
        yield f"{item.job.id} has not ended; the same command again waits for it"


def _code(items: Sequence[Item]) -> int:
    """The exit code: 0 if all are there, 5 if some are, else what the jobs say."""
    lacking = [item for item in items if not item.is_made and item.standing != SAME]
    if lacking and len(lacking) == sum(item.standing != SAME for item in items):
        return exit_code(item.job for item in lacking if item.job is not None) or FAILED
    return SOME if lacking else DONE
