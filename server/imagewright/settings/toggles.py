"""Which tools are on: command line over environment over configuration file, decided tool by tool."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from imagewright.errors import SettingsError
from imagewright.text import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Collection


@dataclass(frozen=True, slots=True)
class Layer:
    """What one source says about tools.

    Attributes:
        source: what to call it, such as "IMAGEWRIGHT_TOOLS" or the path of the configuration file.
        allow: only these are on, if it says so at all.
        deny: these are off; beats `allow` of the same layer.
    """

    source: str
    allow: frozenset[str] | None = None
    deny: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a tool is on, and which source says so."""

    on: bool
    because: str


@dataclass(frozen=True, slots=True)
class Toggles:
    """The layers, strongest first. The first that speaks about a tool decides; with none, it is on."""

    layers: tuple[Layer, ...] = ()

    def decide(self, tool: str) -> Decision:
        """Whether the tool is on and why."""
        for layer in self.layers:
            if tool in layer.deny:
                return Decision(on=False, because=f"switched off by {layer.source}")
            if layer.allow is not None:
                if tool in layer.allow:
                    return Decision(on=True, because=f"listed in {layer.source}")
                return Decision(on=False, because=f"not listed in {layer.source}")
        return Decision(on=True, because="on by default")

    def check_names(self, valid: Collection[str]) -> None:
        """Refuse names that are no tools.

        Raises:
            SettingsError: names every misspelt name with the nearest, and all valid names.
        """
        wrong = [(name, layer.source) for layer in self.layers for name in sorted(self._named(layer) - set(valid))]
        if not wrong:
            return
        words = [f"{source} names {name!r}, which is no tool{did_you_mean(name, valid)}" for name, source in wrong]
        raise SettingsError("; ".join(words) + f". The tools are: {', '.join(valid)}.")

    @staticmethod
    def _named(layer: Layer) -> frozenset[str]:
        return layer.deny | (layer.allow or frozenset())


def names(text: str) -> frozenset[str]:
    """The tool names in a comma or space separated text."""
    return frozenset(text.replace(",", " ").split())
