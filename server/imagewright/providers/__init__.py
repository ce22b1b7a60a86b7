"""How each vendor spells what the rows promise. A vendor's module is imported when it is first needed."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imagewright.providers.base import Provider, ProviderConfig

KEY_VARIABLES: dict[str, tuple[str, ...]] = {
    "kie": ("KIE_API_KEY", "KIE_AI_API_KEY"),
    "fal": ("FAL_KEY",),
    "replicate": ("REPLICATE_API_TOKEN",),
    "openai": ("OPENAI_API_KEY",),
    "google": ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
    "bfl": ("BFL_API_KEY",),
    "recraft": ("RECRAFT_API_TOKEN",),
    "ideogram": ("IDEOGRAM_API_KEY",),
    "ark": ("ARK_API_KEY",),
    "dashscope": ("DASHSCOPE_API_KEY",),
    "offline": (),
}
"""Every provider, with the environment variables its key may stand in, first one first. `offline` needs none."""
KEYLESS = frozenset({"openai"})
"""Providers that also work without a key where the user has set their address: servers of one's own need none."""
OTHER_HOSTS: dict[str, tuple[str, ...]] = {"kie": ("upload",), "fal": ("upload", "list"), "bfl": ("poll",)}
"""Names of the addresses that a provider has besides its main one, as in `IMAGEWRIGHT_KIE_UPLOAD_BASE_URL`."""


def open_provider(name: str, config: ProviderConfig) -> Provider:
    """The provider of that name, ready to take orders. Opens no connection.

    Args:
        name: a key of `KEY_VARIABLES`.
        config: its key, its addresses and the one HTTP client.
    """
    module = import_module(f"imagewright.providers.{name}.provider")
    provider: Provider = module.build(config)
    return provider
