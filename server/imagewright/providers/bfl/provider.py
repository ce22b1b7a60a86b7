"""Black Forest Labs, the maker of FLUX.1 Kontext: create a task, ask at the address it names, fetch.

Interface as read on 2026-11-22. A task may be kept in another region than the one it was given to, so it is asked
about at exactly the address the answer to the submit names. The addresses can be set: `IMAGEWRIGHT_BFL_BASE_URL`, and
`IMAGEWRIGHT_BFL_POLL_BASE_URL` where a gateway answers questions on another host. There is no way to stop a task.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, urlsplit, urlunsplit

from imagewright.catalog.row import ANY, AUTO, OperationName
from imagewright.providers.base import Handle, PollPolicy, Price, Route
from imagewright.providers.bfl.replies import NAME, USD_PER_CREDIT, read_standing, read_submitted
from imagewright.providers.common.alternatives import chosen
from imagewright.providers.http.request import Account, Purpose, Request

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from imagewright.catalog.row import Scalar
    from imagewright.providers.base import Finished, Order, Output, ProviderConfig, Running
    from imagewright.providers.bfl.replies import Submitted

BASE = "https://api.bfl.ai"
OWN_HOSTS = "https://*.bfl.ai"
"""Its regions, such as `api.eu4.bfl.ai`: the key may go to any of them."""
POLL_PATH = "/v1/get_result"

FIELDS: Mapping[str, str] = {
    "prompt": "prompt",
    "aspect_ratio": "aspect_ratio",
    "safety_tolerance": "safety_tolerance",
    "prompt_upsampling": "prompt_upsampling",
    "seed": "seed",
    "output_format": "output_format",
}
"""The vendor's field for each argument that is sent; every value is sent as it is."""
IMAGE_FIELD = "input_image"
MODELS: Mapping[Scalar, str] = {"pro": "flux-kontext-pro", "max": "flux-kontext-max"}
CREDITS: Mapping[Scalar, float] = {"pro": 4, "max": 8}
_PRICES: Mapping[Scalar, float] = {quality: round(each * USD_PER_CREDIT, 6) for quality, each in CREDITS.items()}
_SHARED: dict[str, Any] = {
    "provider": NAME,
    "tool": "flux_kontext",
    "model": MODELS["pro"],
    "model_by": "quality",
    "models": MODELS,
    "price": Price(
        usd=_PRICES["pro"],
        by="quality",
        table=_PRICES,
        source="the maker's API reference, in credits of 0.01 USD",
        checked="2026-11-22",
    ),
}
_TAKES = {**dict.fromkeys(FIELDS, ANY), "quality": ANY, "save_as": ANY}
ROUTES: tuple[Route, ...] = (
    Route(operation=OperationName.GENERATE, takes=_TAKES, **_SHARED),
    # without the field the result has the picture's own shape
    Route(operation=OperationName.EDIT, takes={**_TAKES, "images": ANY}, native_auto=True, **_SHARED),
)
"""Both operations, each with two models; the maker calls them its older ones and still serves them. Its newer ones,
such as `flux-3-image`, take other fields (a list of pictures, a resolution, no seed), so their ids are refused."""


def body(order: Order) -> dict[str, Any]:
    """The JSON body that starts a task."""
    fields = {
        name: order.arguments[argument]
        for argument, name in FIELDS.items()
        if argument in order.arguments and order.arguments[argument] != AUTO
    }
    if order.images:
        fields[IMAGE_FIELD] = base64.b64encode(order.images[0].data).decode("ascii")
    return fields


class Bfl:
    """The provider. See `base.Provider` for what its methods promise."""

    name = NAME
    poll_policy = PollPolicy(first=0.7, factor=1.1, longest=1.0, keeps=600.0)
    """The maker advises to ask every 0.5 to 1 s; the link of a finished picture lives for minutes only: ten is the
    figure that is usually given."""

    def __init__(self, config: ProviderConfig) -> None:
        self.routes: tuple[Route, ...] = chosen(ROUTES, (), config.overrides)
        self._base = config.addresses.get("", BASE).rstrip("/")
        poll_base = config.addresses.get("poll", self._base).rstrip("/")
        self._poll_url = poll_base + POLL_PATH
        self._account = Account(NAME, (self._base, poll_base, OWN_HOSTS), config.key, {"x-key": config.key})
        self._http = config.http

    async def submit(self, order: Order) -> Handle:
        """Create the task once, the picture inside the request."""
        request: Request[Submitted] = Request(
            purpose=Purpose.SUBMIT,
            url=f"{self._base}/v1/{quote(order.route.model_for(order.arguments))}",
            json=body(order),
            read=read_submitted,
        )
        task = await self._http.send(self._account, request)
        # an address elsewhere would not be given the key, and the task may be paid: the usual place may know it
        known = task.url if self._account.owns(task.url) else f"{self._poll_url}?id={quote(task.id, safe='')}"
        return Handle(NAME, {"url": known, "credits": "" if task.credits is None else str(task.credits)})

    async def poll(self, handle: Handle) -> Running | Finished:
        """Ask once. A task that is not known there is `VendorUnavailable`: ask again."""
        parts = urlsplit(handle.ticket["url"])
        request: Request[Running | Finished] = Request(
            purpose=Purpose.POLL,
            method="GET",
            url=urlunsplit(parts._replace(query="", fragment="")),
            query=dict(parse_qsl(parts.query, keep_blank_values=True)),
            read=lambda reply: read_standing(reply, handle.ticket["credits"]),
        )
        return await self._http.send(self._account, request)

    async def cancel(self, handle: Handle) -> bool:  # noqa: ARG002 - the signature is the contract's
        """There is no way to stop a task."""
        return False

    async def fetch(self, product: Output, into: Path) -> None:
        """Stream the picture to disk; the key stays here."""
        await self._http.download(self._account, product.url, into)


def build(config: ProviderConfig) -> Bfl:
    """The provider, from its key, addresses and overrides. Opens no connection.

    Raises:
        SettingsError: an override cannot be used.
    """
    return Bfl(config)
