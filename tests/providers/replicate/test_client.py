"""The vendor's own client drives the emulator: only so far is the emulator right."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

import httpx
import pytest
from replicate.client import Client
from replicate.exceptions import ModelError, ReplicateError

from imagewright.providers.replicate.routes import ROUTES
from tests.emulators.pictures import look
from tests.emulators.renamed import Renaming
from tests.emulators.replicate import NO_CREDIT, ReplicateEmulator
from tests.emulators.replicate_models import version_of
from tests.support.client_closing import closed_at_the_end
from tests.support.provider_runs import PROMPT, full_order, picture

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imagewright.providers.replicate.routes import ReplicateRoute

BY_NAME = "google/nano-banana"
BY_VERSION = "nightmareai/real-esrgan"


class RenamedReplicate(Renaming, ReplicateEmulator):
    """A copy in which one field has another name."""


@pytest.fixture(autouse=True)
def all_closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with closed_at_the_end(monkeypatch):
        yield


def _client(emulator: ReplicateEmulator) -> Client:
    client = Client(api_token=emulator.key, base_url=emulator.url("api"))
    client.poll_interval = 0.001
    return client


def _job(emulator: ReplicateEmulator) -> str:
    """Upload a picture, create, wait, and the link that comes out; then a community's model that is stopped."""
    client = _client(emulator)
    inputs = {"prompt": PROMPT, "image_input": [io.BytesIO(picture().data)], "aspect_ratio": "16:9"}
    prediction = client.predictions.create(model=BY_NAME, input=inputs)
    states: list[str] = [prediction.status]
    prediction.wait()
    states.append(prediction.status)
    assert states == ["starting", "succeeded"]
    assert prediction.metrics == {"predict_time": 3.4}
    assert isinstance(prediction.output, str)

    assert [one.id for one in client.predictions.list()] == [prediction.id]

    version = client.models.get(BY_VERSION).latest_version
    assert version is not None
    second = client.predictions.create(version=version, input={"image": io.BytesIO(picture().data), "scale": 2})
    second.cancel()
    assert second.status == "canceled"
    return prediction.output


def test_the_official_client_completes_a_job(emulator: ReplicateEmulator) -> None:
    made = look(httpx.get(_job(emulator), trust_env=False).content)
    assert made.width / made.height == pytest.approx(16 / 9, rel=0.02)
    assert [pictures for _, pictures in emulator.charges] == [1]
    assert len(emulator.received("upload")) == 2


@pytest.mark.parametrize(
    "field",
    [
        "id",
        "status",
        "output",
        "version",
        "metrics",
        "urls",
        "get",
        "input",
        "prompt",
        "image_input",
        "latest_version",
        "results",
        "content",
        "content_type",
    ],
)
def test_it_fails_against_a_copy_with_one_field_renamed(field: str) -> None:
    copy = RenamedReplicate()
    copy.field = (field, f"{field}_renamed")
    failures = (KeyError, AssertionError, ValueError, ReplicateError)
    with copy, pytest.raises(failures):
        _job(copy)


@pytest.mark.parametrize("at_once", [True, False])
def test_its_one_call_waits_and_then_asks(
    at_once: bool,  # noqa: FBT001 - a parameter of the table
    emulator: ReplicateEmulator,
) -> None:
    emulator.at_once = at_once
    client = _client(emulator)
    link = client.run(BY_NAME, input={"prompt": PROMPT}, use_file_output=False)
    assert isinstance(link, str)
    assert httpx.get(link, trust_env=False).status_code == 200
    assert emulator.received("create")[0].headers["prefer"] == "wait"
    assert bool(emulator.received("poll")) is not at_once


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.operation}-{route.model}")
def test_it_takes_our_bodies_from_the_vendors_client_too(route: ReplicateRoute, emulator: ReplicateEmulator) -> None:
    order = full_order(route)
    model = order.model
    shown = [f"data:image/{one.format};base64,{base64.b64encode(one.data).decode('ascii')}" for one in order.images]
    inputs = route.inputs(order, shown)
    predictions = _client(emulator).predictions
    made = (
        predictions.create(version=version_of(model), input=inputs)
        if route.versioned
        else predictions.create(model=model, input=inputs)
    )
    made.wait()
    assert made.status == "succeeded"
    assert len(made.output if isinstance(made.output, list) else [made.output]) == order.count
    assert [task.model for task in emulator.tasks.values()] == [model]


def test_a_model_by_its_version(emulator: ReplicateEmulator) -> None:
    reference = f"{BY_VERSION}:{version_of(BY_VERSION)}"
    with pytest.raises(ReplicateError, match="404"):
        _client(emulator).predictions.create(model=BY_VERSION, input={})
    inputs = {"image": io.BytesIO(picture().data)}
    prediction = _client(emulator).predictions.create(version=version_of(BY_VERSION), input=inputs)
    prediction.wait()
    assert prediction.version == reference.partition(":")[2]


def test_the_list_goes_back_in_time_and_turns_pages(emulator: ReplicateEmulator) -> None:
    client = _client(emulator)
    made = [client.predictions.create(model=BY_NAME, input={"prompt": f"{PROMPT} {place}"}) for place in range(3)]
    emulator.page = 2
    first = client.predictions.list()
    assert first.next is not None
    second = client.predictions.list(first.next)
    assert (second.next, first.previous) == (None, None)
    assert [one.id for one in (*first, *second)] == [one.id for one in reversed(made)]
    assert [one.input for one in (*first, *second)] == [one.input for one in reversed(made)]
    assert {(one.model, one.status) for one in first} == {(BY_NAME, "starting")}
    for wrong in ("/v1/predictions?cursor=p9999", "/v1/predictions?limit=5"):
        with pytest.raises(ReplicateError):
            client.predictions.list(wrong)


def test_failures_have_the_form_the_client_reads(emulator: ReplicateEmulator) -> None:
    client = _client(emulator)
    with pytest.raises(ReplicateError) as wrong:
        client.predictions.create(model=BY_NAME, input={"prompt": 5})
    assert (wrong.value.status, wrong.value.title) == (422, "Input validation failed")
    emulator.fail_task_next("NSFW content detected.")
    with pytest.raises(ModelError, match="NSFW"):
        client.run(BY_NAME, input={"prompt": PROMPT})
    emulator.broke = True
    with pytest.raises(ReplicateError) as broke:
        client.predictions.create(model=BY_NAME, input={"prompt": PROMPT})
    assert (broke.value.status, broke.value.detail) == (402, NO_CREDIT)
    emulator.key = "r8_another"
    with pytest.raises(ReplicateError) as stranger:
        client.predictions.create(model=BY_NAME, input={"prompt": PROMPT})
    assert (stranger.value.status, stranger.value.title) == (401, "Unauthenticated")
