"""What can go wrong with fal, each with its one error: class, words, whether a retry helps, whether it was charged.

The rows of `QUEUE` are tried in `test_queue_faults.py`, beside those of the other vendors that take their time.
"""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from imagewright.errors import (
    BadKey,
    ContentRefused,
    GenerationFailed,
    ModelUnavailable,
    OutOfCredit,
    ProviderError,
    RateLimited,
    RequestRejected,
    UnknownOutcome,
    VendorUnavailable,
)
from imagewright.providers import open_provider
from imagewright.providers.base import ProviderConfig, TaskEnded
from imagewright.providers.fal.routes import ROUTES
from imagewright.providers.http.request import Reply
from tests.emulators.fal import LOCKED, FalEmulator, problem
from tests.emulators.messages import Answer, truncated
from tests.support import faults
from tests.support.faults import SENDS, Case, check_error, check_log
from tests.support.faults_queued import Queue
from tests.support.provider_runs import drive, handed_over, plain_order, submitted
from tests.support.replies import ended
from tests.support.vendors import wired

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from imagewright.providers.base import Provider
    from imagewright.providers.http.client import HttpClient
    from imagewright.providers.http.request import Account, Request

pytestmark = pytest.mark.anyio
T = TypeVar("T")

PLAIN = next(route for route in ROUTES if not route.image_field and "resolution" not in route.takes)
UPLOADING = replace(next(route for route in ROUTES if route.image_list and route.native_auto), inline_bytes=0)


def text(status: int, detail: Any, **more: Any) -> Answer:
    return Answer.of({"detail": detail, **more}, status)


class Told:
    """A sender that knows the answer to the first request, and to all others what a submit is told."""

    def __init__(self, first: dict[str, str]) -> None:
        self.requests: list[Request[Any]] = []
        self._first = first

    async def send(self, account: Account, request: Request[T]) -> T:  # noqa: ARG002 - the signature is the contract's
        self.requests.append(request)
        content = self._first if len(self.requests) == 1 else {"request_id": "r"}
        read = request.read(Reply(200, {}, json.dumps(content).encode("utf-8")))
        assert read is not None
        assert not isinstance(read, ProviderError | TaskEnded)
        return read

    async def download(self, account: Account, url: str, into: Path, *, max_bytes: int = 0) -> None:
        raise AssertionError(f"nothing is fetched here: {account.provider} {url} {into} {max_bytes}")


@pytest.fixture
def fal() -> Iterator[FalEmulator]:
    with FalEmulator() as emulator:
        yield emulator


@pytest.fixture
def provider(fal: FalEmulator, http: HttpClient) -> Provider:
    return wired("fal", fal, http)


SUBMIT = faults.SUBMIT | {
    "bad key": Case(text(401, "No user found for Key ID and Secret"), BadKey, False, says="doctor"),
    "no money": Case(text(403, LOCKED), OutOfCredit, False, says="Exhausted balance"),
    "not allowed": Case(text(403, "Forbidden"), BadKey, False),
    "no model": Case(text(404, "Application 'x' not found"), ModelUnavailable, False, says="not found"),
    "bad field": Case(text(422, [problem(["x"], "missing", "Field required")]), RequestRejected, False, says="x: "),
    "moderation": Case(text(422, [problem(["prompt"], "content_policy_violation", "flagged")]), ContentRefused, False),
    "conflict": Case(text(409, "Conflict"), VendorUnavailable, False),
    "rate, no wait named": Case(text(429, "too fast"), RateLimited, False, sends=SENDS, says="too fast"),
    "rate, no body": Case(Answer(429), RateLimited, False, sends=SENDS),
    "rate, a short wait": Case(Answer.of({}, 429, retry_after="0"), RateLimited, False, sends=SENDS),
    "rate, a long wait": Case(Answer.of({}, 429, retry_after="3600"), RateLimited, False, says="after 3600 s"),
    "server error": Case(text(500, "Internal", error_type="internal_error"), UnknownOutcome, None),
    "no id": Case(Answer.of({"status": "IN_QUEUE"}), UnknownOutcome, None, after=True),
}
UPLOAD = {
    "bad key": Case(text(401, "No user found for Key ID and Secret"), BadKey, False),
    "no money": Case(text(403, LOCKED), OutOfCredit, False),
    "refused": Case(text(422, "content_type is not allowed"), RequestRejected, False, says="content_type"),
    "gone": Case(text(404, "Not Found"), RequestRejected, False),
    "server error": Case(text(500, "Internal"), VendorUnavailable, False, sends=SENDS),
    "no addresses": Case(Answer.of({"file_url": "https://x"}), VendorUnavailable, False, sends=SENDS),
    "reset": Case(Answer.reset(), VendorUnavailable, False, sends=SENDS),
    "half an answer": Case(truncated, VendorUnavailable, False, sends=SENDS),
}
PUT = {
    "expired": Case(Answer(403, b"<Error>"), RequestRejected, False, says="HTTP 403"),
    "server error": Case(Answer(500), VendorUnavailable, False, sends=SENDS),
    "reset": Case(Answer.reset(), VendorUnavailable, False, sends=SENDS),
}
QUEUE = Queue(
    plain=PLAIN,
    door="submit",
    submit=SUBMIT,
    uploads={"upload": UPLOAD, "put": PUT},
    pictured=plain_order(UPLOADING),
    poll=faults.POLL
    | {
        "rate": Case(text(429, "too fast"), RateLimited, None),
        "not visible": Case(text(404, "Request not found"), VendorUnavailable, None),
        "server error": Case(text(500, "Internal"), VendorUnavailable, None),
        "bad key": Case(text(401, "No user found"), BadKey, None),
        "no money": Case(text(403, LOCKED), OutOfCredit, None),
        "not allowed": Case(text(403, "Forbidden"), BadKey, None),
    },
    stops=True,
)
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


@pytest.mark.parametrize(("own_machine", "refused"), [(True, False), (False, True)])
async def test_a_picture_is_not_put_where_all_can_read_it(own_machine: Any, refused: Any) -> None:
    addresses = {"": "http://127.0.0.1:9"} if own_machine else {}
    sender = Told({"upload_url": "http://files.example/1", "file_url": "https://files.example/1"})
    provider = open_provider("fal", ProviderConfig(key="id:secret", addresses=addresses, overrides={}, http=sender))
    if refused:
        with pytest.raises(ProviderError, match="not encrypted") as caught:
            await handed_over(provider, plain_order(UPLOADING))
        assert caught.value.charged is False
    else:
        await handed_over(provider, plain_order(UPLOADING))
    assert [request.with_key for request in sender.requests] == [True] + ([] if refused else [False])


@pytest.mark.parametrize("name", ENDINGS)
async def test_a_task_that_completes_without_success(
    name: str, fal: FalEmulator, provider: Provider, tmp_path: Path
) -> None:
    status, body, aside, error, charged = ENDINGS[name]
    fal.end_next(status, body, **aside)
    with pytest.raises(ProviderError) as caught:
        await drive(provider, plain_order(PLAIN), tmp_path)
    check_error(caught.value, Case(Answer(), error, charged), "fal", fal.key)
    assert len(fal.received("submit")) == 1
    assert not fal.charges


async def test_what_was_cancelled_elsewhere_is_over(fal: FalEmulator, provider: Provider) -> None:
    handle = await submitted(provider, plain_order(PLAIN))
    assert await provider.cancel(handle) is True
    fal.seconds = 0.0
    with pytest.raises(TaskEnded, match="cancelled") as caught:
        await provider.poll(handle)
    error = ended(caught.value)
    assert type(error) is GenerationFailed
    assert error.charged is None


@pytest.mark.parametrize(
    "spoken",
    ["the key {key} is unknown", "the key {start}*** is unknown", "the secret {secret} is unknown"],
)
async def test_a_key_that_the_vendor_repeats_goes_no_further(spoken: str, fal: FalEmulator, provider: Provider) -> None:
    secret = fal.key.partition(":")[2]
    fal.fail_next("submit", text(401, spoken.format(key=fal.key, start=fal.key[:9], secret=secret)))
    with pytest.raises(BadKey) as caught:
        await provider.submit(plain_order(PLAIN))
    assert "[key]" in str(caught.value)
    assert secret[:6] not in str(caught.value)


async def test_nothing_secret_is_logged(
    fal: FalEmulator, provider: Provider, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    fal.fail_next("upload", Answer.reset())
    fal.fail_next("cancel", Answer.reset())
    driven = await drive(provider, plain_order(UPLOADING), tmp_path)
    assert await provider.cancel(driven.handle) is False
    check_log(caplog, "requests/req-0001", fal.key, fal.key.partition(":")[2], "sig=", "Authorization")
