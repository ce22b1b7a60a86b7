"""The provider that is always there: no key, no network, no model, and the same pixels for the same seed.

Enlarging, background removal and reframing are real image work. Generating and editing make placeholders of exactly the
asked size, count and format, which show what was asked for and are marked as offline drafts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from imagewright.errors import (
    GenerationFailed,
    NotSent,
    PictureError,
    ProviderError,
    RequestRejected,
    ResultLost,
    TaskEnded,
)
from imagewright.providers.base import Finished, PollPolicy, Route
from imagewright.providers.common.overrides import chosen
from imagewright.providers.offline.routes import NAME, offline_routes
from imagewright.storage.accounts import Pace
from imagewright.storage.paths.files import write_file

if TYPE_CHECKING:
    from pathlib import Path

    from imagewright.providers.base import Handle, Order, Output, Provider, ProviderConfig, Running
    from imagewright.providers.sending import Sending


class Offline:
    """See `base.Provider` for what its methods promise. Every call is finished when `submit` returns."""

    name = NAME
    poll_policy = PollPolicy(first=0.1, factor=1.0, longest=0.1)
    pace = Pace()
    account = NAME

    def __init__(self, config: ProviderConfig) -> None:
        routes = offline_routes(config.cutout_model)
        self.routes: tuple[Route, ...] = chosen(routes, config.overrides, any_id=True)

    async def submit(self, order: Order, sending: Sending | None = None) -> Finished:
        """Make the pictures, each in its own thread, as many at a time as there is memory for.

        The order's pictures are decoded by workers before. The threads compute with pixels and decode nothing.

        Raises:
            NotSent: another process began with it.
            RequestRejected: a picture cannot be read, or the file of the trained model cannot be used.
        """
        from imagewright.imaging.limiter import DECODING, RESIZE_BYTES, decode  # noqa: PLC0415 - not before it is needed
        from imagewright.imaging.workers import open_picture, read_mask  # noqa: PLC0415 - as above
        from imagewright.providers.offline.work import Given, made, memory_of  # noqa: PLC0415 - as above; loads Pillow

        if sending is not None:
            if sending.again:  # it costs nothing and comes out the same
                raise NotSent(NAME, "the work was broken off")
            await sending.begin()
        try:
            images = [await decode(open_picture, one.data, per_pixel=RESIZE_BYTES) for one in order.images]
            mask = await decode(read_mask, order.mask.data, per_pixel=RESIZE_BYTES) if order.mask else None
        except PictureError as error:
            raise RequestRejected(NAME, str(error)) from error
        given, cost = Given(tuple(images), mask), memory_of(order)
        done: dict[int, tuple[Output, tuple[str, ...]]] = {}
        failures: list[ProviderError] = []

        async def make(number: int) -> None:
            try:
                done[number] = await DECODING.run(made, order, given, number, cost=cost, abandon_on_cancel=True)
            except PictureError as error:
                failures.append(RequestRejected(NAME, str(error)))
            except ProviderError as error:
                failures.append(error)

        async with anyio.create_task_group() as group:
            for number in range(order.count):
                group.start_soon(make, number)
        if failures:
            raise failures[0]
        outputs = tuple(done[number][0] for number in range(order.count))
        notes = dict.fromkeys(note for number in range(order.count) for note in done[number][1])
        return Finished(outputs, cost_usd=0.0, notes=tuple(notes))

    async def poll(self, handle: Handle) -> Running | Finished:
        """Fail: no order is ever left running.

        Raises:
            TaskEnded: always.
        """
        why = f"{handle.data} names no task: offline work ends with its call"
        raise TaskEnded(GenerationFailed(NAME, why, charged=False))

    async def cancel(self, handle: Handle) -> bool:  # noqa: ARG002 - the signature is the contract's
        """Return False: there is nothing to stop. Cancelling the call of `submit` stops its work."""
        return False

    async def fetch(self, output: Output, into: Path, *, begun: bool = True) -> None:  # noqa: ARG002 - the contract's
        """Write the picture to the file.

        Raises:
            ResultLost: the output is not one of this provider's.
        """
        if output.data is None:
            raise ResultLost(NAME, "the picture's bytes are missing", charged=False)
        await anyio.to_thread.run_sync(write_file, into, output.data)


PROVIDER: type[Provider] = Offline
