"""Google's own client drives the emulator through whole jobs, and trips over a copy with one field renamed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from imagewright.providers.google.routes import ROUTES, GoogleRoute
from tests.emulators.google import GoogleEmulator, blocked
from tests.emulators.google_models import MODELS
from tests.emulators.messages import Answer
from tests.emulators.pictures import look
from tests.emulators.renamed import Renaming
from tests.support.lazy_modules import Later
from tests.support.provider_runs import as_sent, full_order, picture

if TYPE_CHECKING:
    from google import genai
    from google.genai import errors, types
    from PIL import Image
else:
    genai, errors, types = Later("google.genai"), Later("google.genai.errors"), Later("google.genai.types")

MODEL = next(name for name, model in MODELS.items() if model.sizes)
OLDER = next(name for name, model in MODELS.items() if not model.sizes)


class Renamed(Renaming, GoogleEmulator):
    """A copy that calls one field otherwise."""


def _client(emulator: GoogleEmulator) -> genai.Client:
    options = types.HttpOptions(base_url=emulator.addresses[""], retry_options=types.HttpRetryOptions(attempts=1))
    return genai.Client(api_key=emulator.key, http_options=options)


def _pictures(answer: types.GenerateContentResponse) -> list[Image.Image]:
    found = [part.inline_data for part in answer.parts or () if part.inline_data and not part.thought]
    return [look(blob.data or b"") for blob in found]


def _generate(emulator: GoogleEmulator) -> None:
    image = types.ImageConfig(aspect_ratio="16:9", image_size="2K")
    config = types.GenerateContentConfig(response_modalities=["TEXT", "IMAGE"], image_config=image)
    with _client(emulator) as client:
        answer = client.models.generate_content(model=MODEL, contents="a kite", config=config)
    (made,) = _pictures(answer)
    assert made.size == (2752, 1536)
    assert answer.model_version == MODEL
    assert answer.usage_metadata is not None
    assert answer.usage_metadata.candidates_token_count


def _edit(emulator: GoogleEmulator) -> None:
    pictures = [types.Part.from_bytes(data=picture(shade=shade).data, mime_type="image/png") for shade in (1, 2)]
    turn = types.Content(role="user", parts=[*pictures, types.Part(text="a sail")])
    with _client(emulator) as client:
        answer = client.models.generate_content(model=OLDER, contents=turn)
    (made,) = _pictures(answer)
    assert made.width * 256 == pytest.approx(made.height * 320, rel=0.02)
    assert answer.text == "Here it is."
    assert len(emulator.bodies[0]) == 3


def test_the_makers_client_completes_a_generation(emulator: GoogleEmulator) -> None:
    _generate(emulator)
    assert len(emulator.charges) == 1


def test_the_makers_client_completes_an_edit_of_several_pictures(emulator: GoogleEmulator) -> None:
    _edit(emulator)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.operation}-{route.model}")
def test_the_makers_client_takes_the_bodies_of_every_route(route: GoogleRoute, emulator: GoogleEmulator) -> None:
    """Its types refuse a field that they do not have, and so does the emulator."""
    order = full_order(route)
    body = as_sent(route.body(order))
    config = types.GenerateContentConfig.model_validate(body["generationConfig"])
    contents = [types.Content.model_validate(one) for one in body["contents"]]
    with _client(emulator) as client:
        answer = client.models.generate_content(model=route.model, contents=contents, config=config)
    assert len(_pictures(answer)) == 1
    # pictures come in the other of the two alphabets, which is why only the fields are compared
    assert [[*part] for part in emulator.bodies[0]] == [[*part] for part in body["contents"][0]["parts"]]
    assert emulator.requests[0].json()["generationConfig"] == body["generationConfig"]


def test_the_makers_client_reads_the_end_of_a_model(emulator: GoogleEmulator) -> None:
    emulator.retires = "2027-03-15T00:00:00Z"
    with _client(emulator) as client:
        answer = client.models.generate_content(model=MODEL, contents="a kite")
    assert answer.model_status is not None
    assert answer.model_status.retirement_time is not None
    assert answer.model_status.retirement_time.date().isoformat() == "2027-03-15"


@pytest.mark.parametrize(
    ("job", "field", "other"),
    [
        (_generate, "generationConfig", "config"),
        (_generate, "aspectRatio", "ratio"),
        (_generate, "candidates", "answers"),
        (_generate, "usageMetadata", "usage"),
        (_edit, "inlineData", "blob"),
        (_edit, "data", "bytes"),
    ],
)
def test_the_makers_client_fails_where_one_field_is_renamed(job: object, field: str, other: str) -> None:
    assert callable(job)
    with Renamed() as emulator:
        emulator.field = (field, other)
        with pytest.raises((errors.APIError, AssertionError, OSError, ValueError)):
            job(emulator)
        assert emulator.requests


def test_the_copy_itself_does_no_harm() -> None:
    with Renamed() as emulator:
        emulator.field = ("a field nobody sends", "another")
        _generate(emulator)


def test_the_makers_client_understands_the_emulators_refusals(emulator: GoogleEmulator) -> None:
    with _client(emulator) as client:
        emulator.fail_next("generate", blocked("PROHIBITED_CONTENT"))
        answer = client.models.generate_content(model=MODEL, contents="a kite")
        assert answer.prompt_feedback is not None
        assert answer.prompt_feedback.block_reason is types.BlockedReason.PROHIBITED_CONTENT
        with pytest.raises(errors.ClientError, match="NOT_FOUND"):
            client.models.generate_content(model="gemini-no-image", contents="a kite")
        emulator.fail_next(
            "generate", Answer.of({"error": {"code": 503, "message": "m", "status": "UNAVAILABLE"}}, 503)
        )
        with pytest.raises(errors.ServerError):
            client.models.generate_content(model=MODEL, contents="a kite")
        emulator.key = "another"
        with pytest.raises(errors.ClientError, match="API_KEY_INVALID"):
            client.models.generate_content(model=MODEL, contents="a kite")
