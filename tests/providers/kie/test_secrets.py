"""The key stays in its header: not in an error, not in a log, not on another host (the emulator watches that)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from imagewright.errors import BadKey, ProviderError
from imagewright.providers import open_provider
from imagewright.providers.base import ProviderConfig
from tests.emulators.kie import envelope
from tests.emulators.messages import Answer, truncated
from tests.providers.kie.cases import PLAIN, WITH_PICTURE
from tests.support.faults import check_log
from tests.support.provider_runs import drive, ordered, plain_order

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from imagewright.providers.base import Provider
    from imagewright.providers.http.client import HttpClient
    from tests.emulators.kie import KieEmulator

pytestmark = pytest.mark.anyio

SPOKEN_KEYS: dict[str, Callable[[str], Answer]] = {
    "whole": lambda key: envelope(401, f"the key {key} is unknown"),
    "masked": lambda key: envelope(401, f"the key {key[:9]}***{key[-2:]} is unknown"),
    "in a header's form": lambda key: Answer(400, f"bad header: Bearer {key}".encode(), {"Content-Type": "text/plain"}),
}


@pytest.mark.parametrize("row", SPOKEN_KEYS)
async def test_a_key_that_the_vendor_repeats_goes_no_further(
    row: str, emulator: KieEmulator, provider: Provider
) -> None:
    emulator.fail_next("create", SPOKEN_KEYS[row](emulator.key))
    with pytest.raises(ProviderError) as caught:
        await provider.submit(plain_order(PLAIN))
    assert "[key]" in str(caught.value)
    assert emulator.key[:6] not in str(caught.value)


async def test_nothing_secret_is_logged(
    emulator: KieEmulator, provider: Provider, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    emulator.fail_next("create", SPOKEN_KEYS["whole"](emulator.key))
    emulator.fail_next("upload", Answer.reset())
    emulator.fail_next("download", truncated)
    with pytest.raises(BadKey):
        await ordered(provider, plain_order(WITH_PICTURE))
    await drive(provider, plain_order(WITH_PICTURE), tmp_path)
    check_log(caplog, "createTask", emulator.key, "sig=", "taskId=", "Bearer")


async def test_a_key_that_cannot_stand_in_a_header_is_reported_without_quoting_it(
    emulator: KieEmulator, http: HttpClient
) -> None:
    for key in ("kie-0123456789\nabcdef", "kie-0123456789\u2013abcdef"):
        broken = open_provider("kie", ProviderConfig(key=key, addresses=emulator.addresses, overrides={}, http=http))
        with pytest.raises(BadKey) as caught:
            await broken.submit(plain_order(PLAIN))
        assert "kie-0" not in str(caught.value)
    assert not emulator.requests
