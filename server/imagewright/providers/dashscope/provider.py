"""Alibaba's DashScope, the maker's own service for Qwen Image: send and wait.

Interface as read on 2026-11-26. `IMAGEWRIGHT_DASHSCOPE_BASE_URL` is the region's host: `https://dashscope.aliyuncs.com`
for Beijing, or a workspace's own; keys work in the region they were made in. Links of results live for 24 hours.

No task is created here: the maker's reference of such calls names only two models of 2025. Those that an older release
has begun are still asked about.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from imagewright.providers.common.overrides import chosen
from imagewright.providers.common.provider import SynchronousProvider, route_as
from imagewright.providers.dashscope.replies import read_submitted, read_task, read_tasks
from imagewright.providers.dashscope.routes import NAME, ROUTES, DashScopeRoute
from imagewright.providers.http.request import Purpose, Request
from imagewright.storage.accounts import Pace

if TYPE_CHECKING:
    from imagewright.providers.base import Finished, Handle, Order, Provider, ProviderConfig, Running
    from imagewright.providers.common.keys import KeyAccepted

PATH = "/services/aigc/multimodal-generation/generation"

TASKS_PATH = "/tasks/"
"""The account's tasks of the last day: a list that is free of charge."""


class DashScope(SynchronousProvider):
    """The provider. See `base.Provider` for what its methods promise."""

    name = NAME
    address = "https://dashscope-intl.aliyuncs.com"
    version = "/api/v1"
    seconds = 600.0
    """Longest wait for the answer to a submit: twice what the maker's own client waits, because a picture is paid for
    and lost if the wait is too short."""
    pace = Pace()
    """Requests a minute are limited by account and model, and may be counted second by second (page "Rate limits" of
    Model Studio); those of the picture models are shown in its console."""

    def __init__(self, config: ProviderConfig) -> None:
        super().__init__(config, chosen(ROUTES, config.overrides))

    @classmethod
    def base_of(cls, address: str) -> str:
        """The base address with its version: the maker's own client wants it with that, and people copy it."""
        return address.rstrip("/").removesuffix(cls.version) + cls.version

    async def check_key(self) -> KeyAccepted:
        """Ask for a list of tasks; see `keys.ChecksKey`. What is left in the account is not told."""
        return await self._look_up(self._base + TASKS_PATH, read_tasks, query={"page_no": "1", "page_size": "1"})

    def request(self, order: Order) -> Request[Finished]:
        """The pictures inside, and links as the answer."""
        return Request(
            purpose=Purpose.SUBMIT,
            url=self._base + PATH,
            json=route_as(order, DashScopeRoute).body(order),
            read=read_submitted,
            seconds=self.seconds,
        )

    async def poll(self, handle: Handle) -> Running | Finished:
        """Ask once about a task of an older release. One that is not known there is `VendorUnavailable`: ask again.

        Raises:
            TaskEnded: there is no task, or it has ended without a picture.
        """
        if "task" not in handle.data:
            return await super().poll(handle)
        answer: Running | Finished = await self._ask(
            f"{self._base}/tasks/{quote(handle.data['task'], safe='')}", read_task
        )
        return answer


PROVIDER: type[Provider] = DashScope
