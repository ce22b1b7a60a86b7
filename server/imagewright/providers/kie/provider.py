"""Kie.ai: one key for all seven models. Upload the pictures, create a task, ask until it is done, fetch.

Interfaces as documented from August to October 2026; the addresses can be set, `IMAGEWRIGHT_KIE_BASE_URL` and
`IMAGEWRIGHT_KIE_UPLOAD_BASE_URL`. Kie has no way to stop a task.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import replace
from typing import TYPE_CHECKING

from imagewright.providers.base import Finished, PollPolicy
from imagewright.providers.common.overrides import chosen
from imagewright.providers.common.provider import (
    HttpProvider,
    handle_of,
    links_of,
    mime_of,
    noted,
    route_as,
    with_links,
    with_notes,
)
from imagewright.providers.http.request import FilePart, Purpose, Request
from imagewright.providers.kie import replies
from imagewright.providers.kie.route import NAME, Family, KieRoute
from imagewright.providers.kie.routes import ROUTES
from imagewright.storage.accounts import Pace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from imagewright.errors import ProviderError, TaskEnded
    from imagewright.providers.base import Handle, Order, Prepared, Provider, ProviderConfig, Running
    from imagewright.providers.common.keys import KeyAccepted
    from imagewright.providers.http.request import Reply
    from imagewright.providers.sending import Sending

UPLOAD_BASE = "https://kieai.redpandaai.co"
UPLOAD_PATH = "/api/file-stream-upload"
UPLOAD_FOLDER = "imagewright"
CREATE_PATHS: Mapping[Family, str] = {
    Family.MARKET: "/api/v1/jobs/createTask",
    Family.FLUX_KONTEXT: "/api/v1/flux/kontext/generate",
}
POLLS: Mapping[str, tuple[str, Callable[[Reply], Running | Finished | TaskEnded | ProviderError | None]]] = {
    Family.MARKET: ("/api/v1/jobs/recordInfo", replies.read_market),
    Family.FLUX_KONTEXT: ("/api/v1/flux/kontext/record-info", replies.read_flux_kontext),
    # tasks of an older release that are still running
    "gpt4o": ("/api/v1/gpt4o-image/record-info", replies.read_gpt4o),
}
"""Where to ask and how to read the answer, by the family that the handle names."""
CREDIT_PATH = "/api/v1/chat/credit"
"""What is left in the account, free of charge."""
INLINE_BYTES = 0
"""Kie takes every picture by its address, however small."""
LARGEST_SEED = 2**31 - 1


class Kie(HttpProvider):
    """The provider. See `base.Provider` for what its methods promise."""

    name = NAME
    address = "https://api.kie.ai"
    poll_policy = PollPolicy(keeps=14 * 86_400.0)
    """Kie advises to start at 2 to 3 s and to slow down; past the 10 to 15 min it allows, it is asked seldom. Its
    documentation says that media are kept for 14 days."""
    pace = Pace(calls=20, seconds=10.0)
    """New tasks of an account; what is beyond is refused, not queued: "Rate Limits & Concurrency" on the page "Getting
    Started with KIE API". That page adds that this "typically allows 100+" tasks at work, and names no limit of them.
    """

    def __init__(self, config: ProviderConfig) -> None:
        super().__init__(config, chosen(ROUTES, config.overrides), upload=UPLOAD_BASE)

    async def check_key(self) -> KeyAccepted:
        """Ask what is left in the account; see `keys.ChecksKey`."""
        return await self._look_up(self._base + CREDIT_PATH, replies.read_credit)

    async def upload_inputs(self, order: Order) -> Order:
        """Upload the pictures of an order."""
        route_as(order, KieRoute)  # a picture of another vendor's order would go to Kie for nothing
        return await with_links(order, INLINE_BYTES, self._upload)

    async def submit(self, order: Order, sending: Sending | None = None) -> Handle:
        """Create the task once."""
        route = route_as(order, KieRoute)
        urls, _ = links_of(order, sending)
        drawn: dict[str, str] = {}
        if route.draws_seed and "seed" not in order.arguments:
            seed = _drawn(sending)
            order = replace(order, arguments={**order.arguments, "seed": seed})
            drawn = {"seed": str(seed)}
        request: Request[str] = Request(
            purpose=Purpose.SUBMIT,
            url=self._base + CREATE_PATHS[route.family],
            json=route.body(order, urls),
            read=replies.read_created,
        )
        task = await self._send(request, sending)
        return handle_of(NAME, with_notes({"family": str(route.family), "task": task, **drawn}, route.notes_for(order)))

    async def poll(self, handle: Handle) -> Running | Finished:
        """Ask once. A task that Kie does not know yet is `VendorUnavailable`: ask again."""
        path, read = POLLS[handle.data["family"]]
        answer: Running | Finished = await self._ask(self._base + path, read, query={"taskId": handle.data["task"]})
        if isinstance(answer, Finished) and "seed" in handle.data:
            seed = int(handle.data["seed"])
            answer = replace(answer, outputs=tuple(replace(one, seed=seed) for one in answer.outputs))
        return noted(handle, answer)

    async def _upload(self, picture: Prepared) -> str:
        """Kie's address of a picture."""
        # a name that was used before would serve the older file from Kie's cache
        name = f"{secrets.token_hex(12)}.{picture.format}"
        request: Request[str] = Request(
            purpose=Purpose.UPLOAD,
            url=self._others["upload"] + UPLOAD_PATH,
            fields={"uploadPath": UPLOAD_FOLDER, "fileName": name},
            files=(FilePart("file", name, mime_of(picture), picture.data),),
            read=replies.read_uploaded,
        )
        return self._as_sent(await self._send(request))


def _drawn(sending: Sending | None) -> int:
    """A seed. A process that carries the call on comes to the one that was sent, as Kie does not report it."""
    if sending is None or sending.folder is None:
        return secrets.randbelow(LARGEST_SEED + 1)
    # the folder has the name of the job, which nobody can guess
    digest = hashlib.sha256(f"{sending.folder.name} {sending.number}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % (LARGEST_SEED + 1)


PROVIDER: type[Provider] = Kie
