"""OpenAI's Images API, at OpenAI or at any server that speaks it: vLLM-Omni, SGLang, LocalAI, a gateway.

`IMAGEWRIGHT_OPENAI_BASE_URL` is the address up to and with its version, such as `http://127.0.0.1:8000/v1`. The answer
to a submit holds the pictures. The key is optional: a server of one's own often has none.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from imagewright.catalog.row import OperationName
from imagewright.providers.common.keys import KeyAccepted
from imagewright.providers.common.provider import SynchronousProvider, route_as
from imagewright.providers.http.request import REPLY_BYTES, Purpose, Request
from imagewright.providers.openai.replies import read_images, read_limits, read_retirements
from imagewright.providers.openai.routes import NAME, OpenAIRoute, routes_for
from imagewright.storage.accounts import Pace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagewright.providers.base import Finished, Order, Provider, ProviderConfig

PATHS: Mapping[OperationName, str] = {
    OperationName.GENERATE: "/images/generations",
    OperationName.EDIT: "/images/edits",
}
MODELS_PATH = "/models"
"""The list of models, free of charge. It may lack one that is served: of 2.5 that was seen in September 2026."""
PICTURE_BYTES = 48_000_000
"""Most bytes of one picture in an answer: 3840 x 2160 px of four bytes, the largest there is, in base64."""


class OpenAI(SynchronousProvider):
    """The provider. See `base.Provider` for what its methods promise."""

    name = NAME
    address = "https://api.openai.com/v1"
    version = "/v1"
    seconds = 600.0
    """What the maker's own client waits: high quality takes minutes."""
    pace = Pace()
    """Depends on the account: in September 2026 from 5 pictures a minute up. Answers and refusals say it."""

    def __init__(self, config: ProviderConfig) -> None:
        super().__init__(config, routes_for(config.overrides, own_server="" in config.addresses))

    def request(self, order: Order) -> Request[Finished]:
        """JSON to generate, a form to edit."""
        route = route_as(order, OpenAIRoute)
        route.check(order)
        fields = route.fields(order)
        form = route.operation is OperationName.EDIT
        return Request(
            purpose=Purpose.SUBMIT,
            url=self._base + PATHS[route.operation],
            json=None if form else fields,
            fields={name: str(value) for name, value in fields.items()} if form else {},
            files=route.files(order) if form else (),
            read=partial(read_images, per_token=route.per_token),
            limits=read_limits,
            seconds=self.seconds,
            max_bytes=REPLY_BYTES + PICTURE_BYTES * order.count,
        )

    async def retirements(self) -> Mapping[str, str]:
        """The ends that the list of models names; see `base.TellsRetirements`."""
        url = self._base + MODELS_PATH
        return await self._look_up(url, read_retirements)

    async def check_key(self) -> KeyAccepted:
        """Ask for the list of models; see `keys.ChecksKey`. What is left in the account is not told."""
        await self.retirements()
        return KeyAccepted()


PROVIDER: type[Provider] = OpenAI
