"""What is particular to the models of Replicate's editions: their own fields, sizes, limits, and who enlarges what."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from imagewright.catalog.load import catalog
from imagewright.engine.check import check
from imagewright.engine.choose import candidates
from imagewright.engine.pictures import Source
from imagewright.errors import RequestRejected
from imagewright.imaging.files import PictureFacts
from imagewright.providers.replicate.routes import ROUTES
from tests.emulators.pictures import look
from tests.emulators.renamed import Renaming
from tests.emulators.replicate import ReplicateEmulator
from tests.emulators.replicate_finishing import CAP
from tests.emulators.replicate_models import MODELS
from tests.support.golden_bodies import inputs_of
from tests.support.provider_runs import AUTO, full_order, made, picture, plain_order
from tests.support.vendors import wired

if TYPE_CHECKING:
    from imagewright.engine.choose import Candidate
    from imagewright.providers.base import Route
    from imagewright.providers.http.client import HttpClient
    from imagewright.providers.replicate.routes import ReplicateRoute

GPT = [route for route in ROUTES if route.shapes]
ENLARGERS = [route for route in ROUTES if route.operation == "upscale"]
REWRITERS = {"enhance_prompt", "enable_prompt_expansion"}
"""Fields that, left out or on, let a model rewrite the prompt."""
FORMER = [
    ("bytedance/seedream-4.5", "size", "resolution"),
    ("bytedance/seedream-4", "enhance_prompt", "enable_prompt_expansion"),
    ("bytedance/seedream-5-lite", "output_format", "format"),
    ("bytedance/seedream-5-pro", "image_input", "images"),
    ("qwen/qwen-image", "num_inference_steps", "steps"),
    ("qwen/qwen-image-2512", "guidance", "guidance_scale"),
    ("qwen/qwen-image-edit-2511", "go_fast", "acceleration"),
    ("qwen/qwen-image-2", "enable_prompt_expansion", "enhance_prompt"),
    ("qwen/qwen-image-2-pro", "enable_prompt_expansion", "enhance_prompt"),
    ("alibaba/qwen-image-3", "enable_prompt_expansion", "enhance_prompt"),
    ("alibaba/qwen-image-3-pro", "enable_prompt_expansion", "enhance_prompt"),
    ("black-forest-labs/flux-kontext-max", "input_image", "image"),
    ("openai/gpt-image-1.5", "background", "input_fidelity"),
    ("openai/gpt-image-2", "number_of_images", "max_images"),
    ("openai/gpt-image-2.5-flare", "input_images", "image_input"),
    ("openai/gpt-image-2.5-sunburst", "quality", "resolution"),
    ("google/nano-banana", "image_input", "input_images"),
    ("google/nano-banana-2", "resolution", "size"),
    ("google/nano-banana-2-lite", "image_input", "input_images"),
    ("google/nano-banana-pro", "allow_fallback_model", "safety_filter_level"),
    ("nightmareai/real-esrgan", "scale", "upscale_factor"),
    ("prunaai/p-image-upscale", "factor", "scale"),
    ("recraft-ai/recraft-remove-background", "image", "input_image"),
    ("luma/reframe-image", "model", "rendering_speed"),
    ("bria/expand-image", "aspect_ratio", "canvas_size"),
]
"""(model, a field of its own, what a sister model of it, an earlier one or the tool's argument calls that)."""


class RenamedReplicate(Renaming, ReplicateEmulator):
    """A copy in which one field has another name."""


def _models(route: Route) -> set[str]:
    return {route.model, *route.models.values()}


@pytest.mark.anyio
@pytest.mark.parametrize(("model", "field", "former"), FORMER)
async def test_a_copy_with_a_field_called_as_at_another_model_refuses_it(
    model: str, field: str, former: str, http: HttpClient
) -> None:
    route = [one for one in ROUTES if model in _models(one)][-1]
    order = full_order(route, **{"quality": "max"} if model != route.model else {})
    copy = RenamedReplicate()
    copy.field = (field, former)
    with copy:
        with pytest.raises(RequestRejected, match="Input validation failed"):
            await made(wired("replicate", copy, http), order)
        assert not copy.tasks
    with ReplicateEmulator() as emulator:
        await made(wired("replicate", emulator, http), order)
        assert [task.model for task in emulator.tasks.values()] == [model]


def test_every_model_has_a_copy_that_refuses_it() -> None:
    known = set[str]().union(*map(_models, ROUTES)) - {"black-forest-labs/flux-kontext-pro"}  # the same as its max
    assert {model for model, _, _ in FORMER} == known


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.operation}-{route.model}")
def test_a_prompt_is_never_rewritten_unasked(route: ReplicateRoute) -> None:
    table = MODELS[route.model].table
    sent = inputs_of(plain_order(route), route)
    assert {name: sent[name] for name in REWRITERS & set(table.optional)} == dict.fromkeys(
        REWRITERS & set(table.optional), False
    )


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        (("1:1", "1K"), "1:1"),
        (("16:9", "1K"), "16:9"),
        (("1:1", "2K"), "2048x2048"),
        (("9:16", "2K"), "1152x2048"),
        (("16:9", "4K"), "3840x2160"),
    ],
)
def test_a_ratio_and_a_resolution_become_one_field(asked: tuple[str, str], sent: str) -> None:
    for route in GPT:
        order = plain_order(route, aspect_ratio=asked[0], resolution=asked[1])
        assert inputs_of(order, route)["aspect_ratio"] == sent


@pytest.mark.parametrize(
    ("size", "ratio"),
    [((4000, 3000), "4:3"), ((3000, 4000), "3:4"), ((448, 784), "9:16"), ((3000, 1000), "16:9"), ((640, 640), "1:1")],
)
def test_auto_becomes_the_ratio_nearest_to_the_first_picture(size: tuple[int, int], ratio: str) -> None:
    for route in GPT:
        order = plain_order(route, aspect_ratio=AUTO)
        first = replace(order.images[0], width=size[0], height=size[1])
        assert inputs_of(replace(order, images=(first, picture())), route)["aspect_ratio"] == ratio


@pytest.mark.parametrize(("asked", "sent"), [(AUTO, {"match_input_image": True}), ("3:2", {"aspect_ratio": "3:2"})])
def test_the_shape_of_the_picture_is_a_switch_of_its_own_at_later_qwens(asked: str, sent: dict[str, Any]) -> None:
    for route in ROUTES:
        if route.tool == "qwen" and route.operation == "edit" and not route.image_list:
            inputs = inputs_of(plain_order(route, aspect_ratio=asked), route)
            assert {name: inputs[name] for name in ("match_input_image", "aspect_ratio") if name in inputs} == sent


def _examined(size: tuple[int, int], scale: int, *, has_alpha: bool = False) -> list[Candidate]:
    checked = check(catalog()["nano_banana"], {"images": ["/a.png"], "scale": scale})
    facts = PictureFacts("png", *size, orientation=1, frames=1, has_alpha=has_alpha, size=1000)
    return candidates(checked, ENLARGERS, None, [Source("images[0]", "/a.png", b"", facts)])


@pytest.mark.parametrize(
    ("size", "scale", "model", "usd"),
    [
        ((1024, 1024), 4, "nightmareai/real-esrgan", 0.0033),
        ((1254, 1254), 1, "nightmareai/real-esrgan", 0.0033),
        ((1255, 1254), 1, "prunaai/p-image-upscale", 0.005),
        ((2048, 2048), 4, "prunaai/p-image-upscale", 0.16),
        ((4000, 2000), 4, "prunaai/p-image-upscale", 0.16),
        ((4032, 3024), 3, "prunaai/p-image-upscale", 0.16),
        ((6000, 4000), 2, "prunaai/p-image-upscale", 0.16),
        ((2000, 1000), 1, "prunaai/p-image-upscale", 0.005),
        ((4032, 3024), 4, "", None),
        ((6000, 4000), 3, "", None),
        ((12000, 11000), 1, "", None),
    ],
)
def test_a_picture_goes_to_an_enlarger_that_makes_all_of_it(
    size: tuple[int, int], scale: int, model: str, usd: float | None
) -> None:
    """Beyond its cap it would make fewer pixels than asked, and be paid for them: it is refused before."""
    able = [one for one in _examined(size, scale) if not one.against]
    assert ([one.route.model for one in able] or [""])[0] == model
    assert [one.usd for one in able[:1]] == ([] if usd is None else [usd])
    assert all(size[0] * size[1] * one.arguments["scale"] ** 2 <= CAP for one in able)


def test_what_would_do_instead_is_said() -> None:
    (one,) = (candidate for candidate in _examined((4032, 3024), 4) if candidate.route.max_output_pixels)
    (why,) = one.against
    assert "is 4032x3024 px, 12,192,768 pixels in all, and the limit is 8,000,000: made smaller, to 3265x2448" in why


def test_a_cut_out_goes_only_to_the_enlarger_that_is_known_to_read_it() -> None:
    small, large = (_examined(size, 2, has_alpha=True) for size in ((1024, 1024), (2048, 2048)))
    assert [one.route.model for one in small if not one.against] == ["nightmareai/real-esrgan"]
    assert all(one.against for one in large)


def test_the_enlarger_keeps_to_its_cap_in_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """So does the emulator: what is asked for beyond it comes smaller."""
    monkeypatch.setattr("tests.emulators.replicate_finishing.CAP", 4 * 320 * 256)
    table, pictures = MODELS["prunaai/p-image-upscale"].table, [look(picture().data)]
    wide = [table.make({"upscale_mode": "factor", "factor": factor}, pictures, None)[0].width for factor in (1, 2, 4)]
    assert wide == [320, 640, 640]
