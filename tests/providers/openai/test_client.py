"""OpenAI's own client drives the emulator through whole jobs, and trips over a copy with one field renamed."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

import pytest

from imagewright.imaging.prepare import convert_mask
from imagewright.providers.openai.routes import ROUTES
from tests.emulators.messages import Answer
from tests.emulators.openai import OpenAIEmulator
from tests.emulators.openai_models import MODELS
from tests.emulators.pictures import look
from tests.emulators.renamed import Renaming
from tests.support.lazy_modules import Later
from tests.support.provider_runs import full_order, mask, picture

if TYPE_CHECKING:
    import openai
    from openai.types import ImagesResponse
    from PIL import Image

    from imagewright.providers.openai.routes import OpenAIRoute
else:
    openai = Later("openai")

MODEL = next(name for name, model in MODELS.items() if model.free_size)
ALPHA_MASK = convert_mask(mask().data, "transparent_is_repainted")


class Renamed(Renaming, OpenAIEmulator):
    """A copy that calls one field otherwise."""


def _client(emulator: OpenAIEmulator) -> openai.OpenAI:
    return openai.OpenAI(api_key=emulator.key, base_url=emulator.addresses[""], max_retries=0)


def _pictures(answer: ImagesResponse) -> list[Image.Image]:
    assert answer.data
    return [look(base64.b64decode(item.b64_json or "")) for item in answer.data]


def _generate(emulator: OpenAIEmulator) -> None:
    with _client(emulator) as client:
        answer = client.images.generate(
            model=MODEL, prompt="a kite", n=2, size="1536x864", quality="low", background="opaque", output_format="jpeg"
        )
    made = _pictures(answer)
    assert [(one.size, one.format) for one in made] == [((1536, 864), "JPEG")] * 2
    assert answer.created
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens


def _edit(emulator: OpenAIEmulator) -> None:
    with _client(emulator) as client:
        answer = client.images.edit(
            model=MODEL,
            prompt="a sail",
            image=[_file("a.png", picture().data), _file("b.png", picture(shade=9).data)],
            mask=_file("mask.png", ALPHA_MASK),
            size="1024x1024",
            n=1,
        )
    (made,) = _pictures(answer)
    assert made.size == (1024, 1024)
    assert made.getpixel((900, 500)) == (255, 0, 0)


def _file(name: str, data: bytes) -> io.BytesIO:
    file = io.BytesIO(data)
    file.name = name
    return file


def test_the_makers_client_completes_a_generation(emulator: OpenAIEmulator) -> None:
    _generate(emulator)
    assert len(emulator.charges) == 1


def test_the_makers_client_completes_an_edit_of_several_pictures_with_a_mask(emulator: OpenAIEmulator) -> None:
    _edit(emulator)
    labels = [part.name for part in emulator.requests[0].parts() if part.filename]
    assert labels == ["image[]", "image[]", "mask"]


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.operation}-{route.model}")
def test_the_makers_client_takes_the_bodies_of_every_route(route: OpenAIRoute, emulator: OpenAIEmulator) -> None:
    """It refuses a field that it does not have, and so does the emulator."""
    order = full_order(route, background="transparent", output_format="webp")
    with _client(emulator) as client:
        if order.images:
            image, drawn = _file("a.png", order.images[0].data), _file("mask.png", ALPHA_MASK)
            answer = client.images.edit(**route.fields(order), image=image, mask=drawn)
        else:
            answer = client.images.generate(**route.fields(order))
    assert [one.size for one in _pictures(answer)] == [route.size(order)] * order.count
    assert (answer.background, answer.output_format) == ("transparent", "webp")


def test_the_makers_client_reads_the_ends_of_models(emulator: OpenAIEmulator) -> None:
    with _client(emulator) as client:
        ends = {model.id: model.shutdown_date for model in client.models.list()}
    assert ends == {name: model.shutdown for name, model in MODELS.items() if name not in emulator.unlisted}
    assert any(ends.values())


def test_the_makers_client_sends_one_picture_under_its_plain_name(emulator: OpenAIEmulator) -> None:
    with _client(emulator) as client:
        client.images.edit(model=MODEL, prompt="a sail", image=_file("a.png", picture().data))
    assert [part.name for part in emulator.requests[0].parts() if part.filename] == ["image"]


@pytest.mark.parametrize(
    ("job", "field", "other"),
    [
        (_generate, "prompt", "text"),
        (_generate, "n", "count"),
        (_generate, "data", "images"),
        (_generate, "b64_json", "image_base64"),
        (_edit, "image[]", "images[]"),
        (_edit, "mask", "mask_image"),
    ],
)
def test_the_makers_client_fails_where_one_field_is_renamed(job: object, field: str, other: str) -> None:
    assert callable(job)
    with Renamed() as emulator:
        emulator.field = (field, other)
        with pytest.raises((openai.APIStatusError, AssertionError, OSError)):
            job(emulator)
        assert emulator.requests


def test_the_copy_itself_does_no_harm() -> None:
    with Renamed() as emulator:
        emulator.field = ("a field nobody sends", "another")
        _generate(emulator)


def test_the_makers_client_understands_the_emulators_refusals(emulator: OpenAIEmulator) -> None:
    with _client(emulator) as client:
        with pytest.raises(openai.BadRequestError) as wrong:
            client.images.generate(model=MODEL, prompt="a kite", size="1000x1000")
        with pytest.raises(openai.NotFoundError):
            client.images.generate(model="gpt-image-1", prompt="a kite")
        with pytest.raises(openai.BadRequestError, match="Unknown parameter"):
            client.images.generate(model=MODEL, prompt="a kite", response_format="b64_json")
        emulator.limit(0)
        with pytest.raises(openai.RateLimitError) as limited:
            client.images.generate(model=MODEL, prompt="a kite")
        emulator.limit()
        emulator.credit = 0.0
        with pytest.raises(openai.RateLimitError) as empty:
            client.images.generate(model=MODEL, prompt="a kite")
        emulator.key = "another"
        with pytest.raises(openai.AuthenticationError):
            client.images.generate(model=MODEL, prompt="a kite")
        emulator.fail_next("generate", Answer.reset())
        with pytest.raises(openai.APIConnectionError):
            client.images.generate(model=MODEL, prompt="a kite")
    assert (wrong.value.code, wrong.value.param) == ("invalid_value", "size")
    assert (limited.value.code, empty.value.code) == ("rate_limit_exceeded", "insufficient_quota")
    assert limited.value.response.headers["retry-after"] == "60"
