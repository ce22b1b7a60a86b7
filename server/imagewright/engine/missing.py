"""Who could serve a tool that nobody in use serves, and what would bring it back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagewright.providers import KEY_VARIABLES, open_provider
from imagewright.providers.base import ProviderConfig
from imagewright.providers.http.client import HttpClient

if TYPE_CHECKING:
    from imagewright.providers.base import Route


def all_routes() -> tuple[Route, ...]:
    """The built-in routes of every provider, in the order of the providers, whether or not it has a key."""
    http = HttpClient()
    providers = [
        open_provider(name, ProviderConfig(key="unused", addresses={}, overrides={}, http=http))
        for name in KEY_VARIABLES
    ]
    return tuple(route for provider in providers for route in provider.routes)


def could_serve(tool: str) -> dict[str, tuple[str, ...]]:
    """The providers with a route for the tool, each with the variables its key may stand in."""
    return {route.provider: KEY_VARIABLES[route.provider] for route in all_routes() if route.tool == tool}
