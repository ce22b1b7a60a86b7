"""Black Forest Labs, the maker of FLUX.1 Kontext: create a task, ask at the address it names, fetch.

Interface as read on 2026-11-22. A task may be kept in another region than the one it was given to, so it is asked
about at exactly the address the answer to the submit names. The addresses can be set: `IMAGEWRIGHT_BFL_BASE_URL`, and
`IMAGEWRIGHT_BFL_POLL_BASE_URL` where a gateway answers questions on another host. There is no way to stop a task.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import quote

from imagewright.providers.base import Handle, PollPolicy
from imagewright.providers.bfl.replies import read_credits, read_standing, read_submitted
from imagewright.providers.bfl.routes import NAME, ROUTES, body
from imagewright.providers.common.overrides import chosen
from imagewright.providers.common.provider import HttpProvider, handle_of
from imagewright.providers.http.request import Purpose, Request
from imagewright.storage.accounts import Pace

if TYPE_CHECKING:
    from imagewright.providers.base import Finished, Order, Provider, ProviderConfig, Running
    from imagewright.providers.bfl.replies import Submitted
    from imagewright.providers.common.keys import KeyAccepted
    from imagewright.providers.sending import Sending

POLL_PATH = "/v1/get_result"
CREDITS_PATH = "/v1/credits"
"""What is left in the account, free of charge."""


class Bfl(HttpProvider):
    """The provider. See `base.Provider` for what its methods promise."""

    name = NAME
    address = "https://api.bfl.ai"
    own_hosts = ("https://*.bfl.ai",)
    """Its regions, such as `api.eu4.bfl.ai`."""
    key_header, key_prefix = "x-key", ""
    poll_policy = PollPolicy(first=0.7, factor=1.1, longest=1.0, least=0.5, keeps=600.0)
    """The maker advises to ask every 0.5 to 1 s; the link of a finished picture lives for minutes only: ten is the
    figure that is usually given."""
    pace = Pace(running=24)
    """Tasks of an account that are not finished, by the maker's notes for programs that write code (its repository
    `skills`, rate-limiting.md). They name 6 for Kontext max: what is refused there is sent again later."""

    def __init__(self, config: ProviderConfig) -> None:
        super().__init__(config, chosen(ROUTES, config.overrides), poll=config.addresses.get("", self.address))
        self._poll_url = self._others["poll"] + POLL_PATH

    async def check_key(self) -> KeyAccepted:
        """Ask what is left in the account; see `keys.ChecksKey`."""
        return await self._look_up(self._base + CREDITS_PATH, read_credits)

    async def submit(self, order: Order, sending: Sending | None = None) -> Handle:
        """Create the task once, the picture inside the request."""
        request: Request[Submitted] = Request(
            purpose=Purpose.SUBMIT,
            url=f"{self._base}/v1/{quote(order.model)}",
            json=body(order),
            read=read_submitted,
        )
        task = await self._send(request, sending)
        url = task.url
        if not self._account.may_send_key_to(url):
            # it could not be asked about there without the key, and may be paid: the usual place may know it
            url = f"{self._poll_url}?id={quote(task.id, safe='')}"
        return handle_of(NAME, {"url": url, "credits": "" if task.credits is None else str(task.credits)})

    async def poll(self, handle: Handle) -> Running | Finished:
        """Ask once. A task that is not known there is `VendorUnavailable`: ask again."""
        url = handle.data["url"].partition("#")[0]
        return await self._ask(url, partial(read_standing, price=handle.data["credits"]))


PROVIDER: type[Provider] = Bfl
