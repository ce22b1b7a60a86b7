"""Replicate: one interface for many makers' models. Create a prediction, ask until it is over, fetch within the hour.

Protocol of the vendor's Python client 1.0.7 and its HTTP reference, with the list of predictions, read on 2026-11-22.
The address can be set, `IMAGEWRIGHT_REPLICATE_BASE_URL`.
"""

from __future__ import annotations

import logging
import secrets
from typing import TYPE_CHECKING, Any

from imagewright.errors import ModelUnavailable, TaskEnded
from imagewright.providers.base import Finished, Handle, Output, PollPolicy
from imagewright.providers.common import provider as common
from imagewright.providers.common.overrides import chosen
from imagewright.providers.common.provider import (
    HttpProvider,
    file_part,
    handle_of,
    links_of,
    noted,
    notes_in,
    path_under,
    route_as,
    signature_of,
    with_links,
    with_notes,
)
from imagewright.providers.http.request import Purpose, Request
from imagewright.providers.replicate import replies
from imagewright.providers.replicate.routes import ALIKE, NAME, ROUTES, ReplicateRoute
from imagewright.storage.accounts import Pace

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from imagewright.providers.base import Order, Prepared, Provider, ProviderConfig, Running
    from imagewright.providers.common.keys import KeyAccepted
    from imagewright.providers.common.provider import Page
    from imagewright.providers.replicate.replies import Prediction
    from imagewright.providers.sending import Sending

log = logging.getLogger(__name__)

PREDICTIONS = "/v1/predictions"
MODELS = "/v1/models"
FILES = "/v1/files"
ACCOUNT = "/v1/account"
"""Whose key it is, free of charge."""
INLINE_BYTES = 256_000
"""Most bytes of all input pictures together that go as data URIs, which are for "small files"; the figure is ours."""
LIST_PAGES = 10
"""Pages of 100 predictions that are read at most; they hold those of every model."""


class Replicate(HttpProvider):
    """The provider. See `base.Provider` for what its methods promise."""

    name = NAME
    address = "https://api.replicate.com"
    poll_policy = PollPolicy(first=0.95, factor=1.28, longest=5.0, least=0.5, keeps=3600.0)
    """The vendor's own client asks twice a second; a person does not notice one. Its page on data retention says that
    what a prediction made is deleted after an hour."""
    pace = Pace(calls=600, seconds=60.0)
    """New predictions of an account, by its page on rate limits. An account with little credit has less; refusals then
    say how much, see `replies.read_limits`."""

    def __init__(self, config: ProviderConfig) -> None:
        super().__init__(config, chosen(ROUTES, config.overrides, ALIKE))

    async def check_key(self) -> KeyAccepted:
        """Ask whose key it is; see `keys.ChecksKey`. What is left in the account is not told."""
        return await self._look_up(self._base + ACCOUNT, replies.read_account)

    async def upload_inputs(self, order: Order) -> Order:
        """Small pictures go into the request itself, others to the vendor's files."""
        return await with_links(order, INLINE_BYTES, self._upload)

    async def submit(self, order: Order, sending: Sending | None = None) -> Handle | Finished:
        """Create the prediction once, without waiting for its result.

        If the connection broke while waiting, a paid prediction would be left without its id.
        """
        route = route_as(order, ReplicateRoute)
        inputs = route.inputs(order, *links_of(order, sending))
        prediction = await self._create(route, order.model, inputs, sending)
        handle = self._handle(prediction, route.notes_for(order))
        if isinstance(prediction.answer, TaskEnded):
            return handle  # one that is over already says so again when it is asked about
        finished = noted(handle, prediction.answer)
        return finished if isinstance(finished, Finished) else handle

    def signature(self, order: Order) -> Mapping[str, str]:
        """The model without its version, the digest of what it is sent, and from when on to look."""
        route = route_as(order, ReplicateRoute)
        name = order.model.partition(":")[0]
        return signature_of(name, route.inputs(order, *links_of(order)), route.notes_for(order))

    async def recover(self, signature: Mapping[str, str], known: Collection[str]) -> Handle | None:
        """Look through the account's predictions, back to when it was sent."""

        async def read_page(link: str) -> Page[Prediction]:
            url = self._base + path_under(self._base, link, PREDICTIONS)
            return await self._ask(url, replies.read_listed, seconds=common.LIST_SECONDS, max_bytes=common.LIST_BYTES)

        call = await common.oldest_fitting(read_page, signature, known, most_pages=LIST_PAGES, newest_first=True)
        return None if call is None else self._handle(call.origin, notes_in(signature))

    async def poll(self, handle: Handle) -> Running | Finished:
        """Ask once."""
        return noted(handle, await self._ask(self._base + handle.data["get"], replies.read_prediction))

    async def cancel(self, handle: Handle) -> bool:
        """Ask the vendor to stop."""
        return await self._request_cancel(self._base + handle.data["cancel"], replies.read_cancelled)

    async def fetch(self, output: Output, into: Path, *, begun: bool = True) -> None:
        """Stream the picture to disk without the key; one that stands at the vendor's own address needs it."""
        with_key = self._account.may_send_key_to(output.url)
        await self._http.download(self._account, output.url, into, with_key=with_key, begun=begun)

    def _handle(self, prediction: Prediction, notes: Sequence[str]) -> Handle:
        usual = f"{PREDICTIONS}/{prediction.task}"
        paths = {
            "task": prediction.task,
            "get": path_under(self._base, prediction.get, usual),
            "cancel": path_under(self._base, prediction.cancel, f"{usual}/cancel"),
        }
        return handle_of(NAME, with_notes(paths, notes))

    async def _create(
        self, route: ReplicateRoute, model: str, inputs: dict[str, Any], sending: Sending | None
    ) -> Prediction:
        """The prediction, by the model where the vendor runs it officially, else by the id of its version."""
        name, _, version = model.partition(":")
        if not version and not route.versioned:
            try:
                return await self._post(f"{MODELS}/{name}/predictions", {"input": inputs}, sending)
            except ModelUnavailable:
                log.info("%s: %s is not run by its name; looking up its version", NAME, name)
        if not version and not (sending is not None and sending.again):  # with it, nothing is sent
            version = await self._newest_version(name)
        return await self._post(PREDICTIONS, {"version": version, "input": inputs}, sending)

    async def _post(self, path: str, body: dict[str, Any], sending: Sending | None) -> Prediction:
        request = Request(
            purpose=Purpose.SUBMIT,
            url=self._base + path,
            json=body,
            read=replies.read_created,
            limits=replies.read_limits,
        )
        return await self._send(request, sending)

    async def _newest_version(self, name: str) -> str:
        url = f"{self._base}{MODELS}/{name}"
        return await self._look_up(url, replies.read_version)

    async def _upload(self, picture: Prepared) -> str:
        """Replicate's address of a picture."""
        request: Request[str] = Request(
            purpose=Purpose.UPLOAD,
            url=self._base + FILES,
            files=(file_part("content", secrets.token_hex(12), picture),),
            read=replies.read_uploaded,
        )
        return self._as_sent(await self._send(request))


PROVIDER: type[Provider] = Replicate
