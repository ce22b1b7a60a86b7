"""Alibaba's own client drives the emulator through whole jobs, and trips over a copy with one field renamed."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import pytest

from imagewright.errors import ModelUnavailable, RequestRejected
from imagewright.providers.common.provider import data_uri
from imagewright.providers.dashscope.routes import ROUTES, DashScopeRoute
from tests.emulators.dashscope import DashScopeEmulator, error
from tests.emulators.dashscope_models import MODELS
from tests.emulators.messages import Answer
from tests.emulators.pictures import look
from tests.emulators.renamed import Renaming
from tests.providers.dashscope.cases import sized
from tests.support.field_tables import plain_client
from tests.support.lazy_modules import Later
from tests.support.provider_runs import as_sent, full_order, picture
from tests.support.vendors import wired

if TYPE_CHECKING:
    from collections.abc import Iterator

    import dashscope as sdk
    import requests
    from dashscope.common import error as errors
    from PIL import Image

    from imagewright.providers.http.client import HttpClient
else:
    sdk, errors, requests = Later("dashscope"), Later("dashscope.common.error"), Later("requests")

MODEL = next(name for name, model in MODELS.items() if model.thinks)


class Renamed(Renaming, DashScopeEmulator):
    """A copy that calls one field otherwise."""


def _name(route: DashScopeRoute) -> str:
    return f"{route.operation}-{route.edition}"


@pytest.fixture(autouse=True)
def _client(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The client keeps its address and its connections for the whole process."""
    monkeypatch.setattr("dashscope.base_http_api_url", "")
    yield
    sdk.close_shared_sync_session()


def _whole(answer: Any) -> Any:
    assert answer.status_code == HTTPStatus.OK, (answer.code, answer.message)
    return answer.output


def _pictures(urls: list[str]) -> list[Image.Image]:
    assert all(urls)
    with plain_client() as client:
        return [look(client.get(url).content) for url in urls]


def _ask(emulator: DashScopeEmulator, content: list[dict[str, str]], model: str = MODEL, **parameters: Any) -> Any:
    sdk.base_http_api_url = f"{emulator.url()}/api/v1"
    messages = [{"role": "user", "content": content}]
    return sdk.MultiModalConversation.call(model=model, messages=messages, api_key=emulator.key, **parameters)


def _edit(emulator: DashScopeEmulator) -> None:
    content = [{"image": str(data_uri(picture(480, 400, shade)))} for shade in (1, 2)]
    answer = _ask(emulator, [*content, {"text": "join"}], n=2, size="1024*768", seed=7, watermark=True)
    (choice,) = _whole(answer).choices
    assert choice.finish_reason == "stop"
    made = _pictures([item["image"] for item in choice.message.content])
    assert [one.size for one in made] == [(1024, 768)] * 2
    assert made[0].getpixel((1020, 760)) == (255, 255, 255), "the watermark that was asked for"
    assert answer.usage.output_image_count == answer.usage.input_image_count == 2
    assert answer.request_id


def test_the_makers_client_completes_an_edit_of_several_pictures(emulator: DashScopeEmulator) -> None:
    _edit(emulator)
    assert len(emulator.charges) == 1


@pytest.mark.parametrize("route", ROUTES, ids=_name)
def test_the_makers_client_sends_the_same_bodies(route: DashScopeRoute, emulator: DashScopeEmulator) -> None:
    body = as_sent(route.body(sized(full_order(route))))
    (message,) = body["input"]["messages"]
    answer = _ask(emulator, message["content"], body["model"], **body["parameters"])
    assert len(_whole(answer).choices[0].message.content) == route.counts[-1]
    assert emulator.bodies == [body]


@pytest.mark.anyio
@pytest.mark.parametrize("route", ROUTES, ids=_name)
async def test_a_copy_with_one_field_renamed_refuses_us(route: DashScopeRoute, http: HttpClient) -> None:
    """So a parameter that a model does not have, such as `enable_thinking` of 2.0, cannot stay unnoticed."""
    order = sized(full_order(route))
    with Renamed() as emulator:
        provider = wired("dashscope", emulator, http)
        body = as_sent(route.body(order))
        fields = [*body, *body["input"], *body["parameters"]]
        for field in fields:
            emulator.field = (field, f"{field}_2")
            with pytest.raises((RequestRejected, ModelUnavailable)):
                await provider.submit(order)
        assert len(emulator.requests) == len(fields)
        assert not emulator.charges


@pytest.mark.parametrize(
    ("job", "field", "other"),
    [
        (_edit, "messages", "turns"),
        (_edit, "content", "parts"),
        (_edit, "image", "picture"),
        (_edit, "n", "count"),
        (_edit, "watermark", "mark"),
        (_edit, "choices", "answers"),
        (_edit, "output_image_count", "images"),
        (_edit, "output", "result"),
    ],
)
def test_the_makers_client_fails_where_one_field_is_renamed(job: object, field: str, other: str) -> None:
    assert callable(job)
    with Renamed() as emulator:
        emulator.field = (field, other)
        with pytest.raises(
            (AssertionError, AttributeError, KeyError, TypeError, ValueError, errors.DashScopeException)
        ):
            job(emulator)
        assert emulator.requests


def test_the_makers_client_understands_the_emulators_refusals(emulator: DashScopeEmulator) -> None:
    text = [{"text": "a kite"}]

    def refusal(**parameters: Any) -> tuple[int, str]:
        answer = _ask(emulator, text, **parameters)
        return answer.status_code, answer.code

    assert refusal(size="100*100") == (400, "InvalidParameter")
    assert refusal(size="1024x1024") == (400, "InvalidParameter")
    assert refusal(n=7) == (400, "InvalidParameter")
    assert refusal(guidance=3) == (400, "InvalidParameter")
    assert refusal(model="qwen-image-0") == (404, "ModelNotFound")
    emulator.limit(0)
    assert refusal() == (429, "Throttling.RateQuota")
    emulator.limit()
    emulator.credit = 0.0
    assert refusal() == (400, "Arrearage")
    emulator.fail_next("generate", error(400, "DataInspectionFailed", "Input data may contain ..."))
    assert refusal() == (400, "DataInspectionFailed")
    emulator.fail_next("generate", error(401, "InvalidApiKey", "Invalid API-key provided."))
    assert refusal() == (401, "InvalidApiKey")
    emulator.fail_next("generate", Answer.reset(), times=2)
    with pytest.raises(requests.exceptions.ConnectionError):
        refusal()
