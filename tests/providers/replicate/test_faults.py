"""What can go wrong with Replicate, each with its one error: class, words, whether a retry helps, what was charged.

The rows of `QUEUE` are tried in `test_queue_faults.py`, beside those of the other vendors that take their time.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

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
    ResultLost,
    UnknownOutcome,
    VendorUnavailable,
)
from imagewright.providers.base import TaskEnded
from imagewright.providers.replicate.routes import ROUTES
from tests.emulators.messages import Answer, truncated
from tests.emulators.replicate import NO_CREDIT, THROTTLED, ReplicateEmulator, failure
from tests.support import faults
from tests.support.faults import SENDS, Case, check_error, check_log, plan
from tests.support.faults_queued import Queue, check_submit
from tests.support.pictures import noise
from tests.support.provider_runs import drive, made, picture, plain_order, submitted
from tests.support.replies import ended
from tests.support.vendors import wired

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from imagewright.providers.base import Provider
    from imagewright.providers.http.client import HttpClient
    from tests.emulators.messages import Fault

pytestmark = pytest.mark.anyio

PLAIN = next(route for route in ROUTES if not route.image_field and not route.say_count)
VERSIONED = next(route for route in ROUTES if route.versioned)
WITH_PICTURES = next(route for route in ROUTES if route.image_list and not route.say_count)
UPLOADING = replace(plain_order(WITH_PICTURES), images=(replace(picture(), data=noise(320, 320)),))
NO_TOKEN = failure(401, "You did not pass a valid authentication token", "Unauthenticated")
BROKE = failure(402, NO_CREDIT, "Insufficient credit")
NOW = failure(429, "Request was throttled. Your rate limit resets in ~0s.")


@pytest.fixture
def replicate() -> Iterator[ReplicateEmulator]:
    with ReplicateEmulator() as emulator:
        yield emulator


@pytest.fixture
def provider(replicate: ReplicateEmulator, http: HttpClient) -> Provider:
    return wired("replicate", replicate, http)


SUBMIT = faults.SUBMIT | {
    "bad key": Case(NO_TOKEN, BadKey, False, says="Unauthenticated"),
    "no money": Case(BROKE, OutOfCredit, False, says="insufficient credit"),
    "bad field": Case(
        failure(422, "- input.x is required\n", "Input validation failed"), RequestRejected, False, says="input.x"
    ),
    "moderation": Case(failure(422, "The prompt was flagged as sensitive"), ContentRefused, False),
    "rate, the wait in words": Case(NOW, RateLimited, False, sends=SENDS, says="throttled"),
    "rate, a long wait in words": Case(failure(429, "It resets in ~3600s."), RateLimited, False, says="after 3600 s"),
    "rate, no wait named": Case(failure(429, "throttled"), RateLimited, False, sends=SENDS),
    "rate, a header": Case(Answer.of({}, 429, retry_after="0"), RateLimited, False, sends=SENDS),
    "gateway too slow": Case(failure(504, "timeout"), UnknownOutcome, None),
    "server error": Case(failure(500, "Internal server error"), UnknownOutcome, None),
    "no id": Case(Answer.of({"status": "starting"}, 201), UnknownOutcome, None, after=True),
}
UPLOAD = {
    "bad key": Case(NO_TOKEN, BadKey, False),
    "refused": Case(failure(400, "Missing content"), RequestRejected, False, says="Missing content"),
    "gone": Case(failure(404, "not found"), RequestRejected, False),
    "server error": Case(failure(500, "Internal"), VendorUnavailable, False, sends=SENDS),
    "no address": Case(Answer.of({"id": "f"}, 201), VendorUnavailable, False, sends=SENDS),
    "reset": Case(Answer.reset(), VendorUnavailable, False, sends=SENDS),
    "half an answer": Case(truncated, VendorUnavailable, False, sends=SENDS),
}
LOOK_UP = {
    "bad key": Case(NO_TOKEN, BadKey, False),
    "gone": Case(failure(404, "not found"), ModelUnavailable, False),
    "no version": Case(Answer.of({"latest_version": None}), ModelUnavailable, False, says="no version"),
    "server error": Case(failure(500, "Internal"), VendorUnavailable, False),
    "busy": Case(faults.BUSY, VendorUnavailable, False, sends=SENDS),
    "reset": Case(Answer.reset(), VendorUnavailable, False),
}
QUEUE = Queue(
    plain=PLAIN,
    submit=SUBMIT,
    uploads={"upload": UPLOAD},
    pictured=UPLOADING,
    poll=faults.POLL
    | {
        "rate": Case(NOW, RateLimited, None),
        "not visible": Case(failure(404, "not found"), VendorUnavailable, None),
        "server error": Case(failure(500, "Internal"), VendorUnavailable, None),
        "bad key": Case(NO_TOKEN, BadKey, None),
        "no money": Case(BROKE, OutOfCredit, None),
    },
    stops=True,
)
ENDINGS = {
    "moderation": Case(Answer(), ContentRefused, None, says="NSFW content detected"),
    "moderation of a wrapper": Case(Answer(), ContentRefused, None, says="went wrong (E005)"),
    "bad input": Case(Answer(), RequestRejected, None, says="Input validation error: x"),
    "out of memory": Case(Answer(), GenerationFailed, None, says="out of memory (E1001)"),
}


@pytest.mark.parametrize(
    "name", [name for name, case in SUBMIT.items() if case.worked or name in ("bad field", "gateway broken")]
)
async def test_a_submit_of_a_version_that_fails(name: str, replicate: ReplicateEmulator, provider: Provider) -> None:
    await check_submit(SUBMIT[name], provider, plain_order(VERSIONED), replicate, "create_version")


async def test_after_an_unknown_outcome_the_version_is_not_tried(
    replicate: ReplicateEmulator, provider: Provider
) -> None:
    replicate.fail_next("create", Answer.reset(), after=True)
    with pytest.raises(UnknownOutcome):
        await provider.submit(plain_order(PLAIN))
    assert not replicate.received("model")
    assert not replicate.received("create_version")


@pytest.mark.parametrize("name", LOOK_UP)
async def test_a_look_up_that_fails_costs_nothing_and_starts_nothing(
    name: str, replicate: ReplicateEmulator, provider: Provider
) -> None:
    case = LOOK_UP[name]
    plan(replicate, "model", case)
    with pytest.raises(ProviderError) as caught:
        await submitted(provider, plain_order(VERSIONED))
    check_error(caught.value, case, "replicate", replicate.key)
    assert len(replicate.received("model")) == case.sends
    assert not replicate.received("create_version")


@pytest.mark.parametrize("name", ENDINGS)
@pytest.mark.parametrize("at_once", [False, True], ids=["later", "at once"])
async def test_a_prediction_that_fails(
    name: str,
    at_once: bool,  # noqa: FBT001 - a parameter of the table
    replicate: ReplicateEmulator,
    provider: Provider,
    tmp_path: Path,
) -> None:
    case = ENDINGS[name]
    replicate.seconds = 0.0 if at_once else None
    replicate.fail_task_next(case.says)
    with pytest.raises(ProviderError) as caught:
        await drive(provider, plain_order(PLAIN), tmp_path)
    check_error(caught.value, case, "replicate", replicate.key)
    assert len(replicate.received("create")) == 1
    assert not replicate.charges


async def test_a_prediction_that_was_stopped_elsewhere_is_over(
    replicate: ReplicateEmulator, provider: Provider
) -> None:
    handle = await submitted(provider, plain_order(PLAIN))
    next(iter(replicate.tasks.values())).status = "canceled"
    with pytest.raises(TaskEnded, match="canceled") as caught:
        await provider.poll(handle)
    assert type(ended(caught.value)) is GenerationFailed


async def test_a_prediction_asked_for_too_late_has_lost_its_pictures(
    replicate: ReplicateEmulator, provider: Provider
) -> None:
    handle = await submitted(provider, plain_order(PLAIN))
    replicate.seconds = 0.0
    replicate.forget()
    with pytest.raises(TaskEnded, match="one hour") as caught:
        await provider.poll(handle)
    error = ended(caught.value, sure=False)
    assert type(error) is ResultLost
    assert error.charged is True


LOST_AT_HOME: dict[str, tuple[Fault, str]] = {
    "expired": (failure(404, "gone"), "HTTP 404"),
    "nothing": (Answer(200), "HTTP 200"),
    "truncated": (truncated, ""),
    "reset": (Answer.reset(), ""),
    "moved inside": (Answer(302, b"", {"Location": "http://10.0.0.1/"}), "not a public address"),
}


@pytest.mark.parametrize("name", LOST_AT_HOME)
async def test_a_picture_that_cannot_be_had_with_the_key_is_lost_too(
    name: str, replicate: ReplicateEmulator, provider: Provider, tmp_path: Path
) -> None:
    fault, says = LOST_AT_HOME[name]
    replicate.keeps_files = True
    (product,) = (await made(provider, plain_order(PLAIN))).products
    replicate.fail_next("own_file", fault)
    with pytest.raises(ResultLost) as caught:
        await provider.fetch(product, tmp_path / "picture")
    check_error(caught.value, Case(Answer(), ResultLost, True, says=says), "replicate", replicate.key)
    assert not (tmp_path / "picture").exists()


async def test_a_picture_that_has_moved_is_followed_without_the_key(
    replicate: ReplicateEmulator, provider: Provider, tmp_path: Path
) -> None:
    replicate.keeps_files = True
    (product,) = (await made(provider, plain_order(PLAIN))).products
    elsewhere = product.url.replace(f"{replicate.url('api')}/v1/outputs", replicate.url("files"))
    replicate.fail_next("own_file", Answer(302, b"", {"Location": elsewhere}))
    await provider.fetch(product, tmp_path / "picture")
    assert (tmp_path / "picture").read_bytes()[:4] in (b"\x89PNG", b"\xff\xd8\xff\xe0")
    assert "authorization" not in replicate.received("download")[0].headers


async def test_a_key_that_the_vendor_repeats_goes_no_further(replicate: ReplicateEmulator, provider: Provider) -> None:
    replicate.fail_next("create", failure(401, f"the key {replicate.key} is unknown"))
    with pytest.raises(BadKey) as caught:
        await provider.submit(plain_order(PLAIN))
    assert "[key]" in str(caught.value)
    assert replicate.key[:6] not in str(caught.value)


async def test_nothing_secret_is_logged(
    replicate: ReplicateEmulator, provider: Provider, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    replicate.fail_next("upload", Answer.reset())
    replicate.fail_next("create", failure(404, "not by this name"))
    driven = await drive(provider, UPLOADING, tmp_path)
    replicate.fail_next("cancel", Answer.reset())
    assert await provider.cancel(driven.handle) is False
    check_log(caplog, "looking up its version", replicate.key, "Bearer", THROTTLED)
