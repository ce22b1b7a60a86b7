"""Every fuzz target by its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.fuzz import arguments, http, paths, pictures, replies, words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.fuzz.target import Target

TARGETS: Mapping[str, Target] = {
    name: target
    for module in (arguments, paths, pictures, replies, words, http)
    for name, target in module.TARGETS.items()
}
