"""Ask the user about a price through the client, in either protocol era; silence and trouble mean no."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import mcp.types as t
from mcp import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from imagewright.errors import Problem, Refusal

if TYPE_CHECKING:
    from mcp.server import ServerRequestContext

    Context = ServerRequestContext[Any]

ASK_SECONDS = 40.0
"""How long the user may take to answer: below the 60 s after which most hosts give up the whole call."""
QUESTION = "price"
"""Name of the question in the modern era's list of input requests."""
FORM: dict[str, Any] = {
    "type": "object",
    "properties": {"agree": {"type": "boolean", "title": "Agree", "description": "Make the picture at this price"}},
    "required": ["agree"],
}
NO_WAY = (
    "This client cannot ask the user. Have the user agree beforehand by raising IMAGEWRIGHT_CONFIRM_ABOVE "
    "(confirm_above under [budget] in the configuration)"
)


def agreed_before(responses: t.InputResponses) -> bool | None:
    """The user's answer, if this is the modern era's second call, which brings it; None if it is not."""
    answer = responses.get(QUESTION)
    return None if answer is None else isinstance(answer, t.ElicitResult) and _agrees(answer)


async def ask_price(ctx: Context, question: str) -> bool | t.InputRequiredResult:
    """The user's answer, or in the modern era the question, which the client puts to the user before it calls again.

    Raises:
        Refusal: the client has no way to ask.
    """
    able = ctx.session.client_capabilities
    if able is None or able.elicitation is None:
        raise Refusal(Problem("", f"{question} {NO_WAY}"))
    if ctx.session.protocol_version in MODERN_PROTOCOL_VERSIONS:
        request = t.ElicitRequest(params=t.ElicitRequestFormParams(message=question, requested_schema=FORM))
        return t.InputRequiredResult(input_requests={QUESTION: request})
    with anyio.move_on_after(ASK_SECONDS):
        try:
            # over HTTP it goes out with the answer to the call: not every client listens to anything else
            return _agrees(await ctx.session.elicit_form(question, FORM, related_request_id=ctx.request_id))
        except MCPError:
            return False
    return False


def _agrees(answer: t.ElicitResult) -> bool:
    return answer.action == "accept" and (answer.content or {}).get("agree") is True
