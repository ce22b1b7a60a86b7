"""The key stays in its header: not in an error, not in a log, not on another host (the emulator watches that)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from imagewright.errors import BadKey, ProviderError
from imagewright.providers import open_provider
from imagewright.providers.base import ProviderConfig
from imagewright.providers.kie.routes import ROUTES
from tests.emulators.kie import envelope
from tests.emulators.messages import Answer, truncated
from tests.support.faults import check_log
from tests.support.provider_runs import drive, ordered, plain_order

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from imagewright.providers.base import Provider
    from imagewright.providers.http.client import HttpClient
    from tests.emulators.kie import KieEmulator

pytestmark = pytest.mark.anyio

PLAIN = next(route for route in ROUTES if not route.image_field and "resolution" not in route.takes)
WITH_PICTURE = next(route for route in ROUTES if route.image_field and not route.image_list)

SPOKEN_KEYS: dict[str, Callable[[str], Answer]] = {
    "whole": lambda key: envelope(401, f"the key {key} is unknown"),
    "masked": lambda key: envelope(401, f"the key {key[:9]}***{key[-2:]} is unknown"),
    "in a header's form": lambda key: Answer(400, f"bad header: Bearer {key}".encode(), {"Content-Type": "text/plain"}),
}


@pytest.mark.parametrize("name", SPOKEN_KEYS)
async def test_a_key_that_the_vendor_repeats_goes_no_further(name: str, kie: KieEmulator, provider: Provider) -> None:
    kie.fail_next("create", SPOKEN_KEYS[name](kie.key))
    with pytest.raises(ProviderError) as caught:
        await provider.submit(plain_order(PLAIN))
    assert "[key]" in str(caught.value)
    assert kie.key[:6] not in str(caught.value)


async def test_nothing_secret_is_logged(
    kie: KieEmulator, provider: Provider, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    kie.fail_next("create", SPOKEN_KEYS["whole"](kie.key))
    kie.fail_next("upload", Answer.reset())
    kie.fail_next("download", truncated)
    with pytest.raises(BadKey):
        await ordered(provider, plain_order(WITH_PICTURE))
    await drive(provider, plain_order(WITH_PICTURE), tmp_path)
    check_log(caplog, "createTask", kie.key, "sig=", "taskId=", "Bearer")


async def test_a_key_that_cannot_stand_in_a_header_is_said_without_quoting_it(
    kie: KieEmulator, http: HttpClient
) -> None:
    for key in ("kie-0123456789\nabcdef", "kie-0123456789\u2013abcdef"):
        broken = open_provider("kie", ProviderConfig(key=key, addresses=kie.addresses, overrides={}, http=http))
        with pytest.raises(BadKey) as caught:
            await broken.submit(plain_order(PLAIN))
        assert "kie-0" not in str(caught.value)
    assert not kie.requests
