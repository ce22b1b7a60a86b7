"""BytePlus's own client drives the emulator through whole jobs, and trips over a copy with one field renamed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from imagewright.errors import ModelUnavailable, RequestRejected
from imagewright.providers.ark.routes import ROUTES, ArkRoute
from imagewright.providers.common.provider import data_uri
from tests.emulators.ark import ArkEmulator, error
from tests.emulators.ark_models import MODELS
from tests.emulators.messages import Answer
from tests.emulators.pictures import look
from tests.emulators.renamed import Renaming
from tests.support.field_tables import plain_client
from tests.support.lazy_modules import Later
from tests.support.provider_runs import as_sent, full_order, picture
from tests.support.vendors import wired

if TYPE_CHECKING:
    import byteplussdkarkruntime as sdk  # type: ignore[import-untyped]  # the vendor ships no types
    from byteplussdkarkruntime import _exceptions as errors
    from byteplussdkarkruntime.types import images  # type: ignore[import-untyped]  # as above
    from PIL import Image

    from imagewright.providers.http.client import HttpClient
else:
    sdk, errors = Later("byteplussdkarkruntime"), Later("byteplussdkarkruntime._exceptions")
    images = Later("byteplussdkarkruntime.types.images")

MODEL = next(name for name, model in MODELS.items() if model.sets)
NEWER = next(name for name, model in MODELS.items() if model.sets and model.forms)


class Renamed(Renaming, ArkEmulator):
    """A copy that calls one field otherwise."""


def _name(route: ArkRoute) -> str:
    limits = route.takes.get("images")
    return f"{route.operation}-{route.edition}-{limits.min_items if limits else ''}"


def _client(emulator: ArkEmulator) -> sdk.Ark:
    return sdk.Ark(api_key=emulator.key, base_url=emulator.addresses[""], max_retries=0)


def _pictures(urls: list[str]) -> list[Image.Image]:
    with plain_client() as client:
        return [look(client.get(url).content) for url in urls]


def _set(emulator: ArkEmulator) -> None:
    with _client(emulator) as client:
        answer = client.images.generate(
            model=MODEL,
            prompt="three kites",
            size="1024x1536",
            watermark=False,
            sequential_image_generation="auto",
            sequential_image_generation_options=images.SequentialImageGenerationOptions(max_images=3),
        )
    assert answer.model == MODEL
    assert [item.size for item in answer.data] == ["1024x1536"] * 3
    assert [made.size for made in _pictures([item.url for item in answer.data])] == [(1024, 1536)] * 3
    assert answer.usage.generated_images == 3
    assert answer.usage.total_tokens == answer.usage.output_tokens > 0


def _edit(emulator: ArkEmulator) -> None:
    with _client(emulator) as client:
        answer = client.images.generate(
            model=NEWER,
            prompt="join them",
            image=[str(data_uri(picture())), str(data_uri(picture(shade=9)))],
            size="2K",
            output_format="png",
            response_format="url",
        )
    (made,) = _pictures([item.url for item in answer.data])
    # the model chose the shape, as it does for a word
    assert (made.size, made.format) == (MODELS[NEWER].keywords["2K"], "PNG")
    assert made.getpixel((made.width - 8, made.height - 8)) == (255, 255, 255), "the watermark that nobody switched off"
    assert len(emulator.bodies[0]["image"]) == 2


@pytest.mark.parametrize("route", ROUTES, ids=_name)
def test_the_makers_client_sends_the_same_bodies(route: ArkRoute, emulator: ArkEmulator) -> None:
    body = as_sent(route.body(full_order(route)))
    given: dict[str, Any] = dict(body)
    # the client is older than this field
    more = {name: given.pop(name) for name in ("background",) if name in given}
    if options := given.get("sequential_image_generation_options"):
        given["sequential_image_generation_options"] = images.SequentialImageGenerationOptions(**options)
    with _client(emulator) as client:
        client.images.generate(**given, extra_body=more)
    assert emulator.bodies == [body]


@pytest.mark.anyio
@pytest.mark.parametrize("route", ROUTES, ids=_name)
async def test_a_copy_with_one_field_renamed_refuses_us(route: ArkRoute, http: HttpClient) -> None:
    """So a field that a model does not have, such as `output_format` of those before 5.0, cannot stay unnoticed."""
    order = full_order(route)
    with Renamed() as emulator:
        provider = wired("ark", emulator, http)
        fields = as_sent(route.body(order))
        for field in fields:
            emulator.field = (field, f"{field}_2")
            with pytest.raises((RequestRejected, ModelUnavailable)):
                await provider.submit(order)
        assert len(emulator.requests) == len(fields)
        assert not emulator.charges


def test_the_makers_client_completes_a_set(emulator: ArkEmulator) -> None:
    _set(emulator)
    assert len(emulator.charges) == 1


def test_the_makers_client_completes_an_edit_of_several_pictures(emulator: ArkEmulator) -> None:
    _edit(emulator)


@pytest.mark.parametrize(
    ("job", "field", "other"),
    [
        (_set, "prompt", "text"),
        (_set, "size", "dimensions"),
        (_set, "sequential_image_generation", "set"),
        (_set, "max_images", "count"),
        (_set, "data", "images"),
        (_set, "url", "link"),
        (_set, "usage", "tokens"),
        (_set, "generated_images", "made"),
        (_edit, "image", "images"),
        (_edit, "output_format", "format"),
    ],
)
def test_the_makers_client_fails_where_one_field_is_renamed(job: object, field: str, other: str) -> None:
    assert callable(job)
    with Renamed() as emulator:
        emulator.field = (field, other)
        with pytest.raises((errors.ArkAPIStatusError, AssertionError, AttributeError, OSError, TypeError)):
            job(emulator)
        assert emulator.requests


def test_the_makers_client_sees_the_refusal_of_a_single_picture(emulator: ArkEmulator) -> None:
    emulator.refuse_next_picture("OutputImageSensitiveContentDetected", "sensitive")
    with _client(emulator) as client:
        answer = client.images.generate(model=MODEL, prompt="a kite")
    assert answer.data[0].error["code"] == "OutputImageSensitiveContentDetected"
    assert answer.usage.generated_images == 0


def test_the_makers_client_understands_the_emulators_refusals(emulator: ArkEmulator) -> None:
    with _client(emulator) as client:
        with pytest.raises(errors.ArkBadRequestError) as wrong:
            client.images.generate(model=MODEL, prompt="a kite", size="512x512")
        with pytest.raises(errors.ArkBadRequestError, match="seed"):
            client.images.generate(model=MODEL, prompt="a kite", seed=7)
        with pytest.raises(errors.ArkNotFoundError):
            client.images.generate(model="seedream-3-0-t2i", prompt="a kite")
        emulator.limit(0)
        with pytest.raises(errors.ArkRateLimitError) as limited:
            client.images.generate(model=MODEL, prompt="a kite")
        emulator.limit()
        emulator.credit = 0.0
        with pytest.raises(errors.ArkPermissionDeniedError) as empty:
            client.images.generate(model=MODEL, prompt="a kite")
        emulator.fail_next("generate", error(500, "InternalServiceError", "m", "InternalServerError"))
        with pytest.raises(errors.ArkInternalServerError):
            client.images.generate(model=MODEL, prompt="a kite")
        emulator.fail_next("generate", Answer.reset())
        with pytest.raises(errors.ArkAPIConnectionError):
            client.images.generate(model=MODEL, prompt="a kite")
        emulator.key = "another"
        with pytest.raises(errors.ArkAuthenticationError):
            client.images.generate(model=MODEL, prompt="a kite")
    assert (wrong.value.code, limited.value.code, empty.value.code) == (
        "InvalidParameter",
        "ModelAccountIpmRateLimitExceeded",
        "AccountOverdueError",
    )
