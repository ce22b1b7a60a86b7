"""What can go wrong with Replicate, each with its one error: class, words, whether a retry helps, what was charged.

The faults in `cases.py` are tried in `test_queue_faults.py`, beside those of the other vendors that take their time.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from imagewright.errors import (
    BadKey,
    ContentRefused,
    GenerationFailed,
    ModelUnavailable,
    ProviderError,
    RequestRejected,
    ResultLost,
    TaskEnded,
    UnknownOutcome,
    VendorUnavailable,
)
from tests.emulators.messages import Answer
from tests.emulators.replicate import THROTTLED, ReplicateEmulator, failure
from tests.providers.replicate.cases import NO_TOKEN, PLAIN, SUBMIT, UPLOADING, VERSIONED
from tests.support import faults
from tests.support.faults import SENDS, Case, check_error, check_log, plan
from tests.support.faults_queued import check_submit
from tests.support.provider_runs import drive, made, plain_order, submitted
from tests.support.replies import ended

if TYPE_CHECKING:
    from pathlib import Path

    from imagewright.providers.base import Provider

pytestmark = pytest.mark.anyio


LOOK_UP = {
    "bad key": Case(NO_TOKEN, BadKey, False),
    "gone": Case(failure(404, "not found"), ModelUnavailable, False),
    "no version": Case(Answer.of({"latest_version": None}), ModelUnavailable, False, says="no version"),
    "server error": Case(failure(500, "Internal"), VendorUnavailable, False),
    "busy": Case(faults.BUSY, VendorUnavailable, False, sends=SENDS),
    "reset": Case(Answer.reset(), VendorUnavailable, False),
}
ENDINGS = {
    "moderation": Case(Answer(), ContentRefused, None, says="NSFW content detected"),
    "moderation of a wrapper": Case(Answer(), ContentRefused, None, says="went wrong (E005)"),
    "bad input": Case(Answer(), RequestRejected, None, says="Input validation error: x"),
    "out of memory": Case(Answer(), GenerationFailed, None, says="out of memory (E1001)"),
}


@pytest.mark.parametrize(
    "row", [row for row, case in SUBMIT.items() if case.worked or row in ("bad field", "gateway broken")]
)
async def test_a_submit_of_a_version_that_fails(row: str, emulator: ReplicateEmulator, provider: Provider) -> None:
    await check_submit(SUBMIT[row], provider, plain_order(VERSIONED), emulator, "create_version")


async def test_after_an_unknown_outcome_the_version_is_not_tried(
    emulator: ReplicateEmulator, provider: Provider
) -> None:
    emulator.fail_next("create", Answer.reset(), after=True)
    with pytest.raises(UnknownOutcome):
        await provider.submit(plain_order(PLAIN))
    assert not emulator.received("model")
    assert not emulator.received("create_version")


@pytest.mark.parametrize("row", LOOK_UP)
async def test_a_look_up_that_fails_costs_nothing_and_starts_nothing(
    row: str, emulator: ReplicateEmulator, provider: Provider
) -> None:
    case = LOOK_UP[row]
    plan(emulator, "model", case)
    with pytest.raises(ProviderError) as caught:
        await submitted(provider, plain_order(VERSIONED))
    check_error(caught.value, case, "replicate", emulator.key)
    assert len(emulator.received("model")) == case.sends
    assert not emulator.received("create_version")


@pytest.mark.parametrize("row", ENDINGS)
@pytest.mark.parametrize("at_once", [False, True], ids=["later", "at once"])
async def test_a_prediction_that_fails(
    row: str,
    at_once: bool,  # noqa: FBT001 - a parameter of the table
    emulator: ReplicateEmulator,
    provider: Provider,
    tmp_path: Path,
) -> None:
    case = ENDINGS[row]
    emulator.seconds = 0.0 if at_once else None
    emulator.fail_task_next(case.says)
    with pytest.raises(ProviderError) as caught:
        await drive(provider, plain_order(PLAIN), tmp_path)
    check_error(caught.value, case, "replicate", emulator.key)
    assert len(emulator.received("create")) == 1
    assert not emulator.charges


async def test_a_prediction_that_was_stopped_elsewhere_is_over(emulator: ReplicateEmulator, provider: Provider) -> None:
    handle = await submitted(provider, plain_order(PLAIN))
    next(iter(emulator.tasks.values())).status = "canceled"
    with pytest.raises(TaskEnded, match="canceled") as caught:
        await provider.poll(handle)
    assert type(ended(caught.value)) is GenerationFailed


async def test_a_prediction_asked_for_too_late_has_lost_its_pictures(
    emulator: ReplicateEmulator, provider: Provider
) -> None:
    handle = await submitted(provider, plain_order(PLAIN))
    emulator.seconds = 0.0
    emulator.forget()
    with pytest.raises(TaskEnded, match="one hour") as caught:
        await provider.poll(handle)
    error = ended(caught.value, sure=False)
    assert type(error) is ResultLost
    assert error.charged is True


LOST_AT_HOME: dict[str, Case] = {
    **faults.DOWNLOAD,
    "bad key": Case(NO_TOKEN, ResultLost, True, says="HTTP 401"),
    "nothing": Case(Answer(200), ResultLost, True, sends=SENDS, says="empty file"),
    "moved inside": Case(
        Answer(302, b"", {"Location": "http://10.0.0.1/"}), ResultLost, True, says="not a public address"
    ),
    "moved nowhere": Case(
        Answer(302, b"", {"Location": "http://xn--a/"}), ResultLost, True, says="not a whole http(s) address"
    ),
}


@pytest.mark.parametrize("row", LOST_AT_HOME)
async def test_a_picture_that_cannot_be_had_with_the_key_is_lost_too(
    row: str, emulator: ReplicateEmulator, provider: Provider, tmp_path: Path
) -> None:
    case = LOST_AT_HOME[row]
    emulator.keeps_files = True
    (output,) = (await made(provider, plain_order(PLAIN))).outputs
    plan(emulator, "own_file", case)
    with pytest.raises(ResultLost) as caught:
        await provider.fetch(output, tmp_path / "picture")
    check_error(caught.value, case, "replicate", emulator.key)
    assert len(emulator.received("own_file")) == case.sends
    assert not (tmp_path / "picture").exists()


async def test_a_picture_that_has_moved_is_followed_without_the_key(
    emulator: ReplicateEmulator, provider: Provider, tmp_path: Path
) -> None:
    emulator.keeps_files = True
    (output,) = (await made(provider, plain_order(PLAIN))).outputs
    elsewhere = output.url.replace(f"{emulator.url('api')}/v1/outputs", emulator.url("files"))
    emulator.fail_next("own_file", Answer(302, b"", {"Location": elsewhere}))
    await provider.fetch(output, tmp_path / "picture")
    assert (tmp_path / "picture").read_bytes()[:4] in (b"\x89PNG", b"\xff\xd8\xff\xe0")
    assert "authorization" not in emulator.received("download")[0].headers


async def test_a_key_that_the_vendor_repeats_goes_no_further(emulator: ReplicateEmulator, provider: Provider) -> None:
    emulator.fail_next("create", failure(401, f"the key {emulator.key} is unknown"))
    with pytest.raises(BadKey) as caught:
        await provider.submit(plain_order(PLAIN))
    assert "[key]" in str(caught.value)
    assert emulator.key[:6] not in str(caught.value)


async def test_nothing_secret_is_logged(
    emulator: ReplicateEmulator, provider: Provider, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    emulator.fail_next("upload", Answer.reset())
    emulator.fail_next("create", failure(404, "not by this name"))
    driven = await drive(provider, UPLOADING, tmp_path)
    emulator.fail_next("cancel", Answer.reset())
    assert await provider.cancel(driven.handle) is False
    check_log(caplog, "looking up its version", emulator.key, "Bearer", THROTTLED)
