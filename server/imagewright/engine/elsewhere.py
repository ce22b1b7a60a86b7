"""Jobs of other processes: how they stand, seen from here, and the files by which this process carries them on."""

from __future__ import annotations

import json
import logging
import time
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import anyio

from imagewright.catalog.load import row_in
from imagewright.catalog.row import AUTO, OperationName
from imagewright.engine.inputs import INPUTS
from imagewright.engine.job import SHARE_MADE, Job, error_of
from imagewright.engine.outcome import most_taken
from imagewright.engine.pictures import PICTURE, RESULT, SpoolWriter, fetch_key, job_key
from imagewright.errors import PictureError, StorageError, error_data
from imagewright.imaging.limiter import PROBE_BYTES, decode
from imagewright.imaging.workers import probe
from imagewright.providers.base import SERVED_BY_ENGINE, Order, Output, Prepared
from imagewright.providers.sending import PART, part_of
from imagewright.storage.base import NO_SENSE, BlobGoneError, UnreadableJobError
from imagewright.storage.records import INCOMING, spooled_key
from imagewright.storage.states import CallState

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping
    from pathlib import Path

    from imagewright.engine.plan import Plan
    from imagewright.providers.base import Route
    from imagewright.storage.accounts import Principal
    from imagewright.storage.blob_store import BlobStore
    from imagewright.storage.records import CallRecord, JobRecord
    from imagewright.storage.stores import Stores

    ProvidersInUse = Callable[[], Collection[str]]
    """Returns the names of the providers in use now."""

log = logging.getLogger(__name__)

LOOK_EVERY = 0.5
"""Seconds between two looks at a job that another process works on."""
AT_WORK = "at work in another process"
LEFT = "left behind, to be carried on"
CARRIED_ON = "The server that began this job has stopped; it was carried on by another."
REVIVED = "The job was {state} until somebody asked for its pictures; then it went on."
NO_PROCESS = (
    "No process works on this job: {name} is not among the providers in use, it has no key or was switched off. Set it "
    "up again, `imagewright doctor` says how: then the job is carried on and the picture arrives by itself. Do not "
    "call again: it may be paid for already. It can also be cancelled."
)
STALLED = (
    "No process works on this job now, because going on did not help; its notes say what was in the way. Its picture "
    "may be paid for and can still be had, so do not call again. The job goes on when somebody waits for it with "
    "image_job, with `imagewright jobs resume {id}`, and once at each start of a server."
)
_ANSWER = "answer-"
YOUNG = 3600.0
"""Seconds for which nothing is swept: the inputs of a job are there before the journal knows it."""


async def job_from_record(record: JobRecord, who: Principal, stores: Stores, in_use: ProvidersInUse) -> Job:
    """The job of a record that another process works on. If none does and its provider is not in use, the job says so.

    Raises:
        UnreadableJobError: the record makes no sense.
        StorageError: the library cannot be read.
    """
    try:
        took = max(0.0, (time.time() if record.finished is None else record.finished) - record.created)
        began = time.monotonic() - took
        job = Job(record, who, is_local=False, began=began, ended_at=began + took if record.done else None)
        await _take_in(job, record, stores, in_use)
    except NO_SENSE as error:
        raise UnreadableJobError(record.id, error) from error
    return job


async def taken_over(
    record: JobRecord,
    who: Principal,
    known: Mapping[str, Job],
    stores: Stores,
    in_use: ProvidersInUse,
    *,
    note: str,
) -> Job:
    """The job of a record that this process has reclaimed, ready to be carried on, with a note that says so.

    `known` are the jobs by their ids.

    Raises:
        UnreadableJobError: the record makes no sense.
        StorageError: the library cannot be read.
    """
    found = await job_from_record(record, who, stores, in_use)
    _ = found.spec  # what it must have to be carried on
    # tasks that wait for the job here wait for this object
    job = known.get(record.id, found)
    if job.done:  # it was cancelled here, and the user wants it after all
        job = found
    job.record, job.pictures = record, found.pictures
    job.is_local, job.scope = True, anyio.CancelScope()
    job.troubles.clear()
    if record.cancel_requested:
        job.scope.cancel()
    job.note(note)
    job.stage = "carried on"
    return job


async def observe(job: Job, stores: Stores, in_use: ProvidersInUse) -> None:
    """Keep a job of another process up to date, until it has ended or this process takes it over."""
    logged = ""
    while not job.done and not job.is_local:
        await anyio.sleep(LOOK_EVERY)
        try:
            record = await stores.jobs.get(job.who, job.id)
            if record is not None:
                await _take_in(job, record, stores, in_use)
                continue
        except Exception as error:  # noqa: BLE001 - a row that makes no sense costs only its own job
            if str(error) != logged:
                logged = str(error)
                log.warning("job %s cannot be looked up: %s", job.id, error)
            continue
        if not job.is_local:
            gone = StorageError(f"The journal knows no {job.id} any more: it was replaced by a new one.")
            job.finish(replace(job.record, state="failed", error=error_data(gone)))


async def _take_in(job: Job, record: JobRecord, stores: Stores, in_use: ProvidersInUse) -> None:
    """Update a job of another process from the store."""
    # a reply about the job shows these: a record in which they make no sense fails here
    _ = OperationName(record.operation), tuple(record.plan["choice"]), error_of(record)
    pictures = await stores.library.of_job(job.who, record.id)
    if job.is_local:  # this process took it over meanwhile
        return
    job.pictures = pictures
    if record.done:
        job.finish(record)
        return
    job.update(record)
    made = sum(call.state in (CallState.MADE, CallState.KEPT) for call in record.calls) / len(record.calls)
    unattended = record.state == "running" and not record.is_held and record.provider not in in_use()
    job.troubles.clear()
    job.held_up("provider", NO_PROCESS.format(name=record.provider) if unattended else "")
    stalled = record.state == "stalled"
    job.held_up("stalled", STALLED.format(id=record.id) if stalled else "")
    job.tell(share=made * SHARE_MADE, stage="stalled" if stalled else AT_WORK if record.is_held else LEFT)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a vendor answered, as it is kept until the journal has it."""

    outputs: tuple[Mapping[str, Any], ...]
    """As `Spool.keep_output` wrote them down."""
    cost_usd: float | None = None
    """What the vendor says it charged; None when that is not known."""
    notes: tuple[str, ...] = ()
    """What the caller should know."""


class Spool(SpoolWriter):
    """The files of all jobs: what a process that takes a job over reads back, and what nobody needs any more."""

    async def keep_pictures(self, job_id: str, plan: Plan, names: str = "") -> tuple[Plan, dict[str, Any]]:
        """Write the pictures of a plan down; the plan without them, and what `keep_inputs` says of them.

        Its alternatives are prepared from the caller's own pictures, so those are written down as well.

        Raises:
            StorageError: they cannot be written.
        """
        order = plan.orders[0]
        inputs = await self.keep_inputs(job_id, order, names)
        if not order.images:
            return plan, inputs
        given = plan.alternatives[0].sources if plan.alternatives else ()
        sources = [await self.keep_source(job_id, str(place), source) for place, source in enumerate(given)]
        return plan.in_spool(sources), inputs

    @asynccontextmanager
    async def with_pictures(
        self, order: Order, inputs: Mapping[str, Any], copies: int, waits: Callable[[], Awaitable[None]]
    ) -> AsyncIterator[list[Order]]:
        """The order with its pictures for as long as the block lasts, in a list that is empty after it.

        Args:
            order: with empty pictures.
            inputs: what `keep_inputs` said of them.
            copies: how often they are in memory within the block.
            waits: is awaited while there is no memory for them; what it raises ends the wait.

        Raises:
            StorageError: one is gone or cut off.
        """
        async with INPUTS.share(copies * await self._size_of(inputs), waits):
            whole = [await self._whole(order, inputs)]
            yield whole
            whole.clear()

    async def _whole(self, order: Order, inputs: Mapping[str, Any]) -> Order:
        images = [
            replace(one, data=await self.read_input(data))
            for one, data in zip(order.images, inputs["images"], strict=True)
        ]
        mask = None if order.mask is None else replace(order.mask, data=await self.read_input(inputs["mask"]))
        return replace(order, images=tuple(images), mask=mask)

    async def _size_of(self, inputs: Mapping[str, Any]) -> int:
        """Bytes of all pictures of an order."""
        sizes = [
            one["bytes"] if "bytes" in one else (await self._blobs.head(one["file"], 0))[1]  # of an older release
            for one in (*inputs["images"], inputs["mask"])
            if one
        ]
        return sum(sizes)

    async def read_input(self, kept: Mapping[str, Any]) -> bytes:
        """A picture that `keep_inputs` wrote down.

        Raises:
            StorageError: it is gone, or cut off: it was not forced to the disk, and the power may have failed.
        """
        data = await self._blobs.read(kept["file"])
        if len(data) != (wanted := kept.get("bytes", len(data))):  # an older release noted no size
            raise StorageError(f"{kept['file']} has {len(data)} bytes instead of {wanted}: it was damaged.")
        return data

    async def keep_answer(self, job_id: str, number: int, answer: Answer) -> None:
        """Write down an answer that came with the results, beside their files: the vendor cannot be asked for it again.

        Raises:
            StorageError: it cannot be written.
        """
        data = json.dumps(asdict(answer), default=str).encode()
        await self._blobs.put(job_key(job_id, f"{_ANSWER}{number}.json"), data, lasting=False)

    async def read_answer(self, job: JobRecord, call: CallRecord, *, files_alone: bool = False) -> Answer | None:
        """The answer to a call that was being sent when its process died; None when none can be read.

        With `files_alone`, picture files are taken for the answer where nothing else tells it: each is whole or not
        there at all, but its process may have died, or still be frozen, before it had written all of them.
        """
        with suppress(StorageError, ValueError, TypeError, KeyError):
            found = json.loads(await self._blobs.read(job_key(job.id, f"{_ANSWER}{call.number}.json")))
            # older releases called them products, and wrote absolute paths
            outputs = found["outputs"] if "outputs" in found else found["products"]
            keyed = ({**one, "file": spooled_key(one["file"])} for one in outputs)
            return Answer(tuple(keyed), found["cost_usd"], tuple(found["notes"]))
        if not files_alone:
            return None
        there: set[str] = set()
        with suppress(StorageError):
            there.update(await self._blobs.keys(job_key(job.id, RESULT)))
        variants = (job.variant_of(call, place) for place in range(most_taken(call.count)))
        keys = [key for variant in variants if (key := job_key(job.id, f"{RESULT}{variant}")) in there]
        return Answer(tuple({"url": "", "file": key, "seed": None} for key in keys)) if keys else None

    async def read_output(self, data: Mapping[str, Any]) -> Output:
        """The result that `keep_output` wrote down.

        Raises:
            StorageError: its file is gone.
        """
        content = await self._blobs.read(data["file"]) if data["file"] else None
        return Output(url=data["url"], data=content, seed=data["seed"])

    def read_order(self, job: JobRecord, call: CallRecord, routes: Iterable[Route], *, to_hear: bool = False) -> Order:
        """The order of a call that was written down but not sent; `routes` are those its provider has now.

        Its pictures are empty, see `read_pictures`. An older release did not know every argument that the route has
        now: what is missing gets its default. With `to_hear`, nothing is sent, and only its answer is read with it:
        then another route to the same operation will do.

        Raises:
            StorageError: the provider has no such route any more.
        """
        inputs = job.plan["inputs"]
        able = [route for route in routes if (route.tool, route.operation.value) == (job.tool, job.operation)]
        same = [route for route in able if route.model == job.plan["route"]]
        exact = [route for route in same if job.model in (route.model, *route.models.values())]
        for route in (exact or same or able) if to_hear else exact:
            return Order(
                route=route,
                arguments={**_defaults(route), **call.arguments},
                model=job.model,
                count=call.count,
                images=tuple(map(_empty, inputs["images"])),
                mask=_empty(inputs["mask"]) if inputs["mask"] else None,
                first_variant=call.first_variant,
            )
        raise StorageError(f"{job.provider} has no {job.model} any more; this was not sent")

    async def sweep(self, record_of: Callable[[str], Awaitable[JobRecord | None]]) -> None:
        """Remove files that killed processes left and that are not needed any more. Never raises.

        Files of running jobs are not touched. Of other jobs, inputs are removed, and results only if all of them are in
        the library. So a picture that was paid for and could not be saved stays, even if the journal does not know its
        job.
        """
        with suppress(StorageError):  # there is nothing to remove, or opening a job will show what is wrong
            for folder in await self._blobs.folders(INCOMING):
                if folder.idle < YOUNG:
                    continue
                job_id = folder.key.removeprefix(f"{INCOMING}/")
                try:
                    record = await record_of(job_id)
                    if record is None or record.done:
                        await self.clear(job_id, whole=record is not None and _is_in_library(record))
                except Exception as error:  # noqa: BLE001 - whatever goes wrong here must not end a server
                    log.warning("%s could not be tidied up: %s", folder.key, error)


def _empty(data: Mapping[str, Any]) -> Prepared:
    return Prepared(b"", data["format"], data["width"], data["height"])


def _defaults(route: Route) -> dict[str, Any]:
    """The defaults of what a route takes, but for `auto`: what that stands for depends on the pictures of a call."""
    arguments = row_in(route.tool, route.edition).operations[route.operation].arguments
    named = {name: arguments[name].default for name in route.takes if name in arguments}
    return {
        name: default for name, default in named.items() if name not in SERVED_BY_ENGINE and default not in (None, AUTO)
    }


def _is_in_library(record: JobRecord) -> bool:
    return all(call.state is CallState.KEPT and call.error is None for call in record.calls)


async def take_fetched(blobs: BlobStore, job_id: str, variant: int, file: Path) -> bool:
    """Take what another process, which may be frozen and not dead, has fetched of a picture; whether all of it is here.

    A whole picture is put into the file. Of another, what has come is put beside it, if nothing has come here: the
    provider goes on with that, see `Provider.fetch`.
    """
    keys = await blobs.keys(fetch_key(job_id, variant))
    others = [key for key in keys if blobs.path(key) != file]
    for key in others:
        if key.endswith(PICTURE):
            with suppress(BlobGoneError, PictureError):  # its job was done meanwhile, or its vendor sent no picture
                await blobs.fetch(key, file)
                await decode(probe, file, per_pixel=PROBE_BYTES)
                return True
    if all(blobs.path(key) != part_of(file) for key in keys):
        with suppress(BlobGoneError):
            sizes = {key: (await blobs.head(key, 0))[1] for key in others if key.endswith(f"{PICTURE}{PART}")}
            longest = max(sizes, key=sizes.__getitem__, default="/")
            # what says whose part it is comes first: it may be replaced meanwhile, with the part after it
            for key in sorted((key for key in others if key.startswith(longest)), reverse=True):
                await blobs.fetch(key, file.with_name(f"{file.name}{PART}{key.removeprefix(longest)}"))
    return False
