"""The emulator refuses what Kie refuses, so that what passes it has a meaning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.emulators.kie import KieEmulator
from tests.emulators.kie_editions import MARKET
from tests.emulators.pictures import encode, look
from tests.emulators.plain import plain_png
from tests.support.provider_runs import mask, picture

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL import Image

    from tests.emulators.messages import Answer

CREATE = "/api/v1/jobs/createTask"
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

    def record(self, task: str) -> dict[str, Any]:
        """How a task stands."""
        url = self.kie.url("api") + "/api/v1/jobs/recordInfo"
        return dict(self.read(self.client.get(url, params={"taskId": task}))[2])

    def results(self, task: str) -> list[Image.Image]:
        """What a task has made, once it is done."""
        while (found := self.record(task))["state"] != "success":
            assert found["state"] != "fail"
        return [look(httpx.get(link, trust_env=False).content) for link in found["response"]["resultUrls"]]

    @staticmethod
    def read(response: httpx.Response) -> tuple[int, str, Any]:
        content = response.json()
        return content["code"], content["msg"], content["data"]


@pytest.fixture
def caller(emulator: KieEmulator) -> Iterator[Caller]:
    made = Caller(emulator)
    yield made
    made.client.close()


SEEDREAM, QWEN, REFRAME = "bytedance/seedream-v4-text-to-image", "qwen/text-to-image", "ideogram/v3-reframe"
GPT2, FLARE = "gpt-image-2-text-to-image", "gpt-image-2-5-flare-text-to-image"
EDIT21 = "qwen2-1/image-to-image"
LINK = "https://x.example"
RANGE, UNKNOWN, REQUIRED = "range of allowed options", "is not a known field", "This field is required"


@pytest.mark.parametrize(
    ("model", "fields", "code", "text"),
    [
        (SEEDREAM, {}, 422, f"prompt: {REQUIRED}"),
        (SEEDREAM, {"prompt": ""}, 422, "length"),
        (SEEDREAM, {"prompt": "x" * 5001}, 422, "5000"),
        (SEEDREAM, {"prompt": 5}, 422, "must be a string"),
        (SEEDREAM, {"prompt": "x", "size": "2K"}, 422, f"size {UNKNOWN}"),
        (SEEDREAM, {"prompt": "x", "max_images": "2"}, 422, "must be a number"),
        (SEEDREAM, {"prompt": "x", "max_images": 7}, 500, RANGE),
        (SEEDREAM, {"prompt": "x", "max_images": True}, 422, "must be a number"),
        (SEEDREAM, {"prompt": "x", "image_resolution": "8K"}, 500, RANGE),
        (SEEDREAM, {"prompt": "x", "image_size": "3:4"}, 500, RANGE),
        ("seedream/4.5-edit", {"prompt": "x", "image_size": "square_hd"}, 422, f"image_size {UNKNOWN}"),
        ("seedream/4.5-text-to-image", {"prompt": "x", "aspect_ratio": "1:1"}, 422, f"quality: {REQUIRED}"),
        ("seedream/4.5-text-to-image", {"prompt": "x", "output_format": "png"}, 422, f"output_format {UNKNOWN}"),
        ("seedream/5-pro-text-to-image", {"prompt": "xxx", "aspect_ratio": "1:1", "quality": "ultra"}, 500, RANGE),
        ("seedream/5-flash-text-to-image", {"prompt": "xxx", "aspect_ratio": "1:1", "quality": "basic"}, 422, UNKNOWN),
        ("seedream/5-flash-text-to-image", {"prompt": "xx", "aspect_ratio": "1:1"}, 422, "length"),
        (QWEN, {"prompt": "x", "guidance_scale": 20.5}, 500, RANGE),
        (QWEN, {"prompt": "x", "num_images": "2"}, 422, f"num_images {UNKNOWN}"),
        (QWEN, {"prompt": "x", "image_size": "1:1"}, 500, RANGE),
        ("qwen2/text-to-image", {"prompt": "x", "image_size": "21:9"}, 500, RANGE),
        ("qwen2/text-to-image", {"prompt": "x" * 801}, 422, "800"),
        ("qwen2-1/text-to-image", {"prompt": "x", "image_size": "1:1"}, 422, f"image_size {UNKNOWN}"),
        ("qwen2-1/text-to-image", {"prompt": "x", "negative_prompt": "y"}, 422, f"negative_prompt {UNKNOWN}"),
        ("qwen2-1/text-to-image", {"prompt": "x", "background": "transparent", "output_format": "jpeg"}, 422, "png or"),
        (EDIT21, {"prompt": "x", "image_urls": [LINK] * 11}, 422, "1 to 10"),
        (EDIT21, {"prompt": "x", "image_urls": [LINK] * 2, "mask_url": LINK}, 422, "exactly one"),
        (EDIT21, {"prompt": "x", "image_urls": [LINK], "mask_url": LINK, "background": "transparent"}, 422, "exclude"),
        ("qwen3/text-to-image", {"prompt": "x", "enhance_prompt": False}, 422, f"enhance_prompt {UNKNOWN}"),
        ("qwen3/image-to-image", {"prompt": "x", "image_urls": [LINK], "image_size": "auto"}, 500, RANGE),
        ("qwen3/image-to-image", {"prompt": "x", "image_url": LINK}, 422, f"image_url {UNKNOWN}"),
        ("qwen3-pro/text-to-image", {"prompt": "x"}, 422, "not supported"),
        ("nano-banana-upscale", {"image": LINK}, 422, "not supported"),
        ("nano-banana-2", {"prompt": "x", "image_urls": [LINK]}, 422, f"image_urls {UNKNOWN}"),
        ("nano-banana-2-1", {"prompt": "x", "output_format": "jpeg"}, 500, RANGE),
        ("nano-banana-2-1", {"prompt": "x", "image_input": [LINK] * 11}, 422, "0 to 10"),
        ("nano-banana-2-lite", {"prompt": "x"}, 422, f"aspect_ratio: {REQUIRED}"),
        ("nano-banana-2-lite", {"prompt": "x", "aspect_ratio": "1:1", "resolution": "1K"}, 422, UNKNOWN),
        ("nano-banana-pro", {"prompt": "x", "aspect_ratio": "1:8"}, 500, RANGE),
        ("google/nano-banana", {"prompt": "x", "output_format": "jpg"}, 500, RANGE),
        (GPT2, {"prompt": "x", "quality": "medium"}, 422, f"quality {UNKNOWN}"),
        (GPT2, {"prompt": "x", "aspect_ratio": "1:1", "resolution": "4K"}, 422, "1:1 is not made in 4K"),
        (GPT2, {"prompt": "x", "resolution": "2K"}, 422, "auto is not made in 2K"),
        (GPT2, {"prompt": "x", "aspect_ratio": "3:2", "resolution": "2K", "background": "opaque"}, 422, "background"),
        (FLARE, {"prompt": "x", "aspect_ratio": "9:8", "resolution": "2K"}, 422, "9:8 is not made in 2K"),
        (FLARE, {"prompt": "x", "aspect_ratio": "2:1"}, 500, RANGE),
        ("gpt-image/1.5-text-to-image", {"prompt": "x", "aspect_ratio": "1:1"}, 422, f"quality: {REQUIRED}"),
        (REFRAME, {"image_url": "data:image/png;base64,xx", "image_size": "square"}, 422, "public URL"),
        (REFRAME, {"image_url": "https://elsewhere.example/a.png", "image_size": "square"}, 422, "not uploaded here"),
        (REFRAME, {"image_url": LINK, "image_size": "square", "num_images": 2}, 500, RANGE),
        (REFRAME, {"image_url": LINK, "image_size": "square", "style": "auto"}, 500, RANGE),
        (REFRAME, {"image_url": LINK, "image_size": "landscape_21_9"}, 500, RANGE),
        ("topaz/image-upscale", {"image_url": LINK, "upscale_factor": 2}, 500, RANGE),
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
    return encode(look(picture().data), "webp")


@pytest.mark.parametrize(
    ("model", "field", "size", "text"),
    [
        ("recraft/remove-background", "image", (255, 300), "sides"),
        ("recraft/remove-background", "image", (4097, 300), "sides"),
        ("topaz/image-upscale", "image_url", (5001, 8), "20000"),
    ],
)
def test_a_picture_beyond_a_models_limits_is_refused(
    model: str, field: str, size: tuple[int, int], text: str, caller: Caller
) -> None:
    link = caller.link(plain_png(*size, b"\x80\x80\x80"), "a.png")
    fields = {field: link} | ({"upscale_factor": "4"} if model.startswith("topaz") else {})
    code, why, _ = caller.create(model, **fields)
    assert code in (400, 422)
    assert text in why
    assert not caller.kie.tasks
    assert "25 megapixels" in MARKET[EDIT21].inputs.problem((5100, 5000), 1)


def test_a_mask_repaints_what_is_white(caller: Caller) -> None:
    given = {"image_urls": [caller.link(picture().data, "a.png")], "mask_url": caller.link(mask().data, "m.png")}
    task = caller.create(EDIT21, prompt="x", **given)[2]["taskId"]
    (result,) = caller.results(task)
    left, right = (result.getpixel((result.width * part // 4, result.height // 2)) for part in (1, 3))
    before = look(picture().data).getpixel((0, 0))
    assert (left, right != before) == (before, True)


def test_without_a_seed_some_models_make_the_same_picture_again(caller: Caller) -> None:
    def colours(model: str) -> int:
        made = [caller.results(caller.create(model, prompt="x")[2]["taskId"]) for _ in range(2)]
        return len({result.getpixel((0, 0)) for (result,) in made})

    assert (colours("qwen3/text-to-image"), colours("qwen2-1/text-to-image")) == (1, 2)
    assert len(caller.kie.rewritten) == 4


def test_a_task_has_its_models_own_file_type_and_names_its_price_from_the_beginning(caller: Caller) -> None:
    ids = {SEEDREAM: "JPEG", GPT2: "PNG", "nano-banana-2-1": "JPEG", "nano-banana-pro": "PNG"}
    for model, kind in ids.items():
        task = caller.create(model, prompt="x")[2]["taskId"]
        first = caller.record(task)
        assert (first["creditsConsumed"], first["successFlag"]) == (caller.kie.tasks[task].credits, 0)
        assert "progress" not in first
        assert [one.format for one in caller.results(task)] == [kind]


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
