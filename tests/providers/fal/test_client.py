"""The vendor's own client drives the emulator: only so far is the emulator right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import fal_client
import httpx
import pytest

from imagewright.catalog.row import Limits
from imagewright.providers.common.provider import data_uri
from imagewright.providers.fal.routes import ROUTES
from tests.emulators.fal import LOCKED, FalEmulator, problem
from tests.emulators.pictures import look
from tests.emulators.renamed import Renaming
from tests.support.client_closing import closed_at_the_end
from tests.support.provider_runs import PROMPT, effective, picture, plain_order
from tests.support.route_orders import masked_order

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imagewright.providers.fal.route import FalRoute

ENDPOINT = "fal-ai/nano-banana/edit"
QUICK = 0.001
"""Seconds between the client's polls."""


class RenamedFal(Renaming, FalEmulator):
    """A copy in which one field has another name."""


@pytest.fixture(autouse=True)
def all_closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with closed_at_the_end(monkeypatch):
        yield


def _client(emulator: FalEmulator, monkeypatch: pytest.MonkeyPatch) -> fal_client.SyncClient:
    """The client, sent to loopback: there is no other way to give it an address without TLS."""
    for name, address in (
        ("QUEUE_URL_FORMAT", f"{emulator.url('api')}/"),
        ("REST_URL", emulator.url("rest")),
        ("CDN_URL", emulator.url("cdn")),
    ):
        assert hasattr(fal_client.client, name)
        monkeypatch.setattr(fal_client.client, name, address)
    return fal_client.SyncClient(key=emulator.key)


def _job(emulator: FalEmulator, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Hand over a picture, submit, follow, read the result, stop what is over."""
    client = _client(emulator, monkeypatch)
    link = client.upload(picture().data, "image/png", "kite.png")
    handle = client.submit(ENDPOINT, {"prompt": PROMPT, "image_urls": [link], "aspect_ratio": "16:9"})
    events = [type(event) for event in handle.iter_events(interval=QUICK)]
    assert events == [fal_client.Queued, fal_client.InProgress, fal_client.Completed]
    result = handle.get(interval=QUICK)
    assert sorted(result["images"][0]) == sorted(["url", "content_type", "file_name", "file_size", "width", "height"])
    other = client.submit(ENDPOINT, {"prompt": PROMPT, "image_urls": [link]})
    other.cancel()
    return result


def test_the_official_client_completes_a_job(emulator: FalEmulator, monkeypatch: pytest.MonkeyPatch) -> None:
    result = _job(emulator, monkeypatch)
    (image,) = result["images"]
    made = look(httpx.get(image["url"], trust_env=False).content)
    assert image["width"] is image["height"] is None  # this model leaves them empty
    assert made.width / made.height == pytest.approx(16 / 9, rel=0.02)
    assert [pictures for _, pictures in emulator.charges] == [1]


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.tool}-{route.operation}-{route.model}")
def test_the_official_client_is_served_with_our_bodies(
    route: FalRoute, emulator: FalEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = {"resolution": sizes[0]} if (sizes := effective(route).get("resolution", Limits()).values) else {}
    order = masked_order(route) if route.pictures.mask else plain_order(route, **small)
    mask = "" if order.mask is None else str(data_uri(order.mask))
    body = route.inputs(order, [str(data_uri(one)) for one in order.images], mask)
    emulator.seconds = 0
    result = _client(emulator, monkeypatch).subscribe(order.model, body, interval=QUICK)
    assert len(result.get("images", [result.get("image")])) == order.count
    assert [task.fields for task in emulator.tasks.values()] == [body]


@pytest.mark.parametrize(
    "field",
    [
        "token",
        "request_id",
        "status_url",
        "response_url",
        "cancel_url",
        "status",
        "queue_position",
        "prompt",
        "image_urls",
        "images",
    ],
)
def test_it_fails_against_a_copy_with_one_field_renamed(field: str, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = RenamedFal()
    copy.field = (field, f"{field}_renamed")
    with copy, pytest.raises((KeyError, AssertionError, fal_client.client.FalClientHTTPError)):
        _job(copy, monkeypatch)


def test_the_older_way_of_handing_over_works_too(emulator: FalEmulator, monkeypatch: pytest.MonkeyPatch) -> None:
    emulator.guards_key = False
    client = _client(emulator, monkeypatch)
    link = client.upload(picture().data, "image/png", "kite.png", repository="fal")
    assert httpx.get(link, trust_env=False).content == picture().data
    assert len(emulator.received("put")) == 1


@pytest.mark.parametrize("fields", [{"prompt": PROMPT}, {"prompt": PROMPT, "image_urls": "x"}, {"prompt": 5}])
def test_wrong_fields_show_at_the_result_as_the_client_reads_them(
    fields: dict[str, Any], emulator: FalEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(fal_client.client.FalClientHTTPError) as caught:
        _client(emulator, monkeypatch).subscribe(ENDPOINT, fields, interval=QUICK)
    assert caught.value.status_code == 422
    assert {"loc", "msg", "type"} <= set(caught.value.message[0])


def test_failures_have_the_form_the_client_reads(emulator: FalEmulator, monkeypatch: pytest.MonkeyPatch) -> None:
    client = _client(emulator, monkeypatch)
    emulator.end_next(422, {"detail": [problem(["prompt"], "content_policy_violation", "flagged")]})
    with pytest.raises(fal_client.client.FalClientHTTPError, match="content_policy_violation"):
        client.subscribe(ENDPOINT, {"prompt": PROMPT}, interval=QUICK)
    gone = {"error": "Request timed out", "error_type": "request_timeout"}
    emulator.end_next(504, {"detail": "Request timed out", "error_type": "request_timeout"}, **gone)
    handle = client.submit(ENDPOINT, {"prompt": PROMPT})
    *_, last = handle.iter_events(interval=QUICK)
    assert isinstance(last, fal_client.Completed)
    assert (last.error, last.error_type) == ("Request timed out", "request_timeout")
    with pytest.raises(fal_client.client.FalClientHTTPError) as unknown:
        client.submit("fal-ai/nothing", {})
    assert unknown.value.status_code == 404
    emulator.locked = True
    with pytest.raises(fal_client.client.FalClientHTTPError) as locked:
        client.submit(ENDPOINT, {"prompt": PROMPT})
    assert (locked.value.status_code, locked.value.message) == (403, LOCKED)
    emulator.key = "another:key"
    with pytest.raises(fal_client.client.FalClientHTTPError) as stranger:
        client.submit(ENDPOINT, {})
    assert stranger.value.status_code == 401
