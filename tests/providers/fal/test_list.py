"""The emulated list of fal is as strict as the vendor's: its own client has no call for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.emulators.fal import FalEmulator

if TYPE_CHECKING:
    from collections.abc import Iterator

ENDPOINT = "fal-ai/nano-banana"
ASKED = {"endpoint_id": ENDPOINT}


@pytest.fixture
def fal() -> Iterator[FalEmulator]:
    with FalEmulator(seconds=0) as emulator:
        yield emulator


def _ask(fal: FalEmulator, query: dict[str, str], key: str = "", host: str = "platform") -> tuple[int, Any]:
    headers = {"Authorization": f"Key {key or fal.key}"}
    address = f"{fal.url(host)}/v1/models/requests/by-endpoint"
    answer = httpx.get(address, params=query, headers=headers, trust_env=False)
    return answer.status_code, answer.json()


def _submit(fal: FalEmulator, number: int) -> None:
    body = {"prompt": f"A kite, number {number}"}
    headers = {"Authorization": f"Key {fal.key}"}
    assert httpx.post(f"{fal.url()}/{ENDPOINT}", json=body, headers=headers, trust_env=False).status_code == 200


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"endpoint_id": ""},
        {"endpoint_id": ",".join(f"a/{place}" for place in range(51))},
        ASKED | {"page": "2"},
        ASKED | {"expand": "everything"},
        ASKED | {"limit": "0"},
        ASKED | {"limit": "101"},
        ASKED | {"limit": "ten"},
        ASKED | {"start": "yesterday"},
        ASKED | {"cursor": "?"},
        ASKED | {"cursor": "eHg="},
    ],
    ids=str,
)
def test_what_it_does_not_know_is_refused(query: dict[str, str], fal: FalEmulator) -> None:
    status, body = _ask(fal, query)
    assert status == 400
    assert body["error"]["type"] == "validation_error"


def test_it_wants_the_key_and_stands_on_a_host_of_its_own(fal: FalEmulator) -> None:
    status, body = _ask(fal, ASKED, key="id:another")
    assert (status, body["error"]["type"]) == (401, "authorization_error")
    assert _ask(fal, ASKED, host="rest")[0] == 404


def test_it_shows_what_has_ended_the_last_first_and_turns_pages(fal: FalEmulator) -> None:
    for number in range(3):
        _submit(fal, number)
    status, first = _ask(fal, ASKED | {"limit": "2", "expand": "payloads"})
    assert (status, first["has_more"]) == (200, True)
    _, second = _ask(fal, ASKED | {"limit": "2", "expand": "payloads", "cursor": first["next_cursor"]})
    assert (second["has_more"], second["next_cursor"]) == (False, None)
    items = first["items"] + second["items"]
    assert [item["request_id"] for item in items] == ["req-0003", "req-0002", "req-0001"]
    assert [item["json_input"]["prompt"][-1] for item in items] == ["2", "1", "0"]
    assert all(item["status_code"] == 200 and item["json_output"]["images"] for item in items)
    assert _ask(fal, ASKED | {"start": "2100-01-01T00:00:00Z"})[1]["items"] == []
    assert _ask(fal, {"endpoint_id": "fal-ai/other"})[1]["items"] == []
    assert "json_input" not in _ask(fal, ASKED)[1]["items"][0]


def test_what_is_still_under_way_is_not_shown(fal: FalEmulator) -> None:
    fal.seconds = 3600.0
    _submit(fal, 1)
    assert _ask(fal, ASKED)[1] == {"items": [], "next_cursor": None, "has_more": False}
