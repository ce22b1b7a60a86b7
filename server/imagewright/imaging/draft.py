"""Rehearsals of what only a model can make: composed drafts that say what was asked, and that they are drafts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image

from imagewright.imaging.cutout import cut_out
from imagewright.imaging.drafting.collage import collage
from imagewright.imaging.drafting.poster import Fact, compose
from imagewright.imaging.drafting.relight import caption, relight
from imagewright.imaging.drafting.repaint import repaint
from imagewright.imaging.drafting.scene import paint_scene, palette_for
from imagewright.imaging.drafting.shape import CLASS, has_ratio, ratio_of, resized_to, side_of, size_for
from imagewright.imaging.extend import extend, growth_for

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Fact", "draft_size", "draw_draft", "draw_edit", "edit_size"]

CALM = 3
"""The seed of `extend` whose way of painting draws the least attention."""


def draw_draft(
    size: tuple[int, int], prompt: str, facts: Sequence[Fact], *, seed: int, transparent: bool = False
) -> Image.Image:
    """A picture composed for a prompt, printed with its words.

    Args:
        size: width and height in pixels.
        prompt: whose words steer the scene and its colours; shown, in part when it is long.
        facts: what else was asked for, to be listed.
        seed: same seed and words, same pixels; neighbouring seeds have other colours.
        transparent: leave the paper out.

    Returns:
        RGB, or RGBA when transparent, of exactly that size, marked as an offline draft.
    """

    def picture(panel: tuple[int, int]) -> Image.Image:
        return paint_scene(panel, prompt, seed)

    return compose(size, palette_for(prompt, seed), picture, prompt, facts, transparent=transparent)


def draft_size(aspect_ratio: str, resolution: str) -> tuple[int, int]:
    """How large a draft becomes, in pixels: see `size_for`.

    Args:
        aspect_ratio: such as "16:9"; anything else means 1:1.
        resolution: a size class such as "2K"; anything else means 1K.
    """
    return size_for(ratio_of(aspect_ratio) or (1, 1), side_of(resolution) or CLASS)


def edit_size(own: tuple[int, int], aspect_ratio: str, resolution: str) -> tuple[int, int]:
    """How large an edit of a picture becomes, in pixels.

    Args:
        own: the first input picture's size.
        aspect_ratio: such as "16:9"; anything else keeps the picture's own shape.
        resolution: a size class such as "2K"; anything else keeps the picture's own size as long as its shape is
            kept, and means 1K where it is not.
    """
    ratio, side = ratio_of(aspect_ratio), side_of(resolution)
    if ratio is None or has_ratio(own, ratio):
        return own if side is None else resized_to(own, side)
    return size_for(ratio, side or CLASS)


def draw_edit(
    images: Sequence[Image.Image],
    size: tuple[int, int],
    prompt: str,
    facts: Sequence[Fact],
    *,
    mask: Image.Image | None = None,
    seed: int,
    transparent: bool = False,
) -> Image.Image:
    """What stands for an edit: one picture in another light, several as a collage, a masked part filled anew.

    Args:
        images: the input pictures, RGB or RGBA; at least one.
        size: of the result, in pixels; a picture of another shape is continued beyond its edges, never cropped.
        prompt: the instruction, shown.
        facts: what else was asked for, to be listed.
        mask: of the first picture's size, 255 where it is repainted; everywhere else the picture's pixels are kept.
        seed: as in `draw_draft`.
        transparent: cut the subject out of its background.

    Returns:
        RGB or RGBA of exactly that size, marked as an offline draft in the picture; with a mask only inside it.
    """
    palette = palette_for(prompt, seed)
    first = _fitted(images[0], size)
    if mask is not None:
        area = _fitted_mask(mask, size)
        return repaint(first, area, _content(images[1:], area, prompt, seed), palette, prompt)
    if len(images) > 1:

        def picture(panel: tuple[int, int]) -> Image.Image:
            return relight(collage(images, panel, palette), palette, seed)

        return compose(size, palette, picture, prompt, facts, transparent=transparent)
    alone = _fitted(cut_out(images[0]).image, size) if transparent else first
    result = relight(alone, palette, seed)
    caption(result, palette, prompt, list(facts))
    return result


def _content(others: Sequence[Image.Image], area: Image.Image, prompt: str, seed: int) -> Image.Image:
    """What shows through the masked area: the further pictures, or else a scene, as large as the area."""
    content = Image.new("RGB", area.size)
    box = area.getbbox()
    if box:
        size = (box[2] - box[0], box[3] - box[1])
        palette = palette_for(prompt, seed)
        content.paste(collage(others, size, palette) if others else paint_scene(size, prompt, seed), box)
    return content


def _fitted(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    if image.size == size:
        return image
    grown = image if _same_shape(image.size, size) else extend(image, size, seed=CALM)
    return grown if grown.size == size else grown.resize(size, Image.Resampling.LANCZOS)


def _same_shape(own: tuple[int, int], size: tuple[int, int]) -> bool:
    return abs(own[0] * size[1] - own[1] * size[0]) <= max(size)


def _fitted_mask(mask: Image.Image, size: tuple[int, int]) -> Image.Image:
    if mask.size == size:
        return mask
    whole = mask
    if not _same_shape(mask.size, size):
        growth = growth_for(mask.size, size)
        whole = Image.new("L", (growth.width, growth.height))
        whole.paste(mask, (growth.left, growth.top))
    return whole if whole.size == size else whole.resize(size, Image.Resampling.NEAREST)
