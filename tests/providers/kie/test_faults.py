"""What can go wrong with Kie, each with its one error: class, words, whether a retry helps, whether it was charged.

The faults in `cases.py` are tried in `test_queue_faults.py`, beside those of the other vendors that take their time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from imagewright.errors import ContentRefused, GenerationFailed, ProviderError, RateLimited, RequestRejected, ResultLost
from imagewright.providers import open_provider
from imagewright.providers.base import Output, ProviderConfig
from imagewright.providers.kie.routes import ROUTES
from tests.emulators.messages import Answer, truncated
from tests.providers.kie.cases import PLAIN, WITH_PICTURE
from tests.support import faults
from tests.support.faults import SENDS, Case, check_error
from tests.support.provider_runs import drive, handed_over, made, plain_order, submitted

if TYPE_CHECKING:
    from pathlib import Path

    from imagewright.providers.base import Provider
    from imagewright.providers.http.client import HttpClient
    from tests.emulators.kie import KieEmulator
    from tests.emulators.messages import Fault

pytestmark = pytest.mark.anyio


async def test_a_burst_beyond_the_vendors_rate_is_refused_and_reported(
    emulator: KieEmulator, provider: Provider
) -> None:
    emulator.limit(2, 10)
    for _ in range(2):
        await submitted(provider, plain_order(PLAIN))
    with pytest.raises(RateLimited):
        await provider.submit(plain_order(PLAIN))
    assert len(emulator.tasks) == 2


async def test_an_upload_whose_answer_was_cut_short_is_not_taken_twice(
    emulator: KieEmulator, provider: Provider
) -> None:
    emulator.fail_next("upload", truncated)  # which has then stored the file, and takes no name twice
    with pytest.raises(ProviderError) as caught:
        await handed_over(provider, plain_order(WITH_PICTURE))
    assert caught.value.charged is False
    assert not emulator.received("create")


@pytest.mark.parametrize(
    ("code", "text", "error"),
    [
        ("501", "upstream generation failed", GenerationFailed),
        ("500", "server is busy", GenerationFailed),
        ("400", "flagged as sensitive", ContentRefused),
        ("422", "input is wrong", RequestRejected),
    ],
)
@pytest.mark.parametrize("route", {route.family: route for route in ROUTES}.values(), ids=lambda route: route.family)
async def test_a_task_that_fails(  # noqa: PLR0917 - one argument per column of the table, and the fixtures
    route: Any,
    code: str,
    text: str,
    error: type[ProviderError],
    emulator: KieEmulator,
    provider: Provider,
    tmp_path: Path,
) -> None:
    emulator.fail_task_next(code, text)
    with pytest.raises(ProviderError) as caught:
        await drive(provider, plain_order(route), tmp_path)
    tells_credits = route.family == "market"
    check_error(caught.value, Case(Answer(), error, False if tells_credits else None, says=text), "kie", emulator.key)
    assert not emulator.charges


async def _made(provider: Provider) -> Output:
    return (await made(provider, plain_order(PLAIN))).outputs[0]


LOST: dict[str, tuple[Fault, int, str]] = {
    "a page": (faults.PAGE, 1, "leads to a page"),
    "JSON": (Answer.of({"error": "expired"}), 1, "leads to a page"),
    "nothing": (Answer(200, b"", {"Content-Type": "image/png"}), SENDS, "empty"),
    "inside": (Answer(302, b"", {"Location": "http://10.0.0.1/"}), 1, "not a public address"),
    "round and round": (lambda _: Answer(302, b"", {"Location": "?again"}), 1, "redirects more than"),
}


@pytest.mark.parametrize("row", LOST)
async def test_a_picture_that_cannot_be_had_is_lost_but_paid(
    row: str, emulator: KieEmulator, provider: Provider, tmp_path: Path
) -> None:
    fault, sends, says = LOST[row]
    output = await _made(provider)
    emulator.fail_next("download", fault, times=10 if "round" in row else sends)

    with pytest.raises(ResultLost) as caught:
        await provider.fetch(output, tmp_path / "picture")

    check_error(caught.value, Case(Answer(), ResultLost, True, says=says), "kie", emulator.key)
    assert not (tmp_path / "picture").exists()
    assert len(emulator.received("download")) == (6 if "round" in row else sends)
    assert "sig=" not in str(caught.value)


@pytest.mark.parametrize("fault", [truncated, Answer(502), Answer.reset()], ids=["truncated", "502", "reset"])
async def test_a_download_that_broke_is_begun_again(
    fault: Fault, emulator: KieEmulator, provider: Provider, tmp_path: Path
) -> None:
    output = await _made(provider)
    emulator.fail_next("download", fault, times=SENDS - 1)
    await provider.fetch(output, tmp_path / "picture")
    whole = await _bytes_of(emulator, output)
    assert (tmp_path / "picture").read_bytes() == whole


async def test_what_came_before_a_break_is_not_kept(emulator: KieEmulator, provider: Provider, tmp_path: Path) -> None:
    large = truncated(Answer(200, b"\x89PNG" + bytes(8_000_000), {"Content-Type": "image/png"}))
    output = await _made(provider)
    emulator.fail_next("download", large)
    (tmp_path / "picture").write_bytes(b"of an earlier try")
    await provider.fetch(output, tmp_path / "picture")
    assert (tmp_path / "picture").read_bytes() == await _bytes_of(emulator, output)

    emulator.fail_next("download", large, times=SENDS)
    with pytest.raises(ResultLost, match="cut short"):
        await provider.fetch(output, tmp_path / "other")
    assert not (tmp_path / "other").exists()


async def _bytes_of(emulator: KieEmulator, output: Output) -> bytes:
    from imagewright.net import Guard, fetch_public  # noqa: PLC0415 - only this check uses the other way in

    assert output.url.startswith(emulator.url("files"))
    return await fetch_public(output.url, max_bytes=10_000_000, seconds=5, guard=Guard(loopback=True))


async def test_a_result_on_loopback_is_not_fetched_for_a_vendor_that_is_not_there(
    emulator: KieEmulator, provider: Provider, http: HttpClient, tmp_path: Path
) -> None:
    output = await _made(provider)
    real = open_provider("kie", ProviderConfig(key=emulator.key, addresses={}, overrides={}, http=http))
    with pytest.raises(ResultLost, match="not a public address"):
        await real.fetch(output, tmp_path / "picture")
    assert not emulator.received("download")
