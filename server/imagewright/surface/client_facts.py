"""What is known of single clients by the names that they give, and what follows for the answers they get.

Only what was seen stands here, each with its source. All else follows from what a client declares and from its
protocol's era. A client whose name is not listed gets what the protocol asks for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import mcp.types as t

if TYPE_CHECKING:
    from mcp.server import ServerRequestContext

Reply = t.CallToolResult | t.InputRequiredResult


@dataclass(frozen=True, slots=True)
class ClientFacts:
    """What is known of one client."""

    source: str
    """Where it was seen, with the client's version."""
    checked: str
    """The day it was seen, as YYYY-MM-DD."""
    data_hides_pictures: bool = False
    """Whether its model is shown the structured content of a result and then nothing else of it, no picture either."""


FACTS = {
    "codex-mcp-client": ClientFacts(
        source="what Codex CLI 0.171.0 sends to its model: with structured content its JSON alone, without it text and "
        "picture; that a tool declares an output schema changes nothing",
        checked="2026-11-26",
        data_hides_pictures=True,
    ),
}
"""By the name in a client's `clientInfo`."""


def suited(ctx: ServerRequestContext[Any], reply: Reply) -> Reply:
    """The reply in the form in which this client's model sees all of it.

    The structured content of a reply with pictures is left out for a client that would show nothing else. The text says
    the same in fewer words: id, path, size, cost, notes.
    """
    params = ctx.session.client_params
    known = FACTS.get(params.client_info.name) if params is not None else None
    if known is None or not known.data_hides_pictures or not isinstance(reply, t.CallToolResult):
        return reply
    if any(isinstance(block, t.ImageContent) for block in reply.content):
        return reply.model_copy(update={"structured_content": None})
    return reply
