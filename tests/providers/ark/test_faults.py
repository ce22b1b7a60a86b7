"""What can go wrong with Ark, each with its one error: class, words, whether a retry helps, whether it was charged."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from imagewright.errors import (
    BadKey,
    ContentRefused,
    GenerationFailed,
    ModelUnavailable,
    OutOfCredit,
    RateLimited,
    RequestRejected,
    ResultLost,
    UnknownOutcome,
    VendorUnavailable,
)
from imagewright.providers.ark.provider import Ark, build
from imagewright.providers.ark.routes import ROUTES
from imagewright.providers.base import Finished, ProviderConfig
from tests.emulators.ark import ArkEmulator, error
from tests.emulators.messages import Answer, truncated
from tests.support.faults import SENDS, SILENCE, Case, check_log
from tests.support.faults_sync import COMMON, check_fault
from tests.support.provider_runs import drive_at_once, plain_order

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from imagewright.providers.http.client import HttpClient

pytestmark = pytest.mark.anyio

PLAIN, EDIT = ROUTES[0], ROUTES[1]
SENSITIVE = "The request failed because the input text may contain sensitive information."

SUBMIT = COMMON | {
    "moderation of the prompt": Case(
        error(400, "InputTextSensitiveContentDetected", SENSITIVE), ContentRefused, False, says="sensitive information"
    ),
    "moderation of a picture": Case(
        error(400, "InputImageSensitiveContentDetected.PrivacyInformation", "A real person."), ContentRefused, False
    ),
    "moderation of the result": Case(error(400, "OutputImageSensitiveContentDetected", "m"), ContentRefused, None),
    "key": Case(
        error(401, "AuthenticationError", "The API key is invalid."), BadKey, False, says="not interchangeable"
    ),
    "no money": Case(error(403, "AccountOverdueError", "overdue balance"), OutOfCredit, False, says="overdue balance"),
    "no money for the service": Case(error(403, "OperationDenied.ServiceOverdue", "m"), OutOfCredit, False),
    "not allowed": Case(error(403, "OperationDenied.InvalidState", "m"), BadKey, False, says="InvalidState"),
    "not activated": Case(error(404, "ModelNotOpen", "Please activate the model."), ModelUnavailable, False),
    "not activated, with a 403": Case(error(403, "ModelNotOpen", "m"), ModelUnavailable, False, says="ModelNotOpen"),
    "no such model": Case(error(404, "InvalidEndpointOrModel.NotFound", "m"), ModelUnavailable, False),
    "images a minute": Case(
        error(429, "ModelAccountIpmRateLimitExceeded", "m"), RateLimited, False, sends=SENDS, says="Ipm"
    ),
    "requests a minute": Case(
        error(429, "RateLimitExceeded.EndpointRPMExceeded", "m"), RateLimited, False, sends=SENDS
    ),
    "rate, a long wait in their form": Case(
        error(429, "RateLimitExceeded.Foo", "m", retry_after="3600"), RateLimited, False, says="after 3600 s"
    ),
    "a field": Case(error(400, "InvalidParameter", "`size` is not valid"), RequestRejected, False, says="`size`"),
    "a picture's address": Case(error(400, "InvalidImageURL", "status 403"), RequestRejected, False),
    "a field, another code": Case(error(400, "MissingParameter", "prompt"), RequestRejected, False, says="prompt"),
    "server error": Case(error(500, "InternalServiceError", "unexpected"), VendorUnavailable, False, says="unexpected"),
    "server error without a code": Case(Answer.of({"message": "?"}, 500), UnknownOutcome, None),
    "an error in a 200": Case(error(200, "SomethingNew", "could not draw"), GenerationFailed, None, says="draw"),
    "no picture": Case(Answer.of({"data": []}), GenerationFailed, None, after=True),
    "no address": Case(Answer.of({"data": [{"url": ""}]}), ResultLost, None, after=True),
}


@pytest.fixture
def ark() -> Iterator[ArkEmulator]:
    with ArkEmulator() as emulator:
        yield emulator


@pytest.fixture
def provider(ark: ArkEmulator, http: HttpClient) -> Ark:
    return build(ProviderConfig(key=ark.key, addresses=ark.addresses, overrides={}, http=http))


@pytest.mark.parametrize("name", SUBMIT)
async def test_a_submit_that_fails(name: str, ark: ArkEmulator, provider: Ark) -> None:
    await check_fault(SUBMIT[name], provider, plain_order(PLAIN), ark)


@pytest.mark.parametrize("fault", [Answer.reset(), truncated, Answer.hang()], ids=["reset", "truncated", "silence"])
async def test_an_edit_whose_outcome_is_unknown_is_not_sent_again(
    fault: Answer, ark: ArkEmulator, provider: Ark
) -> None:
    provider.seconds = SILENCE
    ark.fail_next("generate", fault, after=True)
    with pytest.raises(UnknownOutcome):
        await provider.submit(plain_order(EDIT))
    assert len(ark.received("generate")) == len(ark.charges) == 1


async def test_a_submit_that_was_plainly_refused_is_sent_again(ark: ArkEmulator, provider: Ark) -> None:
    ark.fail_next("generate", error(429, "ModelAccountIpmRateLimitExceeded", "m"), times=SENDS - 1)
    await provider.submit(plain_order(PLAIN))
    assert len(ark.received("generate")) == SENDS
    assert len(ark.charges) == 1


async def test_an_empty_account_a_wrong_key_and_a_rate_are_told_apart(ark: ArkEmulator, provider: Ark) -> None:
    ark.rate = 0
    with pytest.raises(RateLimited):
        await provider.submit(plain_order(PLAIN))
    ark.rate, ark.credit = None, 0.0
    with pytest.raises(OutOfCredit):
        await provider.submit(plain_order(PLAIN))
    ark.key = "another-0123456789abcdef"
    with pytest.raises(BadKey, match="doctor"):
        await provider.submit(plain_order(PLAIN))
    assert not ark.charges


async def test_nothing_secret_is_logged(
    ark: ArkEmulator, provider: Ark, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    ark.fail_next("generate", error(401, "AuthenticationError", f"The key {ark.key} is unknown."))
    ark.fail_next("download", truncated)
    with pytest.raises(BadKey) as caught:
        await provider.submit(plain_order(EDIT))
    assert ark.key[:6] not in str(caught.value)
    await drive_at_once(provider, plain_order(EDIT), tmp_path)
    check_log(caplog, "/images/generations", ark.key, "Signature=", "Bearer", "base64")


async def test_a_finished_call_names_links_only(provider: Ark) -> None:
    finished = await provider.submit(plain_order(PLAIN))
    assert isinstance(finished, Finished)
    assert all(product.url and product.data is None and product.seed is None for product in finished.products)
