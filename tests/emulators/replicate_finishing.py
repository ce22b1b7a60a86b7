"""What a model hosted at Replicate is, and those that work on a finished picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.emulators.kie_models import choice, decimal, flag, text, whole
from tests.emulators.pictures import of_area
from tests.emulators.tables import SEED, Fields, Table, Wrong, by_ratio, enlarged, link

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from PIL import Image

    from tests.emulators.pictures import Size

NO_LIMIT = 100_000
"""Characters of a prompt, where no limit is published."""
PROMPT = text(NO_LIMIT)
SEEDS = whole(0, SEED)
WEBP_TOO = choice("webp", "jpg", "png")
CAP = 128_000_000
"""Pixels of the largest picture that p-image-upscale makes."""
NAMED_LIMIT, REAL_LIMIT = 2_096_704, 1_572_864
"""Pixels of the largest picture that real-esrgan says it takes, and that it was seen to have memory for."""


def no_trouble(_fields: Fields, _pictures: int) -> Wrong | None:
    """Nothing is forbidden together."""
    return None


@dataclass(frozen=True)
class Hosted:
    """A model and how it is run."""

    table: Table
    """Its fields."""
    official: bool = True
    """Whether it is run by its name; else only by the id of its version."""
    clash: Callable[[Fields, int], Wrong | None] = no_trouble
    """What is wrong with fields that are right alone, given how many input pictures there are."""
    runs_out: Callable[[int], str] = lambda _pixels: ""
    """What a prediction fails with for an input picture of so many pixels; empty where there is room."""


def _upscaled(fields: Fields, source: Size) -> Size:
    """So many times as large, or by default of four megapixels."""
    if fields.get("upscale_mode", "target") == "factor":
        return enlarged("factor")(fields, source)
    return of_area(f"{source[0]}:{source[1]}", int(fields.get("target", 4)) * 1_000_000, 1)


class Enlarger(Table):
    """One that keeps to a number of pixels: beyond them, it enlarges by less and does not say so."""

    def make(self, fields: Fields, pictures: list[Image.Image], mask: Image.Image | None) -> list[Image.Image]:
        """The larger picture, without transparent parts: nobody says that the model keeps them."""
        assert mask is None
        wide, high = self.size(fields, pictures[0].size)
        least = min(1.0, (CAP / (wide * high)) ** 0.5)
        return [pictures[0].convert("RGB").resize((int(wide * least), int(high * least)))]


def _out_of_memory(pixels: int) -> str:
    """What real-esrgan fails with: it names a limit, and has not the memory for all that is below it."""
    if pixels > NAMED_LIMIT:
        return (
            f"Input image has a total number of pixels {pixels} greater than the max size that fits in GPU memory on "
            f"this hardware, {NAMED_LIMIT}. Resize input image and try again."
        )
    return "CUDA out of memory. Tried to allocate 3.52 GiB" if pixels > REAL_LIMIT else ""


FINISHING: Mapping[str, Hosted] = {
    "recraft-ai/recraft-remove-background": Hosted(Table({"image": link}, images="image", kind="cut_out", many=False)),
    "nightmareai/real-esrgan": Hosted(
        Table(
            {"image": link},
            {"scale": decimal(0, 10), "face_enhance": flag},
            images="image",
            size=enlarged("scale", 4),
            kind="resize",
            many=False,
        ),
        official=False,
        runs_out=_out_of_memory,
    ),
    "prunaai/p-image-upscale": Hosted(
        Enlarger(
            {"image": link},
            {
                "upscale_mode": choice("target", "factor"),
                "target": whole(1, 128),
                "factor": decimal(1, 8),
                "output_format": WEBP_TOO,
                "output_quality": whole(0, 100),
                "enhance_details": flag,
                "enhance_realism": flag,
                "disable_safety_checker": flag,
            },
            images="image",
            size=_upscaled,
            form="output_format",
            usual_form="jpg",
            many=False,
        )
    ),
    "luma/reframe-image": Hosted(
        Table(
            {},  # it says of none that it is required
            {
                "image": link,
                "aspect_ratio": choice("1:1", "16:9", "9:16", "4:3", "3:4", "21:9", "9:21"),
                "prompt": PROMPT,
                "model": choice("photon-1", "photon-flash-1"),
                **dict.fromkeys(
                    ("grid_position_x", "grid_position_y", "x_start", "x_end", "y_start", "y_end"), whole(0, 10_000)
                ),
            },
            images="image",
            size=by_ratio("aspect_ratio", usual="16:9"),
            many=False,
        )
    ),
    "bria/expand-image": Hosted(
        Table(
            {},
            {
                "image": link,
                "image_url": link,
                "aspect_ratio": choice("1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9"),
                "prompt": PROMPT,
                "negative_prompt": text(NO_LIMIT, 0),
                "seed": SEEDS,
                "sync": flag,
                "preserve_alpha": flag,
                "content_moderation": flag,
            },
            images="image",
            size=by_ratio("aspect_ratio"),
            many=False,
        )
    ),
}
"""By id. Of the places in a picture only the names of the fields are published."""
