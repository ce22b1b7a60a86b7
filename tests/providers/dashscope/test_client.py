"""Alibaba's own client drives the emulator through whole jobs, and trips over a copy with one field renamed."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import pytest

from imagewright.providers.common.provider import data_uri
from tests.emulators.dashscope import DashScopeEmulator, error
from tests.emulators.dashscope_models import MODELS
from tests.emulators.messages import Answer
from tests.emulators.pictures import look
from tests.emulators.renamed import Renaming
from tests.support.field_tables import plain_client
from tests.support.lazy_modules import Later
from tests.support.provider_runs import picture

if TYPE_CHECKING:
    from collections.abc import Iterator

    import dashscope as sdk
    import requests
    from dashscope.common import error as errors
    from PIL import Image
else:
    sdk, errors, requests = Later("dashscope"), Later("dashscope.common.error"), Later("requests")

MODEL = next(name for name, model in MODELS.items() if model.thinks)
BY_TASK = next(name for name, model in MODELS.items() if model.tasks)


class Renamed(Renaming, DashScopeEmulator):
    """A copy that calls one field otherwise."""


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
    content = [{"image": data_uri(picture(480, 400, shade))} for shade in (1, 2)]
    answer = _ask(emulator, [*content, {"text": "join"}], n=2, size="1024*768", seed=7, watermark=True)
    (choice,) = _whole(answer).choices
    assert choice.finish_reason == "stop"
    made = _pictures([item["image"] for item in choice.message.content])
    assert [one.size for one in made] == [(1024, 768)] * 2
    assert made[0].getpixel((1020, 760)) == (255, 255, 255), "the watermark that was asked for"
    assert answer.usage.image_count == 2
    assert answer.request_id


def _task(emulator: DashScopeEmulator) -> None:
    sdk.base_http_api_url = f"{emulator.url()}/api/v1"
    key: dict[str, Any] = {"api_key": emulator.key}
    given = sdk.ImageSynthesis.async_call(
        model=BY_TASK, prompt="a kite", negative_prompt="rain", n=1, size="1664*928", prompt_extend=False, **key
    )
    assert _whole(given).task_status == "PENDING"
    standings = [_whole(sdk.ImageSynthesis.fetch(given, **key)).task_status for _ in range(2)]
    assert standings == ["PENDING", "RUNNING"]
    finished = sdk.ImageSynthesis.wait(given, **key)
    output = _whole(finished)
    assert output.task_status == "SUCCEEDED"
    (made,) = _pictures([result.url for result in output.results])
    assert made.size == (1664, 928)
    assert finished.usage.image_count == 1


def test_the_makers_client_completes_an_edit_of_several_pictures(emulator: DashScopeEmulator) -> None:
    _edit(emulator)
    assert len(emulator.charges) == 1


def test_the_makers_client_completes_a_task(emulator: DashScopeEmulator) -> None:
    _task(emulator)
    assert len(emulator.charges) == 1


@pytest.mark.parametrize(
    ("job", "field", "other"),
    [
        (_edit, "messages", "turns"),
        (_edit, "content", "parts"),
        (_edit, "image", "picture"),
        (_edit, "n", "count"),
        (_edit, "watermark", "mark"),
        (_edit, "choices", "answers"),
        (_edit, "image_count", "images"),
        (_task, "prompt", "text"),
        (_task, "output", "result"),
        (_task, "task_id", "task"),
        (_task, "task_status", "status"),
        (_task, "results", "images"),
        (_task, "url", "link"),
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


def test_the_makers_client_cancels_a_task_that_waits(emulator: DashScopeEmulator) -> None:
    sdk.base_http_api_url = f"{emulator.url()}/api/v1"
    tasks: Any = sdk.ImageSynthesis  # its own types forget that tasks can be cancelled
    given = tasks.async_call(model=BY_TASK, prompt="a kite", api_key=emulator.key)
    assert tasks.cancel(given, api_key=emulator.key).status_code == HTTPStatus.OK
    assert _whole(tasks.fetch(given, api_key=emulator.key)).task_status == "CANCELED"
    assert tasks.cancel("task-9", api_key=emulator.key).code == "UnsupportedOperation"


def test_the_makers_client_understands_the_emulators_refusals(emulator: DashScopeEmulator) -> None:
    text = [{"text": "a kite"}]

    def refusal(**parameters: Any) -> tuple[int, str]:
        answer = _ask(emulator, text, **parameters)
        return answer.status_code, answer.code

    assert refusal(size="100*100") == (400, "InvalidParameter")
    assert refusal(guidance=3) == (400, "InvalidParameter")
    assert refusal(model="qwen-image-0") == (404, "ModelNotFound")
    emulator.rate = 0
    assert refusal() == (429, "Throttling.RateQuota")
    emulator.rate, emulator.credit = None, 0.0
    assert refusal() == (400, "Arrearage")
    emulator.fail_next("generate", error(400, "DataInspectionFailed", "Input data may contain ..."))
    assert refusal() == (400, "DataInspectionFailed")
    emulator.fail_next("generate", error(401, "InvalidApiKey", "Invalid API-key provided."))
    assert refusal() == (401, "InvalidApiKey")
    emulator.fail_next("generate", Answer.reset(), times=2)
    with pytest.raises(requests.exceptions.ConnectionError):
        refusal()
