"""The colour worlds drafts are painted in."""

from __future__ import annotations

from dataclasses import dataclass

from imagewright.imaging.drafting.colour import Colour, hexed
from imagewright.imaging.drafting.words import PALETTE_WORDS


@dataclass(frozen=True, slots=True)
class Palette:
    """One colour world.

    Attributes:
        name: what a test or a message calls it.
        sky: from the top down to the horizon.
        sun: the disc in the sky; also whatever is lit.
        far: the most distant layer of a scene.
        near: the closest layer.
        accent: the one loud colour, used little.
        paper: what the print is printed on.
        ink: its lettering.
    """

    name: str
    sky: tuple[Colour, ...]
    sun: Colour
    far: Colour
    near: Colour
    accent: Colour
    paper: Colour
    ink: Colour


def _palette(name: str, sky: str, rest: str) -> Palette:
    sun, far, near, accent, paper, ink = (hexed(one) for one in rest.split())
    return Palette(name, tuple(hexed(one) for one in sky.split()), sun, far, near, accent, paper, ink)


PALETTES: tuple[Palette, ...] = (
    #         name      sky, top to horizon      sun    far    near   accent paper  ink
    _palette("dawn", "7fa9c2 f1d8c6 f7b58c", "fff1d8 cf9a8b 35283f e4572e f7f1e7 2e2530"),
    _palette("lagoon", "2a7f9e 8fd0cf f6ecd0", "fff0c4 74b6b6 0f3f56 ef6f53 f8f5ec 0f3547"),
    _palette("autumn", "ead8b4 f3bd6c ea7f42", "fff2d4 dc8142 471c1f b8352b f9f1e3 43201f"),
    _palette("dusk", "2b2d5b 85508a f5a47c", "ffdca6 8f5d8c 1b1734 e8743b f4ece4 231d3a"),
    _palette("meadow", "9fd0d6 dfecd4 f9efc6", "f9c846 a4c39b 204539 e2872e faf6ea 1f3a32"),
    _palette("desert", "74b2bc f3e2c1 f6c28b", "f26b38 e4a86f 702e22 d94f2b f9f2e4 4a2419"),
    _palette("rose", "f0bfc4 f8dfd5 fff3e4", "e5615c e6a8a6 5f2a45 d9465f fbf3ee 4c2138"),
    _palette("night", "0a1230 1b2f5e 5677a0", "f6efd6 3f5c88 070d20 e0b354 f1efe6 101a33"),
    _palette("citrus", "fff1bd ffd283 ffa262", "ef4444 f2975f 1f4b58 e23b45 fdf7e6 1d3d48"),
    _palette("winter", "aec8dc e0eaf0 fbf4ec", "f6cdb0 bccedb 3a5068 c75b4d f7f8f7 2d3f52"),
    _palette("plum", "46235a a84a7a f8b48e", "ffe3b8 9c5583 22102f f08a4b f6edea 2f1838"),
    _palette("sage", "d3dbc8 e8e8d8 f6efdf", "d98a58 b3bda2 39483a c8643c f8f5ea 2f3b30"),
    _palette("aurora", "0c1a2b 15504f 79cba0", "eef9dc 236d67 06161c e8c35a eff3ec 0d2a2c"),
    _palette("ink", "dcd7ca ece8dd f7f4ec", "d8342b b5b2a8 1d1f22 d8342b f7f4ec 1d1f22"),
)

BY_NAME = {palette.name: palette for palette in PALETTES}


def suited(words: frozenset[str]) -> tuple[Palette, ...]:
    """The palettes a prompt's words ask for, the most asked first; all of them when it asks for none."""
    votes: dict[str, float] = {}
    for asked, names in PALETTE_WORDS:
        hits = len(words.intersection(asked.split()))
        for place, name in enumerate(names.split()):
            if hits:
                votes[name] = votes.get(name, 0) + hits / (place + 1)
    chosen = sorted(votes, key=lambda name: -votes[name])
    return tuple(BY_NAME[name] for name in chosen) or PALETTES
