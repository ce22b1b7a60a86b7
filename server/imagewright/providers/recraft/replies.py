"""What Recraft's answers mean. No I/O. Two of its refusals are documented; they come as text or as JSON."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from imagewright.errors import ContentRefused, GenerationFailed, OutOfCredit, ProviderError, ResultLost
from imagewright.providers.base import Finished
from imagewright.providers.common.fields import joined, mapping, mappings, picture_in, usd
from imagewright.providers.common.keys import KeyAccepted, with_credit
from imagewright.providers.http.classify import MEANING, sounds_moderated
from imagewright.providers.recraft.routes import NAME, USD_PER_UNIT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagewright.providers.http.request import Reply

PLACES = frozenset({"image", "data"})
"""Where an answer has its picture; the second, a list, is that of other endpoints."""
NO_MONEY = ("not_enough_credits", "not enough credits", "not enough units", "insufficient credits")
"""Words of a refusal for lack of credit; which status it comes with is not known for sure."""
MAY_BE_MONEY = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.PAYMENT_REQUIRED, HTTPStatus.FORBIDDEN})
MAY_BE_MODERATION = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN, HTTPStatus.UNPROCESSABLE_ENTITY})
WORDS_BYTES = 2000


def read_made(reply: Reply) -> Finished | ProviderError | None:
    """The picture that was made; None where the answer cannot be read and its HTTP status decides."""
    content = mapping(reply.json)
    if reply.status >= HTTPStatus.BAD_REQUEST:
        return _refusal(reply, content)
    if not PLACES & content.keys():
        return None
    cost = usd(content.get("credits"), per_unit=USD_PER_UNIT)
    entries = mappings([content.get("image")]) + mappings(content.get("data"))
    output = next((made for entry in entries if (made := picture_in(entry))), None)
    if output is None:
        charged = None if cost is None else cost > 0
        if not entries:
            return GenerationFailed(NAME, "its answer holds no picture", charged=charged, spoken=False)
        return ResultLost(NAME, "its answer holds nothing that can be read as a picture", charged=charged)
    return Finished((output,), cost_usd=cost)


def read_user(reply: Reply) -> KeyAccepted | ProviderError | None:
    """What is left in the account."""
    content = mapping(reply.json)
    if reply.status >= HTTPStatus.BAD_REQUEST:
        return _refusal(reply, content)
    return with_credit(content.get("credits"), per_unit=USD_PER_UNIT)


def _refusal(reply: Reply, content: Mapping[str, Any]) -> ProviderError | None:
    words = joined(content, "code", "message")
    text = words or reply.body[:WORDS_BYTES].decode("utf-8", "replace").strip()
    if text.startswith("<"):
        return None  # a gateway's page: its words are not Recraft's
    if reply.status in MAY_BE_MONEY and any(hint in text.lower() for hint in NO_MONEY):
        return OutOfCredit(NAME, text, charged=False)
    if reply.status in MAY_BE_MODERATION and sounds_moderated(text):
        # whether it comes before the work or after it, and is charged then, is documented nowhere
        return ContentRefused(NAME, text, charged=None)
    kind = MEANING.get(reply.status)
    return kind(NAME, text, charged=False) if words and kind is not None else None
