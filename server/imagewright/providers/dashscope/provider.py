"""Alibaba's DashScope, the maker's own service for Qwen Image: send and wait, or create a task and poll it.

Interface as read on 2026-11-22. `IMAGEWRIGHT_DASHSCOPE_BASE_URL` is the region's host: `https://dashscope.aliyuncs.com`
for Beijing, or a workspace's own; keys work in the region they were made in. Links of results live for 24 hours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import anyio.to_thread

from imagewright.providers.base import PollPolicy
from imagewright.providers.common.overrides import chosen
from imagewright.providers.common.provider import HttpProvider, route_as
from imagewright.providers.dashscope.replies import read_cancelled, read_standing, read_submitted
from imagewright.providers.dashscope.routes import NAME, ROUTES, DashScopeRoute
from imagewright.providers.http.request import Purpose, Request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagewright.providers.base import Finished, Handle, Order, Provider, ProviderConfig, Running

AT_ONCE = "/services/aigc/multimodal-generation/generation"
AS_TASK = "/services/aigc/text2image/image-synthesis"
ASYNC: Mapping[str, str] = {"X-DashScope-Async": "enable"}


class DashScope(HttpProvider):
    """The provider. See `base.Provider` for what its methods promise."""

    name = NAME
    address = "https://dashscope-intl.aliyuncs.com"
    version = "/api/v1"
    poll_policy = PollPolicy(first=1.0, factor=1.3, longest=5.0)
    """From one second up to five, as the maker's own client asks."""
    seconds = 600.0
    """Longest wait for the answer to a submit: twice what the maker's own client waits, because a picture is paid for
    and lost if the wait is too short."""

    def __init__(self, config: ProviderConfig) -> None:
        super().__init__(config, chosen(ROUTES, config.overrides))

    @classmethod
    def base_of(cls, address: str) -> str:
        """The base address with its version: the maker's own client wants it with that, and people copy it."""
        return address.rstrip("/").removesuffix(cls.version) + cls.version

    async def submit(self, order: Order) -> Handle | Finished:
        """Send the order once, its pictures inside; wait for the links, or for the task's name."""
        route = route_as(order, DashScopeRoute)
        route.check(order)
        request: Request[Handle | Finished] = Request(
            purpose=Purpose.SUBMIT,
            url=self._base + (AS_TASK if route.as_task else AT_ONCE),
            headers=ASYNC if route.as_task else {},
            json=await anyio.to_thread.run_sync(route.body, order),
            read=read_submitted,
            seconds=self.seconds,
        )
        return await self._send(request)

    async def poll(self, handle: Handle) -> Running | Finished:
        """Ask once. A task that is not known there is `VendorUnavailable`: ask again."""
        return await self._ask(self._task(handle), read_standing)

    async def cancel(self, handle: Handle) -> bool:
        """Ask the vendor to stop: a task is taken out of the queue; one that runs goes on."""
        return await self._request_cancel(f"{self._task(handle)}/cancel", read_cancelled)

    def _task(self, handle: Handle) -> str:
        return f"{self._base}/tasks/{quote(handle.data['task'], safe='')}"


PROVIDER: type[Provider] = DashScope
