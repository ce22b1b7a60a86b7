"""The emulator refuses what Kie refuses, so that what passes it has a meaning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.emulators.kie import KieEmulator
from tests.support.provider_runs import mask, picture

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.emulators.messages import Answer

CREATE = "/api/v1/jobs/createTask"
GPT4O = "/api/v1/gpt4o-image/generate"
FLUX = "/api/v1/flux/kontext/generate"


class Caller:
    """A client that sends anything, by default with the right key."""

    def __init__(self, kie: KieEmulator) -> None:
        self.kie = kie
        self.client = httpx.Client(headers={"Authorization": f"Bearer {kie.key}"})

    def post(self, path: str, content: Any, **more: Any) -> tuple[int, str, Any]:
        return self.read(self.client.post(self.kie.url("api") + path, json=content, **more))

    def create(self, model: str, **fields: Any) -> tuple[int, str, Any]:
        return self.post(CREATE, {"model": model, "input": fields})

    def upload(self, data: bytes, name: str = "a.png", host: str = "upload", **fields: str) -> tuple[int, str, Any]:
        form = {"uploadPath": "tests", "fileName": name} | fields
        url = self.kie.url(host) + "/api/file-stream-upload"
        return self.read(self.client.post(url, data=form, files={"file": (name, data, "image/png")}))

    def link(self, data: bytes, name: str) -> str:
        return str(self.upload(data, name)[2]["downloadUrl"])

    @staticmethod
    def read(response: httpx.Response) -> tuple[int, str, Any]:
        content = response.json()
        return content["code"], content["msg"], content["data"]


@pytest.fixture
def caller(emulator: KieEmulator) -> Iterator[Caller]:
    made = Caller(emulator)
    yield made
    made.client.close()


GPT2 = "gpt-image-2-text-to-image"
SEEDREAM, QWEN, REFRAME = "bytedance/seedream-v4-text-to-image", "qwen/text-to-image", "ideogram/v3-reframe"


@pytest.mark.parametrize(
    ("model", "fields", "code", "text"),
    [
        (SEEDREAM, {}, 422, "prompt: This field is required"),
        (SEEDREAM, {"prompt": ""}, 422, "length"),
        (SEEDREAM, {"prompt": "x" * 5001}, 422, "5000"),
        (SEEDREAM, {"prompt": 5}, 422, "must be a string"),
        (SEEDREAM, {"prompt": "x", "size": "2K"}, 422, "size is not a known field"),
        (SEEDREAM, {"prompt": "x", "max_images": "2"}, 422, "must be a number"),
        (SEEDREAM, {"prompt": "x", "max_images": 7}, 500, "range of allowed options"),
        (SEEDREAM, {"prompt": "x", "max_images": True}, 422, "must be a number"),
        (SEEDREAM, {"prompt": "x", "image_resolution": "8K"}, 500, "range of allowed options"),
        (SEEDREAM, {"prompt": "x", "image_size": "3:4"}, 500, "range of allowed options"),
        (QWEN, {"prompt": "x", "guidance_scale": 20.5}, 500, "range of allowed options"),
        (QWEN, {"prompt": "x", "num_images": "2"}, 422, "num_images is not a known field"),
        (REFRAME, {"image_url": "data:image/png;base64,xx", "image_size": "square"}, 422, "public URL"),
        (REFRAME, {"image_url": "https://elsewhere.example/a.png", "image_size": "square"}, 422, "not uploaded here"),
        (REFRAME, {"image_url": "https://x.example", "image_size": "square", "num_images": 2}, 500, "range"),
        (REFRAME, {"image_url": "https://x.example", "image_size": "square", "style": "auto"}, 500, "range"),
        ("nano-banana-upscale", {"image": "https://x.example"}, 422, "not supported"),
        ("nano-banana-2", {"prompt": "x", "image_urls": ["https://x.example"]}, 422, "image_urls is not a known field"),
        ("seedream/4.5-edit", {"prompt": "x", "image_size": "square_hd"}, 422, "image_size is not a known field"),
        ("seedream/4.5-text-to-image", {"prompt": "x", "aspect_ratio": "1:1"}, 422, "quality: This field is required"),
        (GPT2, {"prompt": "x", "quality": "medium"}, 422, "quality is not a known field"),
        (GPT2, {"prompt": "x", "aspect_ratio": "1:1", "resolution": "4K"}, 422, "1:1 is not made in 4K"),
        (GPT2, {"prompt": "x", "resolution": "2K"}, 422, "auto is not made in 2K"),
    ],
)
def test_a_create_that_is_wrong(model: str, fields: dict[str, Any], code: int, text: str, caller: Caller) -> None:
    answer = caller.create(model, **fields)
    assert answer[0] == code
    assert text in answer[1]
    assert not caller.kie.tasks


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        (CREATE, {"model": QWEN, "input": {"prompt": "x"}, "webhook": "https://x"}, 422),
        (CREATE, {"model": QWEN}, 422),
        (CREATE, [], 400),
        (GPT4O, {"size": "1:1"}, 422),
        (GPT4O, {"size": "16:9", "prompt": "x"}, 500),
        (GPT4O, {"prompt": "x"}, 422),
        (GPT4O, {"size": "1:1", "prompt": "x", "nVariants": 3}, 500),
        (GPT4O, {"size": "1:1", "prompt": "x", "maskUrl": "https://x.example/m.png"}, 422),
        (FLUX, {"prompt": "x", "aspectRatio": "3:2"}, 500),
        (FLUX, {"prompt": "x", "seed": 1}, 422),
        (FLUX, {"prompt": "x", "safetyTolerance": 7}, 500),
        (FLUX, {"prompt": "x", "safetyTolerance": 3, "inputImage": "https://x.example/a.png"}, 500),
        ("/api/file-stream-upload", {}, 404),
    ],
)
def test_a_request_that_is_wrong(path: str, body: Any, code: int, caller: Caller) -> None:
    assert caller.post(path, body)[0] == code
    assert not caller.kie.tasks


def test_the_key_and_the_content_type_are_checked(caller: Caller, emulator: KieEmulator) -> None:
    body = {"model": QWEN, "input": {"prompt": "x"}}
    assert caller.post(CREATE, body, headers={"Authorization": "Bearer other"})[0] == 401
    assert caller.post(CREATE, body, headers={"Content-Type": "text/plain"})[0] == 400
    assert caller.post(CREATE, body)[0] == 200
    assert len(emulator.tasks) == 1


def test_uploads_are_checked(caller: Caller) -> None:
    data = picture().data
    assert caller.upload(data)[0] == 200
    assert "used before" in caller.upload(data)[1]
    assert "not a picture" in caller.upload(b"text", "b.png")[1]
    assert "type" in caller.upload(_webp(), "c.png")[1]
    assert "extension" in caller.upload(data, "d.txt")[1]
    assert "slash" in caller.upload(data, "e.png", uploadPath="/tests")[1]
    assert "known field" in caller.upload(data, "f.png", folder="x")[1]
    assert caller.upload(data, "g.png", host="api")[0] == 404


def _webp() -> bytes:
    from tests.emulators.pictures import encode, look  # noqa: PLC0415 - only here

    return encode(look(picture().data), "webp")


def test_a_mask_must_have_the_size_of_its_one_picture(caller: Caller) -> None:
    image, other = caller.link(picture().data, "a.png"), caller.link(picture(shade=1).data, "b.png")
    small, right = caller.link(mask(64, 64).data, "m.png"), caller.link(mask().data, "n.png")
    fields = {"size": "1:1", "prompt": "x", "filesUrl": [image]}
    assert "size of the image" in caller.post(GPT4O, fields | {"maskUrl": small})[1]
    assert "exactly one" in caller.post(GPT4O, fields | {"filesUrl": [image, other], "maskUrl": right})[1]
    assert caller.post(GPT4O, fields | {"maskUrl": right})[0] == 200


def test_money_is_taken_once_and_only_for_what_was_made(caller: Caller, emulator: KieEmulator) -> None:
    emulator.credits = 9.0
    task = caller.create(QWEN, prompt="x")[2]["taskId"]
    url = f"{emulator.url('api')}/api/v1/jobs/recordInfo"
    states = [caller.read(caller.client.get(url, params={"taskId": task}))[2]["state"] for _ in range(6)]
    assert states == ["waiting", "queuing", "generating", "success", "success", "success"]
    assert emulator.charges == [(task, 4.0)]
    emulator.fail_task_next("501", "failed")
    failing = caller.create(QWEN, prompt="x")[2]["taskId"]
    for _ in range(4):
        last = caller.read(caller.client.get(url, params={"taskId": failing}))[2]
    assert (last["state"], last["creditsConsumed"]) == ("fail", 0.0)
    assert emulator.credits == 5.0
    assert caller.create(QWEN, prompt="x")[0] == 200
    emulator.credits = 3.0
    assert caller.create(QWEN, prompt="x")[0] == 402


def test_a_task_takes_its_time_when_asked_to(caller: Caller, emulator: KieEmulator) -> None:
    emulator.seconds = 3600.0
    task = caller.create(QWEN, prompt="x")[2]["taskId"]
    url = f"{emulator.url('api')}/api/v1/jobs/recordInfo"
    for _ in range(6):
        assert caller.read(caller.client.get(url, params={"taskId": task}))[2]["state"] == "generating"
    emulator.seconds = 0.0
    assert caller.read(caller.client.get(url, params={"taskId": task}))[2]["state"] == "success"


@pytest.mark.parametrize("where", ["download", "query", "body", "other header"])
def test_a_key_in_the_wrong_place_fails_the_test(where: str) -> None:
    kie = KieEmulator()

    def misuse() -> None:
        with kie, httpx.Client() as client:
            requests: dict[str, dict[str, Any]] = {
                "download": {"url": kie.url("files") + "/x", "headers": {"Authorization": f"Bearer {kie.key}"}},
                "query": {"url": kie.url("api") + "/api/v1/chat/credit", "params": {"key": kie.key}},
                "body": {"url": kie.url("api") + CREATE, "content": kie.key},
                "other header": {"url": kie.url("api"), "headers": {"X-Key": kie.key}},
            }
            client.request("POST" if where == "body" else "GET", **requests[where])

    with pytest.raises(AssertionError, match="the key"):
        misuse()


def test_a_bug_of_the_emulator_does_not_pass_for_a_fault() -> None:
    kie = KieEmulator()

    def broken(answer: Answer) -> Answer:
        raise KeyError(str(answer.status))

    def use() -> None:
        with kie, httpx.Client() as client:
            kie.fail_next("credit", broken)
            assert client.get(kie.url("api") + "/api/v1/chat/credit").status_code == 500

    with pytest.raises(AssertionError, match="the emulator broke at credit"):
        use()
