"""The files of a running job: its prepared input pictures, and what its vendor answered with at once.

All lie below one key per job. The inputs go when the job has ended, the results once all of them are in the library;
what killed processes left is swept up.
"""

from __future__ import annotations

import json
import logging
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from imagewright.errors import StorageError
from imagewright.providers.base import Order, Output, Prepared
from imagewright.storage.records import INCOMING, spooled_key
from imagewright.storage.states import CallState

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from imagewright.providers.base import Route
    from imagewright.storage.base import BlobStore
    from imagewright.storage.records import CallRecord, JobRecord

log = logging.getLogger(__name__)

_INPUT = "input-"  # what a name begins with; everything else may be a picture that was paid for
_RESULT, _ANSWER = "result-", "answer-"
YOUNG = 3600.0
"""Seconds for which nothing is swept: the inputs of a job are there before the journal knows it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a vendor answered, as it is kept before the journal knows it."""

    outputs: tuple[Mapping[str, Any], ...]
    """As `Spool.keep_output` wrote them down."""
    cost_usd: float | None = None
    """What the vendor says it charged; None when that is not known."""
    notes: tuple[str, ...] = ()
    """What the caller should know."""


def job_key(job_id: str, name: str) -> str:
    """The key of a file of a job."""
    return f"{INCOMING}/{job_id}/{name}"


class Spool:
    """The files of all jobs.

    Args:
        blobs: where they are kept.
    """

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs

    async def keep_inputs(self, job_id: str, order: Order) -> dict[str, Any]:
        """Write the prepared pictures down, so that another process could send the call.

        Returns:
            What `read_order` needs, as JSON can hold it.

        Raises:
            StorageError: they cannot be written.
        """
        data = []
        for place, picture in enumerate(order.pictures):
            key = job_key(job_id, f"{_INPUT}{place}")
            await self._blobs.put(key, picture.data, lasting=False)
            data.append({"file": key, "format": picture.format, "width": picture.width, "height": picture.height})
        return {"images": data[: len(order.images)], "mask": data[-1] if order.mask else None}

    async def read_order(self, route: Route, call: CallRecord, inputs: Mapping[str, Any]) -> Order:
        """The order of a call that was written down but not sent.

        Raises:
            StorageError: an input picture is gone.
        """
        return Order(
            route=route,
            arguments=dict(call.arguments),
            count=call.count,
            images=tuple([await self._input(one) for one in inputs["images"]]),
            mask=await self._input(inputs["mask"]) if inputs["mask"] else None,
            first_variant=call.first_variant,
        )

    async def keep_output(self, job_id: str, variant: int, output: Output) -> dict[str, Any]:
        """A result as the journal holds it: its address, or the key of the file its bytes were written to.

        Raises:
            StorageError: the bytes cannot be written.
        """
        if output.data is None:
            return {"url": output.url, "file": "", "seed": output.seed}
        key = job_key(job_id, f"{_RESULT}{variant}")
        await self._blobs.put(key, output.data)
        return {"url": "", "file": key, "seed": output.seed}

    async def keep_answer(self, job_id: str, number: int, answer: Answer) -> None:
        """Write down what came at once, beside its files: nobody can be asked for it again.

        Raises:
            StorageError: it cannot be written.
        """
        data = json.dumps(asdict(answer), default=str).encode()
        await self._blobs.put(job_key(job_id, f"{_ANSWER}{number}.json"), data, lasting=False)

    async def read_answer(self, job_id: str, number: int, variants: Sequence[int]) -> Answer | None:
        """The answer to a call that was being sent when its process died; None when none can be read.

        Where only pictures are there they are the answer: each stands under its name whole, or not at all.

        Args:
            job_id: the job.
            number: the call's place in it.
            variants: the numbers its pictures can have, in their order.
        """
        with suppress(StorageError, ValueError, TypeError, KeyError):
            found = json.loads(await self._blobs.read(job_key(job_id, f"{_ANSWER}{number}.json")))
            # older releases called them products, and wrote absolute paths
            outputs = found["outputs"] if "outputs" in found else found["products"]
            keyed = ({**one, "file": spooled_key(one["file"])} for one in outputs)
            return Answer(tuple(keyed), found["cost_usd"], tuple(found["notes"]))
        there: set[str] = set()
        with suppress(StorageError):
            there.update(await self._blobs.keys(job_key(job_id, _RESULT)))
        keys = [key for variant in variants if (key := job_key(job_id, f"{_RESULT}{variant}")) in there]
        return Answer(tuple({"url": "", "file": key, "seed": None} for key in keys)) if keys else None

    async def read_output(self, data: Mapping[str, Any]) -> Output:
        """The result that `keep_output` wrote down.

        Raises:
            StorageError: its file is gone.
        """
        content = await self._blobs.read(data["file"]) if data["file"] else None
        return Output(url=data["url"], data=content, seed=data["seed"])

    async def clear(self, job_id: str, *, whole: bool) -> None:
        """Remove what the job needs no more: its inputs, and the rest where it is whole. What cannot go is left.

        Args:
            job_id: the job.
            whole: whether everything that was made for it is in the library, so that nothing here is needed.
        """
        with suppress(StorageError):
            await self._blobs.delete(job_key(job_id, "" if whole else _INPUT))

    async def sweep(self, record_of: Callable[[str], Awaitable[JobRecord | None]]) -> None:
        """Remove what killed processes left and nobody can need: never raises.

        Nothing of a job that runs is touched. Inputs of others go; their pictures only where all are in the library,
        so that one that was paid for and could not be saved stays, also where the journal knows nothing of its job.

        Args:
            record_of: the store's record of a job.
        """
        with suppress(StorageError):  # there is nothing to tidy up, or opening a job will say what is wrong
            for folder in await self._blobs.folders(INCOMING):
                if folder.idle < YOUNG:
                    continue
                job_id = folder.key.removeprefix(f"{INCOMING}/")
                try:
                    record = await record_of(job_id)
                    if record is None or record.done:
                        await self.clear(job_id, whole=record is not None and _is_in_library(record))
                except Exception as error:  # noqa: BLE001 - tidying up must not end a server, whatever is in its way
                    log.warning("%s could not be tidied up: %s", folder.key, error)

    async def _input(self, data: Mapping[str, Any]) -> Prepared:
        return Prepared(await self._blobs.read(data["file"]), data["format"], data["width"], data["height"])


def _is_in_library(record: JobRecord) -> bool:
    return all(call.state is CallState.KEPT and call.error is None for call in record.calls)
