"""The emulator of Black Forest Labs, held to the maker's field tables; there is no client of the maker's own."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest

from tests.emulators.bfl import FIELDS, BflEmulator
from tests.support.field_tables import FieldTable, departures, plain_client, renaming, shape
from tests.support.provider_runs import picture

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

IMAGE = base64.b64encode(picture().data).decode("ascii")
TABLE = FieldTable(
    least={"prompt": "x"},
    taken={
        "input_image": [IMAGE],
        "input_image_2": [IMAGE],
        "input_image_3": [IMAGE],
        "input_image_4": [IMAGE],
        "aspect_ratio": ["21:9", "9:21", "1:1", "3:2", None],
        "seed": [0, 42, None],
        "prompt_upsampling": [True, False],
        "safety_tolerance": [0, 6],
        "output_format": ["jpeg", "png", "webp"],
        "webhook_url": ["https://hook.example"],
        "webhook_secret": ["s"],
    },
    refused={
        "prompt": [5, None],
        "input_image": ["no base64", f"data:image/png;base64,{IMAGE}", 5],
        "input_image_5": [IMAGE],
        "aspect_ratio": ["22:9", "9:22", "wide", "match_input_image", 1],
        "seed": ["42", 1.5, True],
        "prompt_upsampling": ["true", 1, None],
        "safety_tolerance": [-1, 7, "2", None],
        "output_format": ["jpg", "gif"],
        "webhook_url": ["", "x" * 2084],
        "mask": [IMAGE],
        "num_images": [1],
        "negative_prompt": ["x"],
        "guidance": [3.5],
        "steps": [20],
    },
)
CREATED = {"id", "polling_url", "cost", "input_mp", "output_mp"}
STANDING = {"id", "status", "result", "progress", "details", "preview"}
RESULT = {"sample", "prompt", "seed", "start_time", "end_time", "duration"}
STATUSES = ["Pending", "Reasoning", "Generating", "Ready"]


class Maker:
    """A client that knows only the documents."""

    def __init__(self, emulator: BflEmulator) -> None:
        self.emulator = emulator
        self.client = plain_client(x_key=emulator.key)

    def create(self, fields: dict[str, Any], model: str = "flux-kontext-pro") -> httpx.Response:
        self.emulator.tasks.clear()  # only so many may be at work at once
        return self.client.post(f"{self.emulator.url('api')}/v1/{model}", json=fields)

    def whole_job(self) -> list[str]:
        """Where a whole job departs from the documents."""
        created = self.create({"prompt": "x"}).json()
        found = [f"create: {sorted(created)}"] if set(created) != CREATED else []
        seen: list[Any] = []
        standing: dict[str, Any] = {}
        while created.get("polling_url") and len(seen) < len(STATUSES):
            standing = self.client.get(created["polling_url"]).json()
            seen.append(standing.get("status"))
            found += [f"standing: {sorted(standing)}"] if set(standing) != STANDING else []
        result = standing.get("result") or {}
        found += [f"statuses: {seen}"] if seen != STATUSES else []
        found += [f"result: {sorted(result)}"] if set(result) != RESULT else []
        if "sample" in result and not self._sample(result["sample"]).startswith(b"\x89PNG"):
            found.append("the sample is no picture")
        return found

    def _sample(self, url: str) -> bytes:
        with plain_client() as client:
            return client.get(url).content


@pytest.fixture
def maker() -> Iterator[Maker]:
    with BflEmulator() as emulator:
        client = Maker(emulator)
        yield client
        client.client.close()


@pytest.mark.parametrize("model", ["flux-kontext-pro", "flux-kontext-max"])
def test_it_takes_what_the_documents_say_and_nothing_else(maker: Maker, model: str) -> None:
    assert list(departures(TABLE, lambda fields: maker.create(fields, model).status_code)) == []
    assert set(TABLE.least) | set(TABLE.taken) == set(FIELDS)


def test_the_tolerance_goes_as_far_with_a_picture(maker: Maker) -> None:
    assert [maker.create({"prompt": "x", "input_image": IMAGE, "safety_tolerance": n}).status_code for n in (6, 7)] == [
        200,
        422,
    ]


@pytest.mark.parametrize("field", FIELDS)
def test_a_copy_with_one_field_renamed_is_found_out(field: str) -> None:
    fields = {f"{name}_2" if name == field else name: check for name, check in FIELDS.items()}
    copy = type("Copy", (BflEmulator,), {"fields": fields})
    with copy() as emulator:
        client = Maker(emulator)
        assert any(departures(TABLE, lambda sent: client.create(sent).status_code))
        client.client.close()


def test_a_whole_job_goes_as_documented(maker: Maker) -> None:
    assert maker.whole_job() == []


@pytest.mark.parametrize("field", sorted(CREATED | STANDING | RESULT))
def test_a_copy_with_one_field_of_its_answers_renamed_is_found_out(maker: Maker, field: str) -> None:
    maker.emulator.fail_next("create", renaming(field))
    maker.emulator.fail_next("poll", renaming(field), times=len(STATUSES))
    assert maker.whole_job()


@pytest.mark.parametrize("status", ["Request Moderated", "Content Moderated", "Error", "Failed"])
def test_a_task_that_ends_otherwise_says_so_in_the_same_form(maker: Maker, status: str) -> None:
    maker.emulator.end_next(status, {"Moderation Reasons": ["Violence"]})
    url = maker.create({"prompt": "x"}).json()["polling_url"]
    standing = [maker.client.get(url).json() for _ in STATUSES][-1]
    assert set(shape(standing)) == STANDING
    assert standing["status"] == status
    assert standing["result"] is None
    assert not maker.emulator.charges


def test_refusals_have_the_documented_form(maker: Maker) -> None:
    problem = maker.create({}).json()["detail"][0]
    assert problem == {"loc": ["body", "prompt"], "msg": "Field required", "type": "missing"}
    asked = maker.client.get(f"{maker.emulator.url('region')}/v1/get_result", params={"id": "nothing"})
    assert asked.json()["status"] == "Task not found"
    maker.client.headers["x-key"] = "another"
    assert maker.create({"prompt": "x"}).status_code == 403
    maker.client.headers["x-key"] = maker.emulator.key
    maker.emulator.credits = 1.0
    assert maker.create({"prompt": "x"}).status_code == 402
    assert maker.create({"prompt": "x"}, "flux-kontext-dev").status_code == 404
