"""fal: all seven tools through one queue. Submit, poll until it is over, read the result, fetch.

Protocol of the vendor's Python client 1.0.3, and of the reference of its platform API for the list of requests by
endpoint; both read on 2026-11-22. The addresses can be set, `IMAGEWRIGHT_FAL_BASE_URL` for the queue,
`IMAGEWRIGHT_FAL_UPLOAD_BASE_URL` for uploading large pictures, `IMAGEWRIGHT_FAL_LIST_BASE_URL` for the list.
"""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING

from imagewright.errors import ProviderError
from imagewright.providers.base import PollPolicy
from imagewright.providers.common import provider as common
from imagewright.providers.common.overrides import chosen
from imagewright.providers.common.provider import (
    MODEL,
    SINCE,
    HttpProvider,
    extension_of,
    handle_of,
    links_of,
    mime_of,
    noted,
    notes_in,
    path_under,
    route_as,
    signature_of,
    with_links,
    with_notes,
)
from imagewright.providers.fal import replies
from imagewright.providers.fal.replies import Done, Submitted
from imagewright.providers.fal.route import NAME, FalRoute
from imagewright.providers.fal.routes import ALIKE, ROUTES
from imagewright.providers.http.request import Purpose, Request
from imagewright.storage.accounts import Pace

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from imagewright.providers.base import Finished, Handle, Order, Prepared, Provider, ProviderConfig, Running
    from imagewright.providers.common.keys import KeyAccepted
    from imagewright.providers.common.provider import Page
    from imagewright.providers.sending import Sending

UPLOAD_BASE = "https://rest.fal.ai"
UPLOAD_PATH = "/storage/upload/initiate"
STORAGE = "fal-cdn-v3"
UPLOADS_LIVE = 86_400
"""Seconds an uploaded picture is kept: a day, because a queue may be long; without this, it could stay for ever."""
LIST_BASE = "https://api.fal.ai"
LIST_PATH = "/v1/models/requests/by-endpoint"
PRICES_PATH = "/v1/models/pricing"
"""The price of an endpoint, at the same host: free of charge, and with a key alone."""
LIST_PAGE = 10
"""Calls on a page of the list, of 100 that are allowed: each may repeat the pictures that went inside it."""
LIST_PAGES = 20
"""Pages that are read at most. They begin where the call was sent, and hold one endpoint."""
ECHO_BYTES = 16_000_000
"""Most bytes of an answer that may repeat a picture: a refusal quotes the input it is about."""


class Fal(HttpProvider):
    """The provider. See `base.Provider` for what its methods promise."""

    name = NAME
    address = "https://queue.fal.run"
    key_prefix = "Key "
    poll_policy = PollPolicy(first=0.95, factor=1.28, longest=5.0, least=0.5, keeps=7 * 86_400.0)
    """The vendor's own client asks ten times a second; a person does not notice one. Its questions and answers on data
    retention say that files are kept for at least seven days, unless the account is set to less."""
    pace = Pace()
    """No limit: what is beyond the account's own waits in the vendor's queue, and "requests are never rejected due to
    concurrency limits" (page "Concurrency Limits")."""

    def __init__(self, config: ProviderConfig) -> None:
        # the vendor's own list knows nothing of calls that went through a gateway, and its host must not see their key
        listed = "" if "" in config.addresses else LIST_BASE
        routes = chosen(ROUTES, config.overrides, ALIKE)
        super().__init__(config, routes, upload=UPLOAD_BASE, list=listed)

    async def check_key(self) -> KeyAccepted | None:
        """Ask for the price of an endpoint; see `keys.ChecksKey`. A gateway has no such list."""
        if not self._others["list"]:
            return None
        url = self._others["list"] + PRICES_PATH
        return await self._look_up(url, replies.read_prices, query={"endpoint_id": ROUTES[0].model})

    async def upload_inputs(self, order: Order) -> Order:
        """Small pictures go into the request itself, others into the vendor's storage."""
        return await with_links(order, route_as(order, FalRoute).inline_bytes, self._upload)

    async def submit(self, order: Order, sending: Sending | None = None) -> Handle:
        """Put the call into the queue once."""
        route = route_as(order, FalRoute)
        model = order.model
        request: Request[Submitted] = Request(
            purpose=Purpose.SUBMIT,
            url=f"{self._base}/{model}",
            json=route.inputs(order, *links_of(order, sending)),
            read=replies.read_submitted,
            max_bytes=ECHO_BYTES,
        )
        submitted = await self._send(request, sending)
        return self._handle(model, submitted, route.notes_for(order))

    def signature(self, order: Order) -> Mapping[str, str]:
        """The endpoint, the digest of what it is sent, and from when on to look."""
        route = route_as(order, FalRoute)
        if not self._others["list"]:
            return {}
        inputs = route.inputs(order, *links_of(order))
        return signature_of(order.model, inputs, route.notes_for(order))

    async def recover(self, signature: Mapping[str, str], known: Collection[str]) -> Handle | None:
        """Look through the endpoint's calls; they show there once they have ended."""
        query = {
            "endpoint_id": signature[MODEL],
            "start": signature[SINCE],
            "expand": "payloads",
            "limit": str(LIST_PAGE),
        }

        async def read_page(cursor: str) -> Page[None]:
            return await self._ask(
                self._others["list"] + LIST_PATH,
                replies.read_listed,
                query=query | ({"cursor": cursor} if cursor else {}),
                seconds=common.LIST_SECONDS,
                max_bytes=common.LIST_BYTES,
            )

        # the list goes by when they ended
        call = await common.oldest_fitting(read_page, signature, known, most_pages=LIST_PAGES, newest_first=False)
        if call is None:
            return None
        submitted = Submitted(call.task, "", "", "")
        return self._handle(signature[MODEL], submitted, notes_in(signature))

    async def poll(self, handle: Handle) -> Running | Finished:
        """Ask once; when the task is over, read its result."""
        standing: Running | Done = await self._ask(self._base + handle.data["status"], replies.read_status)
        if not isinstance(standing, Done):
            return standing
        url = self._base + handle.data["response"]
        result: Running | Finished = await self._ask(url, replies.read_result, max_bytes=ECHO_BYTES)
        return noted(handle, result)

    async def cancel(self, handle: Handle) -> bool:
        """Ask the vendor to stop: what is queued is taken out, what runs gets a signal."""
        return await self._request_cancel(self._base + handle.data["cancel"], replies.read_cancelled, "PUT")

    def _handle(self, model: str, submitted: Submitted, notes: Sequence[str]) -> Handle:
        # an endpoint's tasks are asked for under its owner and name, without the rest of its path
        usual = f"/{'/'.join(model.split('/')[:2])}/requests/{submitted.task}"
        paths = {
            "task": submitted.task,
            "status": path_under(self._base, submitted.status, f"{usual}/status"),
            "response": path_under(self._base, submitted.response, usual),
            "cancel": path_under(self._base, submitted.cancel, f"{usual}/cancel"),
        }
        return handle_of(NAME, with_notes(paths, notes))

    async def _upload(self, picture: Prepared) -> str:
        """The vendor's address of a picture."""
        name = f"{secrets.token_hex(12)}.{extension_of(picture)}"
        begin: Request[Mapping[str, str]] = Request(
            purpose=Purpose.UPLOAD,
            url=self._others["upload"] + UPLOAD_PATH,
            query={"storage_type": STORAGE},
            headers={"X-Fal-Object-Lifecycle-Preference": json.dumps({"expiration_duration_seconds": UPLOADS_LIVE})},
            json={"file_name": name, "content_type": mime_of(picture)},
            read=replies.read_uploaded,
        )
        links = await self._send(begin)
        url = links["upload_url"]
        if not url.lower().startswith("https://") and not self._account.guard.opens(url):
            raise ProviderError(NAME, "it wants the picture at an address that is not encrypted", charged=False)
        put: Request[bool] = Request(
            purpose=Purpose.UPLOAD,
            method="PUT",
            url=url,
            headers={"Content-Type": mime_of(picture)},
            content=picture.data,
            read=replies.read_put,
            with_key=False,
        )
        await self._send(put)
        return self._as_sent(links["file_url"])


PROVIDER: type[Provider] = Fal
