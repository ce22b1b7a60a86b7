"""What can go wrong with Replicate, each with its one error: class, words, whether a retry helps, what was charged."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from driving import drive, handed_over, picture, plain_order, submitted
from emulators.messages import Answer, truncated
from emulators.replicate import NO_CREDIT, THROTTLED, ReplicateEmulator, failure
from faults import QUICK, SENDS, Case, check_error, impatient_sender, plan
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
from imagewright.providers import open_provider
from imagewright.providers.base import Finished, Running, Wiring
from imagewright.providers.replicate.routes import ROUTES
from imagewright.providers.sending.http import Http
from pictures import noise

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from emulators.messages import Fault
    from imagewright.providers.base import Order, Product, Provider

pytestmark = pytest.mark.anyio

PLAIN = next(route for route in ROUTES if not route.image_field and not route.say_count)
VERSIONED = next(route for route in ROUTES if route.versioned)
WITH_PICTURES = next(route for route in ROUTES if route.image_list and not route.say_count)
HTML = Answer(502, b"<html>Bad gateway</html>", {"Content-Type": "text/html"})
BUSY = Answer(503, b"<html>Busy</html>", {"Content-Type": "text/html"})
NO_TOKEN = failure(401, "You did not pass a valid authentication token", "Unauthenticated")
BROKE = failure(402, NO_CREDIT, "Insufficient credit")
NOW = failure(429, "Request was throttled. Your rate limit resets in ~0s.")


@pytest.fixture
def replicate() -> Iterator[ReplicateEmulator]:
    with ReplicateEmulator() as emulator:
        yield emulator


@pytest.fixture
async def http(request: pytest.FixtureRequest) -> AsyncIterator[Http]:
    """Impatient only where the vendor says nothing: a busy machine is no silent vendor."""
    silent = "silence" in request.node.name
    sender = impatient_sender() if silent else Http(retry=QUICK, download_retry=QUICK)
    yield sender
    await sender.aclose()


@pytest.fixture
def provider(replicate: ReplicateEmulator, http: Http) -> Provider:
    wiring = Wiring(key=replicate.key, addresses=replicate.addresses, overrides={}, http=http)
    return open_provider("replicate", wiring)


def _uploading() -> Order:
    return replace(plain_order(WITH_PICTURES), images=(replace(picture(), data=noise(320, 320)),))


SUBMIT = {
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
    "gateway busy": Case(BUSY, VendorUnavailable, False, sends=SENDS, says="HTTP 503"),
    "gateway broken": Case(HTML, UnknownOutcome, None, says="not sent again"),
    "gateway too slow": Case(failure(504, "timeout"), UnknownOutcome, None),
    "server error": Case(failure(500, "Internal server error"), UnknownOutcome, None),
    "a page instead": Case(Answer(200, b"<html>"), UnknownOutcome, None),
    "a redirect": Case(Answer(302, b"", {"Location": "https://elsewhere.example/"}), RequestRejected, False),
    "reset before": Case(Answer.reset(), UnknownOutcome, None),
    "silence": Case(Answer.hang(), UnknownOutcome, None, says="no answer within"),
}
SUBMIT_TAKEN = {
    "no id": Case(Answer.of({"status": "starting"}, 201), UnknownOutcome, None, after=True),
    "reset after": Case(Answer.reset(), UnknownOutcome, None, after=True),
    "half an answer": Case(truncated, UnknownOutcome, None),
    "silence after": Case(Answer.hang(), UnknownOutcome, None, after=True),
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
    "busy": Case(BUSY, VendorUnavailable, False, sends=SENDS),
    "reset": Case(Answer.reset(), VendorUnavailable, False),
}
POLL = {
    "rate": Case(NOW, RateLimited, None),
    "gateway broken": Case(HTML, VendorUnavailable, None),
    "gateway's firewall": Case(Answer(403, b"<html>"), VendorUnavailable, None),
    "not visible": Case(failure(404, "not found"), VendorUnavailable, None),
    "server error": Case(failure(500, "Internal"), VendorUnavailable, None),
    "reset": Case(Answer.reset(), VendorUnavailable, None),
    "half an answer": Case(truncated, VendorUnavailable, None),
    "silence": Case(Answer.hang(), VendorUnavailable, None),
    "a page instead": Case(Answer(200, b"<html>"), VendorUnavailable, None),
}
POLL_FINAL = {"bad key": Case(NO_TOKEN, BadKey, None), "no money": Case(BROKE, OutOfCredit, None)}
ENDINGS = {
    "moderation": Case(Answer(), ContentRefused, None, says="NSFW content detected"),
    "moderation of a wrapper": Case(Answer(), ContentRefused, None, says="went wrong (E005)"),
    "bad input": Case(Answer(), RequestRejected, None, says="Input validation error: x"),
    "out of memory": Case(Answer(), GenerationFailed, None, says="out of memory (E1001)"),
}


@pytest.mark.parametrize(
    ("label", "name"),
    [
        *(("create", name) for name in (*SUBMIT, *SUBMIT_TAKEN)),
        *(("create_version", name) for name in ("bad field", "gateway broken", *SUBMIT_TAKEN)),
    ],
)
async def test_a_submit_that_fails(label: str, name: str, replicate: ReplicateEmulator, provider: Provider) -> None:
    case = (SUBMIT | SUBMIT_TAKEN)[name]
    plan(replicate, label, case)

    with pytest.raises(ProviderError) as caught:
        await submitted(provider, plain_order(PLAIN if label == "create" else VERSIONED))

    check_error(caught.value, case, "replicate", replicate.key)
    assert len(replicate.received("create")) + len(replicate.received("create_version")) == case.sends
    assert len(replicate.tasks) == (name in SUBMIT_TAKEN)


@pytest.mark.parametrize("fault", [NOW, BUSY], ids=["429", "503"])
async def test_a_submit_that_was_plainly_refused_is_sent_again(
    fault: Answer, replicate: ReplicateEmulator, provider: Provider
) -> None:
    replicate.fail_next("create", fault, times=SENDS - 1)
    await submitted(provider, plain_order(PLAIN))
    assert len(replicate.received("create")) == SENDS
    assert len(replicate.tasks) == 1


async def test_after_an_unknown_outcome_the_version_is_not_tried(
    replicate: ReplicateEmulator, provider: Provider
) -> None:
    replicate.fail_next("create", Answer.reset(), after=True)
    with pytest.raises(UnknownOutcome):
        await provider.submit(plain_order(PLAIN))
    assert not replicate.received("model")
    assert not replicate.received("create_version")


@pytest.mark.parametrize("name", UPLOAD)
async def test_an_upload_that_fails_costs_nothing_and_starts_nothing(
    name: str, replicate: ReplicateEmulator, provider: Provider
) -> None:
    case = UPLOAD[name]
    plan(replicate, "upload", case)
    with pytest.raises(ProviderError) as caught:
        await handed_over(provider, _uploading())
    check_error(caught.value, case, "replicate", replicate.key)
    assert len(replicate.received("upload")) == case.sends
    assert not replicate.received("create")


async def test_an_upload_that_broke_is_sent_again(replicate: ReplicateEmulator, provider: Provider) -> None:
    replicate.fail_next("upload", Answer.reset(), times=2)
    await submitted(provider, _uploading())
    assert len(replicate.received("upload")) == 3


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


@pytest.mark.parametrize("name", POLL)
async def test_a_poll_that_fails_in_passing_leaves_the_prediction_alone(
    name: str, replicate: ReplicateEmulator, provider: Provider
) -> None:
    case = POLL[name]
    handle = await submitted(provider, plain_order(PLAIN))
    plan(replicate, "poll", case)

    with pytest.raises(ProviderError) as caught:
        await provider.poll(handle)

    check_error(caught.value, case, "replicate", replicate.key)
    assert len(replicate.received("poll")) == 1
    assert isinstance(await provider.poll(handle), Running)
    assert len(replicate.received("create")) == 1


@pytest.mark.parametrize("name", POLL_FINAL)
async def test_a_poll_that_ends_the_prediction_admits_that_it_may_be_charged(
    name: str, replicate: ReplicateEmulator, provider: Provider
) -> None:
    case = POLL_FINAL[name]
    handle = await submitted(provider, plain_order(PLAIN))
    plan(replicate, "poll", case)
    with pytest.raises(ProviderError) as caught:
        await provider.poll(handle)
    check_error(caught.value, case, "replicate", replicate.key)


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
    with pytest.raises(GenerationFailed, match="canceled"):
        await provider.poll(handle)


async def test_a_prediction_asked_for_too_late_has_lost_its_pictures(
    replicate: ReplicateEmulator, provider: Provider
) -> None:
    handle = await submitted(provider, plain_order(PLAIN))
    replicate.seconds = 0.0
    replicate.forget()
    with pytest.raises(ResultLost, match="one hour") as caught:
        await provider.poll(handle)
    assert caught.value.charged is True


@pytest.mark.parametrize(
    "fault", [Answer.reset(), Answer.hang(), HTML, NO_TOKEN], ids=["reset", "silence", "gateway", "key"]
)
async def test_a_cancel_that_fails_breaks_nothing(
    fault: Answer, replicate: ReplicateEmulator, provider: Provider
) -> None:
    handle = await submitted(provider, plain_order(PLAIN))
    replicate.fail_next("cancel", fault)
    assert await provider.cancel(handle) is False
    assert len(replicate.received("cancel")) == 1


async def test_a_wrong_key_and_an_empty_account_are_said(replicate: ReplicateEmulator, provider: Provider) -> None:
    replicate.broke = True
    with pytest.raises(OutOfCredit, match="purchase credit"):
        await provider.submit(plain_order(PLAIN))
    replicate.key = "r8_another0123456789"
    with pytest.raises(BadKey):
        await provider.submit(plain_order(PLAIN))


async def _made(provider: Provider, replicate: ReplicateEmulator) -> Product:
    replicate.seconds = 0.0
    answer = await provider.submit(plain_order(PLAIN))
    assert isinstance(answer, Finished)
    return answer.products[0]


LOST: dict[str, tuple[Fault, int, str]] = {
    "expired": (Answer(404, b"gone"), 1, "the file is gone (HTTP 404)"),
    "truncated": (truncated, SENDS, "cut short"),
    "a page": (Answer(200, b"<html>", {"Content-Type": "text/html"}), 1, "leads to a page"),
}
LOST_AT_HOME: dict[str, tuple[Fault, str]] = {
    "expired": (failure(404, "gone"), "HTTP 404"),
    "nothing": (Answer(200), "HTTP 200"),
    "truncated": (truncated, ""),
    "reset": (Answer.reset(), ""),
    "moved inside": (Answer(302, b"", {"Location": "http://10.0.0.1/"}), "not a public address"),
}


@pytest.mark.parametrize("name", LOST)
async def test_a_picture_that_cannot_be_had_is_lost_but_paid(
    name: str, replicate: ReplicateEmulator, provider: Provider, tmp_path: Path
) -> None:
    fault, sends, says = LOST[name]
    product = await _made(provider, replicate)
    replicate.fail_next("download", fault, times=sends)
    with pytest.raises(ResultLost) as caught:
        await provider.fetch(product, tmp_path / "picture")
    check_error(caught.value, Case(Answer(), ResultLost, True, says=says), "replicate", replicate.key)
    assert not (tmp_path / "picture").exists()


@pytest.mark.parametrize("name", LOST_AT_HOME)
async def test_a_picture_that_cannot_be_had_with_the_key_is_lost_too(
    name: str, replicate: ReplicateEmulator, provider: Provider, tmp_path: Path
) -> None:
    fault, says = LOST_AT_HOME[name]
    replicate.keeps_files = True
    product = await _made(provider, replicate)
    replicate.fail_next("own_file", fault)
    with pytest.raises(ResultLost) as caught:
        await provider.fetch(product, tmp_path / "picture")
    check_error(caught.value, Case(Answer(), ResultLost, True, says=says), "replicate", replicate.key)
    assert not (tmp_path / "picture").exists()


async def test_a_picture_that_has_moved_is_followed_without_the_key(
    replicate: ReplicateEmulator, provider: Provider, tmp_path: Path
) -> None:
    replicate.keeps_files = True
    product = await _made(provider, replicate)
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
    driven = await drive(provider, _uploading(), tmp_path)
    replicate.fail_next("cancel", Answer.reset())
    assert await provider.cancel(driven.handle) is False
    logged = "\n".join(f"{record.name} {record.getMessage()} {record.args}" for record in caplog.records)
    assert "looking up its version" in logged
    for secret in (replicate.key, "Bearer"):
        assert secret not in logged
    assert THROTTLED not in logged
