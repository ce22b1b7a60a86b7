"""What an installation of this package holds: the package, and all it needs on this platform, with their versions."""

from __future__ import annotations

from importlib.metadata import distribution
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Collection
    from importlib.metadata import Distribution

NAME = "imagewright"


def needs(package: Distribution, extras: Collection[str] = ()) -> list[Requirement]:
    """What a distribution needs here, by its own metadata, for these extras of it."""
    wanted = map(Requirement, package.requires or ())
    return [
        one
        for one in wanted
        if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in ("", *extras))
    ]


def closure(name: str = NAME) -> dict[str, Distribution]:
    """The distribution and everything it needs, directly or not, as installed here; by their normalised names.

    Raises:
        PackageNotFoundError: something that is needed is not installed.
    """
    found: dict[str, Distribution] = {}
    tried: set[tuple[str, frozenset[str]]] = set()
    left = [Requirement(name)]
    while left:
        wanted = left.pop()
        key = str(canonicalize_name(wanted.name))
        if (key, frozenset(wanted.extras)) in tried:
            continue
        tried.add((key, frozenset(wanted.extras)))
        found[key] = distribution(wanted.name)
        left += needs(found[key], wanted.extras)
    return dict(sorted(found.items()))
