"""Which tools are on, decided tool by tool by the strongest source that says something about it.

The strongest is the command line, then the variable of the tool itself, then the two lists in the environment, then the
configuration file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from imagewright.errors import SettingsError
from imagewright.settings import without_secrets
from imagewright.text import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Collection


class Layer(NamedTuple):
    """What one source sets about tools."""

    source: str
    """What to call it, such as "the command line" or the path of the configuration file."""
    allow: frozenset[str] | None = None
    """Only these are on; None where the source has no such list."""
    deny: frozenset[str] = frozenset()
    """These are off, even where `allow` of the same layer names them."""
    switched_on: frozenset[str] = frozenset()
    """These are on; nothing is said about any other."""


class Decision(NamedTuple):
    """Whether a tool is on, and why."""

    on: bool
    because: str
    """Names the source, such as "switched off by the command line"."""


class Toggles(NamedTuple):
    """Decides for each tool by the first layer that says anything about it. Where none does, the tool is on."""

    layers: tuple[Layer, ...] = ()
    """The strongest first."""

    def decide(self, tool: str) -> Decision:
        """Whether the tool is on and why."""
        for layer in self.layers:
            if tool in layer.deny:
                return Decision(on=False, because=f"switched off by {layer.source}")
            if tool in layer.switched_on:
                return Decision(on=True, because=f"switched on by {layer.source}")
            if layer.allow is not None:
                if tool in layer.allow:
                    return Decision(on=True, because=f"listed in {layer.source}")
                return Decision(on=False, because=f"not listed in {layer.source}")
        return Decision(on=True, because="on by default")

    def check_names(self, valid: Collection[str]) -> None:
        """Refuse names that are not tools.

        Raises:
            SettingsError: a name is wrong; the message has each of them with the nearest valid one, and all valid ones.
        """
        named = [(layer.source, layer.deny | layer.switched_on | (layer.allow or frozenset())) for layer in self.layers]
        wrong = [(name, source) for source, names in named for name in sorted(names - set(valid))]
        if not wrong:
            return
        problems = [
            f"{source} names {without_secrets(name)!r}, which is not a tool{did_you_mean(name, valid)}"
            for name, source in wrong
        ]
        raise SettingsError("; ".join(problems) + f". The tools are: {', '.join(valid)}.")
