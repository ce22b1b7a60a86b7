"""`imagewright run TOOL --images ... --into FOLDER`: one call for each of many pictures, each made once.

Nothing is written down besides the engine's journal. Each call has an idempotency key that is made of the tool, its
arguments, the picture's bytes and the folder. So the same command again finds what it has begun: a picture that is
there is left, a job that was left behind is carried on, and only the rest is paid.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
from rich.text import Text

from imagewright.cli import put, put_error
from imagewright.cli.calls import BEGUN, MADE_BEFORE, PAID_BEFORE, SAME, SAVE_AS, TO_MAKE, Item, is_there
from imagewright.cli.inputs import find_inputs, following_key, key_of, result_names, with_digests
from imagewright.cli.options import for_person
from imagewright.cli.output import STYLES, console, money, print_json, table
from imagewright.cli.progress import DONE, FAILED, SOME, STALLED, Board, exit_code, reporting
from imagewright.cli.session import agrees, with_engine
from imagewright.engine.budget import check_together, question, total
from imagewright.engine.engine import job_data
from imagewright.errors import BadKey, ImagewrightError, OutOfCredit, Problem, Refusal, StorageError
from imagewright.storage.accounts import LOCAL
from imagewright.text import counted, duration, listed, plain

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence

    from imagewright.cli.calls import Wanted
    from imagewright.cli.progress import Tell
    from imagewright.engine.budget import Estimate
    from imagewright.engine.engine import Engine
    from imagewright.engine.job import Job
    from imagewright.settings.load import BudgetTable

LOOKED_AT_ONCE = 4
"""Pictures that are opened at the same time before anything is begun: each is in memory."""
FATAL = frozenset({BadKey.category, OutOfCredit.category})
"""Errors that every further call would have too."""
NAMED = 5
"""Pictures that are named where several have the same problem."""


def run_batch(wanted: Wanted, words: Sequence[str], *, dry: bool, yes: bool, as_json: bool, quiet: bool) -> int:
    """Make one call for each picture that the words name; the exit code is that of `cli.progress`.

    Args:
        wanted: the calls.
        words: files, folders, patterns, ids and URLs.
        dry: whether only to say what would be done.
        yes: whether the user has agreed to the price.
        as_json: whether to print what came of it as JSON.
        quiet: whether to print nothing else but paths and errors.

    Raises:
        Refusal: something is wrong with a call, or a budget has no room for all of them; nothing was begun.
    """
    _check_folder(wanted.into)
    inputs, notes = find_inputs(words, wanted.into)
    items = [Item(one, name) for one, name in zip(inputs, result_names(inputs), strict=True)]
    budget, spent = _look(items, wanted, quiet=quiet)
    _refuse_problems(items, wanted)
    estimates = [item.estimate for item in items if item.estimate is not None]
    check_together(estimates, budget, spent)
    if not quiet:
        put_error("".join(f"{line}\n" for line in (*notes, _plan(items, estimates))))
    if dry:
        _print_items(items, wanted, as_json=as_json, quiet=quiet)
        return DONE
    needed = question(estimates, budget)
    if needed is not None and not yes and not agrees(needed):
        return FAILED
    began = time.monotonic()
    _make(items, wanted, quiet=quiet)
    _print_items(items, wanted, as_json=as_json, quiet=quiet)
    _print_end(items, time.monotonic() - began, quiet=quiet)
    return _code(items)


def _check_folder(folder: Path) -> None:
    """Check that results can be saved into a folder, which is made where it is missing.

    Raises:
        Refusal: they cannot.
    """
    near = next(one for one in (folder, *folder.parents) if os.access(one, os.F_OK))
    if not near.is_dir():
        raise Refusal(Problem("--into", f"{near} is a file, not a folder"))
    if not os.access(near, os.W_OK | os.X_OK):
        raise Refusal(Problem("--into", f"the folder {near} cannot be written to"))


@with_engine
async def _look(
    engine: Engine, items: Sequence[Item], wanted: Wanted, *, quiet: bool
) -> tuple[BudgetTable, dict[str, float]]:
    """Find what was begun before and what the rest would cost; the limits, and what is spent of them."""
    turns, seen = anyio.CapacityLimiter(LOOKED_AT_ONCE), 0
    given = await anyio.to_thread.run_sync(with_digests, wanted.given)

    async def find_key(item: Item) -> None:
        item.key = await anyio.to_thread.run_sync(key_of, wanted.row.tool, given, item.source, wanted.into)

    async def find_out(item: Item) -> None:
        await _find_out(engine, item, wanted)

    async def one(item: Item, work: Callable[[Item], Awaitable[None]], tell: Tell) -> None:
        nonlocal seen
        async with turns:
            item.problems += await _problems(work(item), item, wanted)
        seen += 1
        tell(seen / len(items) / 2, f"{(seen + 1) // 2} of {len(items)} looked at")

    with reporting(quiet=quiet) as reporter:
        tell = reporter.begin(wanted.row.tool, lines=False)
        async with anyio.create_task_group() as group:
            for item in items:
                group.start_soon(one, item, find_key, tell)
        firsts = {item.key: item for item in reversed(items)}
        same = [(item, firsts[item.key]) for item in items if item is not firsts[item.key]]
        async with anyio.create_task_group() as group:
            for item in firsts.values():
                if not item.problems:
                    group.start_soon(one, item, find_out, tell)
    for item, first in same:
        if not item.problems:
            item.problems, item.standing = first.problems, TO_MAKE if first.problems else SAME
    return engine.settings.budget, await engine.spent(LOCAL)


async def _problems(work: Awaitable[None], item: Item, wanted: Wanted) -> list[str]:
    """What keeps the work on an item from being done, in sentences; empty where it was done."""
    try:
        await work
    except Refusal as refusal:
        return wanted.sentences(refusal, item)
    except ImagewrightError as error:
        return [str(error)]
    except OSError as error:
        return [f"cannot be read: {error.strerror}"]
    return []


async def _find_out(engine: Engine, item: Item, wanted: Wanted) -> None:
    """How an item stands in the journal; of one that is to make, what it would cost.

    Raises:
        Refusal: its call is wrong.
    """
    while (job := await engine.keyed(LOCAL, item.key)) is not None:
        item.job = job
        item.standing = MADE_BEFORE if is_there(job) else BEGUN
        is_draft = is_there(job) and job.record.cost_usd == 0 and not engine.offer.providers[job.record.provider].on
        if not job.done or (is_there(job) and not is_draft) or (job.record.state == "cancelled" and not wanted.again):
            return
        item.standing = PAID_BEFORE
        following = following_key(item.key, job.id)
        if not (wanted.again or is_draft) and await engine.keyed(LOCAL, following) is None:
            return
        item.key, item.job = following, None
    item.standing = TO_MAKE
    item.estimate = await engine.estimate(LOCAL, wanted.row.tool, wanted.arguments(item))


def _refuse_problems(items: Sequence[Item], wanted: Wanted) -> None:
    """Leave out what cannot be used, if that was asked for.

    Raises:
        Refusal: something cannot be used.
    """
    good = sum(not item.problems for item in items)
    if good == len(items) or (wanted.skip and good):
        return
    found = [(item, "; ".join(item.problems)) for item in items if item.problems]
    problems = [Problem("", text) for text in _each_once(found, len(items))]
    raise Refusal(*problems, note=f"nothing was begun{f'; --skip makes the other {good}' if good else ''}")


def _each_once(found: Iterable[tuple[Item, str]], count: int = 0) -> Iterator[str]:
    """Each text once, behind the pictures that it is about; without them where it is about all of that `count`."""
    by_text: dict[str, list[str]] = {}
    for item, text in found:
        by_text.setdefault(text, []).append(plain(item.source.shown))
    for text, names in by_text.items():
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        yield text if len(names) == count > 1 else f"{', '.join(names[:NAMED])}{more}: {text}"


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
        item.problems = wanted.sentences(refusal, item)
        # about the folder, or the call as a whole: a budget that others have used up meanwhile. The rest would meet it
        board.stopped = board.stopped or any(one.argument in {"", SAVE_AS} for one in refusal.problems)
    except ImagewrightError as error:
        item.problems = [str(error)]
        board.stopped = board.stopped or isinstance(error, StorageError)  # a full disk is full for all
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


def _print_items(items: Sequence[Item], wanted: Wanted, *, as_json: bool, quiet: bool) -> None:
    """What came of each picture, or would."""
    if as_json:
        print_json([_data(item, wanted) for item in items])
        return
    if quiet:
        put("".join(f"{plain(str(path))}\n" for item in items for path in item.paths))
        return
    screen = console()
    near = Path.cwd() if screen.is_terminal else None
    rows = []
    for item in items:
        style = "green" if item.is_made else STYLES.get(item.state, "red" if item.problems else "")
        is_planned = item.estimate is not None and item.job is None and not item.problems
        planned = [wanted.into / item.name] if is_planned else []
        paths = [
            str(path.relative_to(near) if near and path.is_relative_to(near) else path)
            for path in item.paths or planned
        ]
        known = item.estimate.usd if item.estimate and is_planned else item.paid
        cost = money(known) if is_planned or item.job else ""
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
    for text in _each_once((item, reason) for item in items for reason in _reasons(item)):
        put_error(f"imagewright: {plain(for_person(text))}\n")
    made_now = [item.job for item in items if item.job is not None and item.standing in {TO_MAKE, BEGUN}]
    for note in dict.fromkeys(note for job in made_now for note in job.record.notes):
        put_error("" if quiet else f"note: {plain(for_person(note))}\n")
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
        was = "was made, and the file is not there"
        if not item.job.pictures:
            was = "may have been made and charged; look in the vendor's own history first"
        yield f"{was}; --again makes and pays it anew"
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
