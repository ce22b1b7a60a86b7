"""Asking a vendor to stop a task."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from imagewright.errors import ProviderError

if TYPE_CHECKING:
    from imagewright.providers.base import Sender
    from imagewright.providers.http.request import Account, Request

log = logging.getLogger(__name__)


async def request_cancel(http: Sender, account: Account, request: Request[bool]) -> bool:
    """Whether the vendor says that it stops; a request that fails is no error, as the task then merely goes on."""
    try:
        return await http.send(account, request)
    except ProviderError as error:
        log.info("%s: the task could not be told to stop: %s", account.provider, error)
        return False
