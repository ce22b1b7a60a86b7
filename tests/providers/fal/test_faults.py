"""What can go wrong with fal, each with its one error: class, words, whether a retry helps, whether it was charged.

The faults in `cases.py` are tried in `test_queue_faults.py`, beside those of the other vendors that take their time.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from imagewright.errors import BadKey, ContentRefused, GenerationFailed, ProviderError, RequestRejected, TaskEnded
from imagewright.providers import open_provider
from imagewright.providers.base import ProviderConfig
from imagewright.settings import AllowedHost
from tests.emulators.fal import FalEmulator, problem
from tests.emulators.messages import Answer
from tests.providers.fal.cases import PLAIN, UPLOADING, text
from tests.support.faults import Case, check_error, check_log
from tests.support.provider_runs import drive, handed_over, plain_order, submitted
from tests.support.replies import ended, reply

if TYPE_CHECKING:
    from pathlib import Path

    from imagewright.providers.base import Provider
    from imagewright.providers.http.client import Account
    from imagewright.providers.http.request import Request

pytestmark = pytest.mark.anyio
T = TypeVar("T")


class Scripted:
    """A sender that answers the first request as it was given, and all others like a submit."""

    outlives = False

    def __init__(self, first: dict[str, str]) -> None:
        self.requests: list[Request[Any]] = []
        self._first = first

    async def send(self, account: Account, request: Request[T], *_more: Any) -> T:  # noqa: ARG002 - the signature
        self.requests.append(request)
        content = self._first if len(self.requests) == 1 else {"request_id": "r"}
        read = request.read(reply(content))
        assert read is not None
        assert not isinstance(read, ProviderError | TaskEnded)
        return read

    async def download(self, account: Account, url: str, into: Path, **_more: Any) -> None:
        raise AssertionError(f"nothing is fetched here: {account.provider} {url} {into}")


ENDINGS: dict[str, tuple[int, Any, dict[str, Any], type[ProviderError], bool | None]] = {
    "moderation": (
        422,
        {"detail": [problem(["prompt"], "content_policy_violation", "flagged by a content checker")]},
        {},
        ContentRefused,
        None,
    ),
    "nothing made": (422, {"detail": [problem([], "no_media_generated", "no image")]}, {}, GenerationFailed, None),
    "bad picture": (422, {"detail": [problem(["image_url"], "image_too_small", "small")]}, {}, RequestRejected, False),
    "model broke": (500, {"detail": [problem([], "internal_server_error", "oops")]}, {}, GenerationFailed, False),
    "model took too long": (504, {"detail": [problem([], "generation_timeout", "slow")]}, {}, GenerationFailed, False),
    "platform gave up": (
        504,
        {"detail": "Request timed out", "error_type": "request_timeout"},
        {"error": "Request timed out", "error_type": "request_timeout"},
        GenerationFailed,
        False,
    ),
    "platform, only at the result": (
        503,
        {"detail": "gone", "error_type": "runner_disconnected"},
        {},
        GenerationFailed,
        False,
    ),
    "a sentence": (500, {"detail": "Internal Server Error"}, {}, GenerationFailed, False),
}


@pytest.mark.parametrize(
    ("base", "link", "refused"),
    [
        ("https://queue.fal.run", "https://files.example/1", False),
        ("https://queue.fal.run", "http://files.example/1", True),
        ("https://queue.fal.run", "HTTP://files.example/1", True),
        ("https://queue.fal.run", "http://127.0.0.1:9/1", True),
        ("https://queue.fal.run", "http://nas.local:8080/1", False),
        ("https://queue.fal.run", "http://nas.local/1", True),
        ("https://queue.fal.run", "http://nas.local:x/1", True),
        ("http://127.0.0.1:9", "http://127.0.0.1:8/1", False),
        ("http://127.0.0.1:9", "http://localhost/1", False),
        ("http://127.0.0.1:9", "http://files.example/1", True),
        ("http://127.0.0.1:9", "http://10.0.0.1/1", True),
    ],
)
async def test_a_picture_is_not_put_where_all_can_read_it(base: str, link: str, *, refused: bool) -> None:
    sender = Scripted({"upload_url": link, "file_url": "https://files.example/1"})
    nas = (AllowedHost("nas.local", 8080),)
    config = ProviderConfig(key="id:secret", addresses={"": base}, overrides={}, http=sender, allow_hosts=nas)
    provider = open_provider("fal", config)
    if refused:
        with pytest.raises(ProviderError, match="not encrypted") as caught:
            await handed_over(provider, plain_order(UPLOADING))
        assert caught.value.charged is False
    else:
        await handed_over(provider, plain_order(UPLOADING))
    assert [request.with_key for request in sender.requests] == [True] + ([] if refused else [False])


@pytest.mark.parametrize("row", ENDINGS)
async def test_a_task_that_completes_without_success(
    row: str, emulator: FalEmulator, provider: Provider, tmp_path: Path
) -> None:
    status, body, aside, error, charged = ENDINGS[row]
    emulator.end_next(status, body, **aside)
    with pytest.raises(ProviderError) as caught:
        await drive(provider, plain_order(PLAIN), tmp_path)
    check_error(caught.value, Case(Answer(), error, charged), "fal", emulator.key)
    assert len(emulator.received("submit")) == 1
    assert not emulator.charges


async def test_what_was_cancelled_elsewhere_is_over(emulator: FalEmulator, provider: Provider) -> None:
    handle = await submitted(provider, plain_order(PLAIN))
    assert await provider.cancel(handle) is True
    emulator.seconds = 0.0
    with pytest.raises(TaskEnded, match="cancelled") as caught:
        await provider.poll(handle)
    error = ended(caught.value)
    assert type(error) is GenerationFailed
    assert error.charged is None


@pytest.mark.parametrize(
    "spoken",
    ["the key {key} is unknown", "the key {start}*** is unknown", "the secret {secret} is unknown"],
)
async def test_a_key_that_the_vendor_repeats_goes_no_further(
    spoken: str, emulator: FalEmulator, provider: Provider
) -> None:
    secret = emulator.key.partition(":")[2]
    emulator.fail_next("submit", text(401, spoken.format(key=emulator.key, start=emulator.key[:9], secret=secret)))
    with pytest.raises(BadKey) as caught:
        await provider.submit(plain_order(PLAIN))
    assert "[key]" in str(caught.value)
    assert secret[:6] not in str(caught.value)


async def test_nothing_secret_is_logged(
    emulator: FalEmulator, provider: Provider, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    emulator.fail_next("upload", Answer.reset())
    emulator.fail_next("cancel", Answer.reset())
    driven = await drive(provider, plain_order(UPLOADING), tmp_path)
    assert await provider.cancel(driven.handle) is False
    check_log(caplog, "requests/req-0001", emulator.key, emulator.key.partition(":")[2], "sig=", "Authorization")
