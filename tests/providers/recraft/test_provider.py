"""Recraft from submission to file, its answers, and every fault on the way, through real sockets."""

from __future__ import annotations

import base64
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from imagewright.engine.choose import estimate
from imagewright.errors import BadKey, RequestRejected
from imagewright.providers.base import Finished, Output
from imagewright.providers.recraft.replies import read_made
from tests.emulators.recraft import RecraftEmulator
from tests.emulators.renamed import Renaming
from tests.providers.recraft.cases import ROUTE, text
from tests.support.faults import check_log
from tests.support.provider_runs import drive_at_once, full_order, picture, plain_order
from tests.support.replies import reply
from tests.support.vendors import wired

if TYPE_CHECKING:
    from pathlib import Path

    from imagewright.providers.base import Route
    from imagewright.providers.http.client import HttpClient
    from imagewright.providers.recraft.provider import Recraft

pytestmark = pytest.mark.anyio
URL = "https://img.recraft.ai/x"


class Renamed(Renaming, RecraftEmulator):
    """A copy that calls one field otherwise."""


async def test_a_whole_call(emulator: RecraftEmulator, provider: Recraft, tmp_path: Path) -> None:
    order = plain_order(ROUTE)

    finished, files = await drive_at_once(provider, order, tmp_path)

    with Image.open(files[0]) as made:
        made.load()
        assert made.format == "PNG"  # left to itself the vendor makes a WebP
        assert made.mode == "RGBA"
        assert made.size == (order.images[0].width, order.images[0].height)
        assert made.getchannel("A").getextrema() == (0, 255)
    assert finished.cost_usd == estimate(ROUTE.price, {}, 1) == pytest.approx(emulator.charges[0] / 1000)
    assert finished.outputs[0].seed is None
    (received,) = emulator.received("generate")
    assert {part.name: part.data for part in received.parts()}["file"] == picture(shade=0).data


@pytest.mark.parametrize("field", RecraftEmulator.fields)
async def test_a_copy_with_one_field_renamed_refuses_us(field: str, http: HttpClient) -> None:
    with Renamed() as emulator:
        emulator.field = (field, f"{field}_2")
        with pytest.raises(RequestRejected):
            await wired("recraft", emulator, http).submit(plain_order(ROUTE))
        assert not emulator.charges


async def test_what_was_not_reported_is_not_known(emulator: RecraftEmulator, provider: Recraft, tmp_path: Path) -> None:
    emulator.tells_units = False
    finished, _ = await drive_at_once(provider, full_order(ROUTE), tmp_path)
    assert finished.cost_usd is None


async def test_a_picture_beyond_the_vendors_sides_is_refused_by_it(
    emulator: RecraftEmulator, provider: Recraft
) -> None:
    order = plain_order(ROUTE)
    small = replace(order, arguments={}, images=(picture(100, 100),))
    with pytest.raises(RequestRejected, match="256 to 4096 px"):
        await provider.submit(small)
    assert not emulator.charges


async def test_the_price_can_be_set(emulator: RecraftEmulator, http: HttpClient) -> None:
    def routes(table: dict[str, Any]) -> tuple[Route, ...]:
        return wired("recraft", emulator, http, recraft=table).routes

    (dearer,) = routes({"usd": 0.5})
    assert dearer.price.usd == 0.5


async def test_nothing_secret_is_logged(
    emulator: RecraftEmulator, provider: Recraft, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    emulator.fail_next("generate", text("bad_key", f"the key {emulator.key} is odd"))
    with pytest.raises(RequestRejected) as caught:
        await provider.submit(plain_order(ROUTE))
    assert "[key]" in str(caught.value)
    await drive_at_once(provider, plain_order(ROUTE), tmp_path)
    check_log(caplog, "removeBackground", emulator.key, "sig=", "Bearer")


@pytest.mark.parametrize(
    ("content", "finished"),
    [
        ({"image": {"url": URL}, "credits": 10}, Finished((Output(url=URL),), cost_usd=0.01)),
        ({"image": {"url": URL, "image_id": "x"}, "credits": "10"}, Finished((Output(url=URL),), cost_usd=0.01)),
        ({"data": [{"url": URL}], "credits": 4}, Finished((Output(url=URL),), cost_usd=0.004)),
        ({"image": {"b64_json": base64.b64encode(b"bytes").decode("ascii")}}, Finished((Output(data=b"bytes"),))),
        ({"image": {"url": None, "b64_json": "Ynl0ZXM="}}, Finished((Output(data=b"bytes"),))),
        ({"image": None, "data": [5, {"url": ""}, {"url": URL}, {"url": "other"}]}, Finished((Output(url=URL),))),
    ],
)
def test_a_picture_is_read_in_every_form_that_was_seen(content: Any, finished: Finished) -> None:
    assert read_made(reply(content)) == finished


@pytest.mark.parametrize(("body", "status"), [(b"", 200), (b"<html>", 200), ({"task": 1}, 200), ([], 200), (b"", 502)])
def test_what_cannot_be_read_is_left_to_the_status(body: Any, status: int) -> None:
    assert read_made(reply(body, status)) is None


def test_a_permission_is_not_money_and_a_page_is_not_a_word_of_the_vendors() -> None:
    denied = read_made(reply({"code": "forbidden", "message": "insufficient permissions"}, 403))
    assert type(denied) is BadKey
    assert read_made(reply(b"<html>content policy</html>", 403)) is None
