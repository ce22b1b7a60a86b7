"""Keys, providers and tools: what is on, what is not, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagewright.cli.checks.finding import Finding, Level
from imagewright.engine.config import could_serve
from imagewright.engine.offer import tool_names
from imagewright.providers import KEY_VARIABLES

if TYPE_CHECKING:
    from imagewright.engine.offer import Offer
    from imagewright.settings.load import Settings


def check_keys(settings: Settings) -> list[Finding]:
    """Which keys were found and where, never what they are; whether their vendors take them is not tried."""
    found: list[Finding] = []
    from_shell: list[str] = []
    for provider, variables in KEY_VARIABLES.items():
        if not variables:
            continue
        key = settings.keyring.find(variables)
        found += [
            Finding("keys", Level.NOTE, str(flaw), "Set it to the key alone, or leave it out.")
            for flaw in settings.keyring.flaws(variables)
        ]
        if key is None:
            found.append(Finding("keys", Level.OFF, f"{provider}: none ({' or '.join(variables)})"))
            continue
        found.append(Finding("keys", Level.OK, f"{provider}: from {key.source} (not tried)"))
        if key.source in variables:
            from_shell.append(key.source)
    if from_shell:
        found.append(
            Finding(
                "keys",
                Level.NOTE,
                f"{', '.join(from_shell)}: set in this shell, which desktop clients do not read",
                f"For them, put it into the client's own env block, or into {settings.keyring.file} (mode 0600).",
            )
        )
    return found


def check_offer(offer: Offer, settings: Settings) -> list[Finding]:
    """Which providers and tools are on or off, and why, and what would bring a tool back that nobody serves."""
    found = [
        Finding("providers", Level.OK if state.on else Level.OFF, f"{state.name}: {state.because}")
        for state in offer.providers.values()
    ]
    for name in tool_names():
        if name in offer.hidden:
            advice = _remedy(name, settings) if settings.toggles.decide(name).on else ""
            found.append(Finding("tools", Level.OFF, f"{name}: {offer.hidden[name]}", advice))
        else:
            providers = dict.fromkeys(route.provider for route in offer.routes(name))
            served = f", served by {', '.join(providers)}" if providers else ""
            found.append(Finding("tools", Level.OK, f"{name}: on{served}"))
    if not offer.names:
        found.append(Finding("tools", Level.BROKEN, "no tool is on", "Switch one on: imagewright tools enable NAME"))
    elif offer.drafts and offer.tools:
        variables = next(names[0] for names in KEY_VARIABLES.values() if names)
        found.append(
            Finding(
                "tools",
                Level.NOTE,
                "only the built-in offline provider serves: generating and editing give marked drafts",
                f"For real pictures set a key, such as {variables}.",
            )
        )
    return found


def _remedy(tool: str, settings: Settings) -> str:
    """What brings back a tool that is on and that no provider in use serves."""
    to_name, to_key = [], []
    for provider, variables in could_serve(tool).items():
        if not variables:
            continue  # drafts are no remedy
        if settings.keyring.find(variables):
            to_name.append(provider)
        else:
            to_key.append(f"{' or '.join(variables)} ({provider})")
    ways = [f"set one of these keys: {', '.join(to_key)}"] if to_key else []
    if to_name:
        ways.append(f"name one of these in IMAGEWRIGHT_PROVIDERS or with --provider: {', '.join(to_name)}")
    text = "; or ".join(ways)
    return f"{text[:1].upper()}{text[1:]}." if text else ""
