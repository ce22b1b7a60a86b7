"""Every Replicate route from submission to file, through the unmodified provider and real sockets."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from imagewright.errors import GenerationFailed, ModelUnavailable
from imagewright.providers.replicate.routes import ALIKE, ROUTES
from tests.emulators.replicate_models import MODELS, version_of
from tests.support.golden_bodies import inputs_of
from tests.support.pictures import noise
from tests.support.provider_runs import (
    check_picture,
    drive,
    drive_at_once,
    full_order,
    made,
    picture,
    plain_order,
    submitted,
    whole_calls,
)
from tests.support.route_orders import every_offer
from tests.support.vendors import wired

if TYPE_CHECKING:
    from pathlib import Path

    from imagewright.providers.base import Prepared, Provider, Route
    from imagewright.providers.http.client import HttpClient
    from imagewright.providers.replicate.routes import ReplicateRoute
    from tests.emulators.replicate import ReplicateEmulator

pytestmark = pytest.mark.anyio

PLAIN = next(route for route in ROUTES if not route.image_field and not route.makes_sets)
VERSIONED = next(route for route in ROUTES if route.versioned)
WITH_PICTURES = next(route for route in ROUTES if route.image_list and not route.makes_sets)
SAME = [replace(route, model=model) for route in ROUTES for model in ALIKE.get(route.model, ())]


def _name(route: Route) -> str:
    return f"{route.tool}-{route.operation}-{route.model}"


def _large() -> Prepared:
    """A picture that is no small file."""
    return replace(picture(), data=noise(320, 320))


@pytest.mark.parametrize(("route", "most"), whole_calls(ROUTES, SAME))
async def test_a_whole_call(
    route: ReplicateRoute,
    most: bool,  # noqa: FBT001 - a parameter of the table
    emulator: ReplicateEmulator,
    provider: Provider,
    tmp_path: Path,
) -> None:
    order = full_order(route) if most else plain_order(route)

    driven = await drive(provider, order, tmp_path)

    assert len(driven.files) == order.count
    task = next(iter(emulator.tasks.values()))
    form = MODELS[task.model].table.file_type(task.fields)
    for file in driven.files:
        check_picture(file, replace(order, arguments={"output_format": form, **order.arguments}))
    assert all(isinstance(value, str) for value in driven.handle.data.values())
    assert [running.stage for running in driven.running] == ["starting", "generating"]
    assert len(emulator.received("create")) + len(emulator.received("create_version")) == 1
    assert len(emulator.received("model")) == route.versioned
    assert not emulator.received("upload")
    assert [pictures for _, pictures in emulator.charges] == [order.count]
    assert driven.finished.cost_usd is None
    assert driven.finished.notes == ((route.note,) if route.note else ())


@pytest.mark.parametrize("route", [*ROUTES, *SAME], ids=_name)
def test_replicate_takes_every_value_the_route_offers(route: ReplicateRoute) -> None:
    orders = list(every_offer(route))
    assert orders
    for order in orders:
        hosted, fields = MODELS[order.model], inputs_of(order, route)
        assert hosted.table.wrong(fields) is None, order.arguments
        assert hosted.clash(fields, len(order.images)) is None, order.arguments


@pytest.mark.parametrize("route", [route for route in ROUTES if route.makes_sets], ids=_name)
def test_a_set_is_asked_for_as_one_and_within_the_vendors_limits(route: ReplicateRoute) -> None:
    longest = route.takes["prompt"].max_length
    assert longest is not None
    for count in route.counts:
        order = replace(full_order(route), count=count)
        text = inputs_of(order, route)
        assert (f"set of {count}" in text["prompt"]) == (count > 1)
        full = inputs_of(replace(full_order(route, prompt="x" * longest), count=count), route)
        assert full["prompt"] == "x" * longest  # where there is no room for the number, it stands in its field alone
        assert text.get("max_images", 1) == count
        assert text.get("sequential_image_generation", "disabled") == ("auto" if count > 1 else "disabled")
        assert len(order.images) + count <= 15


async def test_a_communitys_model_is_run_by_its_newest_version(emulator: ReplicateEmulator, provider: Provider) -> None:
    await submitted(provider, plain_order(VERSIONED))
    assert not emulator.received("create")
    assert emulator.received("create_version")[0].json()["version"] == version_of(VERSIONED.model)


async def test_a_model_that_turns_out_to_be_a_communitys_is_run_all_the_same(
    emulator: ReplicateEmulator, provider: Provider
) -> None:
    await submitted(provider, plain_order(replace(VERSIONED, versioned=False)))
    assert len(emulator.received("create")) == 1
    assert len(emulator.tasks) == 1


async def test_a_version_that_was_set_is_run_without_looking_up(emulator: ReplicateEmulator, http: HttpClient) -> None:
    model = f"{VERSIONED.model}:{version_of(VERSIONED.model)}"
    provider = wired("replicate", emulator, http, **{VERSIONED.tool: {str(VERSIONED.operation): {"model": model}}})
    (route,) = [route for route in provider.routes if route.model == model]
    await submitted(provider, plain_order(route))
    assert not emulator.received("model")
    assert len(emulator.tasks) == 1


@pytest.mark.parametrize(
    ("width", "says"),
    [
        (1573, "out of memory"),
        (2097, "GPU memory on this hardware, 2096704"),
    ],
)
async def test_a_picture_beyond_a_models_memory_fails_there(width: int, says: str, provider: Provider) -> None:
    """The engine sends none: the vendor may charge for such a run."""
    fits = replace(plain_order(VERSIONED), images=(picture(width=1572, height=1000),))
    beyond = replace(plain_order(VERSIONED), images=(picture(width, 1000),))
    assert len((await made(provider, fits)).outputs) == 1
    with pytest.raises(GenerationFailed, match=says) as caught:
        await made(provider, beyond)
    assert caught.value.charged is None


async def test_a_model_that_is_gone_is_reported(emulator: ReplicateEmulator, provider: Provider) -> None:
    for route in (PLAIN, VERSIONED):
        with pytest.raises(ModelUnavailable, match=r"\[routes\]") as caught:
            await submitted(provider, plain_order(replace(route, model="nobody/nothing", model_by="")))
        assert caught.value.charged is False
    assert not emulator.tasks


async def test_large_pictures_are_handed_over_first_and_keep_their_order(
    emulator: ReplicateEmulator, provider: Provider, tmp_path: Path
) -> None:
    order = replace(plain_order(WITH_PICTURES), images=(_large(), picture(shade=1), picture(shade=2)))

    await drive(provider, order, tmp_path)

    stored = {}
    for received in emulator.received("upload"):
        (part,) = received.parts()
        stored[part.data] = part.mime
    assert set(stored) == {image.data for image in order.images}
    links = next(iter(emulator.tasks.values())).fields[WITH_PICTURES.image_field]
    assert len(set(links)) == 3
    assert all(link.startswith(f"{emulator.url('api')}/v1/files/") for link in links)


async def test_what_is_finished_with_the_first_answer_needs_no_poll(
    emulator: ReplicateEmulator, provider: Provider, tmp_path: Path
) -> None:
    emulator.seconds = 0.0
    for route in (PLAIN, next(route for route in ROUTES if route.note)):
        finished, files = await drive_at_once(provider, plain_order(route), tmp_path)
        assert len(files) == 1
        assert finished.notes == ((route.note,) if route.note else ())
    assert not emulator.received("poll")


async def test_it_is_never_asked_to_be_waited_for(emulator: ReplicateEmulator, provider: Provider) -> None:
    await submitted(provider, plain_order(PLAIN))
    assert "prefer" not in emulator.received("create")[0].headers


async def test_a_picture_at_the_vendors_own_address_is_fetched_with_the_key(
    emulator: ReplicateEmulator, provider: Provider, tmp_path: Path
) -> None:
    emulator.keeps_files = True
    driven = await drive(provider, plain_order(PLAIN), tmp_path)
    with Image.open(driven.files[0]) as made:
        made.load()
    assert len(emulator.received("own_file")) == 1
    assert not emulator.received("download")


@pytest.mark.parametrize(("old", "new"), [("{api}", "https://api.replicate.com"), ('"urls"', '"links"')])
async def test_the_address_the_user_has_set_is_the_one_that_is_asked(
    old: str, new: str, emulator: ReplicateEmulator, provider: Provider, tmp_path: Path
) -> None:
    def spoilt(answer: Any) -> Any:
        wanted = old.format(api=emulator.url("api")).encode()
        assert wanted in answer.body
        return replace(answer, body=answer.body.replace(wanted, new.encode()))

    emulator.fail_next("create", spoilt)
    driven = await drive(provider, plain_order(PLAIN), tmp_path)
    assert len(driven.files) == 1
    assert await provider.cancel(driven.handle) is True


async def test_a_prediction_can_be_stopped(emulator: ReplicateEmulator, provider: Provider) -> None:
    handle = await submitted(provider, plain_order(PLAIN))
    assert await provider.cancel(handle) is True
    assert [task.status for task in emulator.tasks.values()] == ["canceled"]
    assert not emulator.charges
