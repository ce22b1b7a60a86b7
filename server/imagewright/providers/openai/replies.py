"""What the answers of the Images API mean. No I/O.

Failures are judged by their `code` and `type` first: a 429 is an empty account as often as a rate, and a 400 can be a
refusal of content. Servers of other makers use other forms of the same; all of them are read.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from imagewright.errors import (
    BadKey,
    ContentRefused,
    GenerationFailed,
    ModelUnavailable,
    OutOfCredit,
    ProviderError,
    RateLimited,
    RequestRejected,
    ResultLost,
)
from imagewright.providers.base import Finished
from imagewright.providers.common.fields import count, mapping, mappings, picture_in, text_in, usd, words_in
from imagewright.providers.http.classify import MINUTE, by_status, sounds_moderated, spoken_wait
from imagewright.providers.http.request import Purpose
from imagewright.providers.openai.routes import NAME
from imagewright.storage.accounts import Pace
from imagewright.text import HIDDEN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagewright.providers.http.request import Reply
    from imagewright.providers.openai.routes import TokenPrices

CODES: Mapping[str, type[ProviderError]] = {
    "moderation_blocked": ContentRefused,
    "invalid_api_key": BadKey,
    "insufficient_quota": OutOfCredit,
    "credit_balance_exhausted": OutOfCredit,
    "organization_spend_limit_exceeded": OutOfCredit,
    "project_spend_limit_exceeded": OutOfCredit,
    "billing_hard_limit_reached": OutOfCredit,
    "rate_limit_exceeded": RateLimited,
    "slow_down": RateLimited,  # the rate rose too quickly; comes with status 503 too
    "model_not_found": ModelUnavailable,
    "unsupported_country_region_territory": ModelUnavailable,
}
"""By `code`, else by `type`; for all others the HTTP status decides."""
LIMIT = re.compile(
    r"\bon (?:input-)?(images|requests) per (min|day)\w*(?: \(\w+\))?: limit (\d{1,9})"
    r"(?:, used \d+)?(?:, requested (\d{1,9}))?",
    re.IGNORECASE,
)
"""What is counted, over which time, how many are taken, and how many the call would have taken."""
DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
SPOKEN_KEY = re.compile(r"\bsk-[\w*.…-]+")
"""The maker's answer to a wrong key repeats its beginning and its end."""


def read_images(reply: Reply, per_token: TokenPrices | None = None) -> Finished | ProviderError | None:
    """The pictures of an answer, or the failure it reports; with the cost where it is known what a token costs."""
    content = reply.json
    if not isinstance(content, dict):
        return None
    if content.get("error") or reply.status >= HTTPStatus.BAD_REQUEST:
        return _failure(reply, content, Purpose.SUBMIT)
    items = content.get("data")
    if not isinstance(items, list):
        return None
    outputs = tuple(output for item in mappings(items) if (output := picture_in(item)))
    if not items:
        return GenerationFailed(NAME, "its answer holds no picture", spoken=False)
    if not outputs:
        return ResultLost(NAME, "its answer holds nothing that can be read as a picture")
    lost = len(items) - len(outputs)
    note = f"{NAME} sent {len(items)} pictures, of which {lost} cannot be read."
    cost = None if per_token is None else _cost(mapping(content.get("usage")), per_token)
    return Finished(outputs, cost_usd=cost, notes=(note,) if lost else ())


def _cost(usage: Mapping[str, Any], per_token: TokenPrices) -> float | None:
    """USD of the tokens that an answer reports; None unless it names all three numbers."""
    sent = mapping(usage.get("input_tokens_details"))
    tokens = [count(sent.get("text_tokens")), count(sent.get("image_tokens")), count(usage.get("output_tokens"))]
    known = [number for number in tokens if number is not None]
    if len(known) < len(tokens) or not known[-1]:
        return None
    return usd(sum(number * price for number, price in zip(known, per_token, strict=True)))


def read_retirements(reply: Reply) -> Mapping[str, str] | ProviderError | None:
    """The day of its end by model, of those in a list of models that have one; see `base.TellsRetirements`."""
    content = reply.json
    if not isinstance(content, dict):
        return None
    if content.get("error") or reply.status >= HTTPStatus.BAD_REQUEST:
        return _failure(reply, content, Purpose.OTHER)
    if not isinstance(content.get("data"), list):
        return None
    named = ((text_in(model, "id"), text_in(model, "shutdown_date")) for model in mappings(content["data"]))
    return {model: day for model, day in named if model and DAY.fullmatch(day)}


def _failure(reply: Reply, content: Mapping[str, Any], purpose: Purpose) -> ProviderError:
    error = content.get("error")
    fields = mapping(error)
    words = _words(content, fields, error)
    judged = by_status(NAME, reply, purpose)
    kind = CODES.get(str(fields.get("code"))) or CODES.get(str(fields.get("type")))
    if kind is None and reply.status == HTTPStatus.BAD_REQUEST and sounds_moderated(words):
        kind = ContentRefused
    if kind is ContentRefused:
        return _refused(words, fields)
    if kind is RateLimited:
        return _limited(reply, words)
    if kind is not None:
        return kind(NAME, words, charged=False)
    if reply.status < HTTPStatus.MULTIPLE_CHOICES:
        return GenerationFailed(NAME, words)
    return type(judged)(NAME, f"HTTP {reply.status}: {words}" if words else judged.detail, charged=judged.charged)


def read_limits(reply: Reply) -> Pace | None:
    """How many pictures or requests a refusal says are taken in a minute."""
    found = LIMIT.search(text_in(mapping(mapping(reply.json).get("error")), "message"))
    if found is None or found[2].lower() == "day" or not int(found[3]):
        return None
    return Pace(calls=int(found[3]), seconds=MINUTE)


def _limited(reply: Reply, words: str) -> ProviderError:
    """A refusal for the rate, or for what no wait changes: a call for more than is ever taken at once, a limit of 0."""
    found = LIMIT.search(words)
    if found and not int(found[3]):
        return OutOfCredit(NAME, words, charged=False)  # the account's tier has none of it
    if found and found[4] and int(found[4]) > int(found[3]):
        return RequestRejected(NAME, words, advice="Ask for fewer pictures, or send fewer, in one call.")
    named = "retry-after" in reply.headers or "retry-after-ms" in reply.headers
    return RateLimited(NAME, words, retry_after=None if named else spoken_wait(words))


def _refused(words: str, fields: Mapping[str, Any]) -> ContentRefused:
    """A refusal of content; whether the finished picture that was refused is paid for is not published."""
    details = mapping(fields.get("moderation_details"))
    stage, listed = details.get("moderation_stage"), details.get("categories")
    if isinstance(listed, list) and listed:
        words += f" ({', '.join(words_in(one) for one in listed)})"
    return ContentRefused(NAME, words, charged=False if stage == "input" else None)


def _words(content: Mapping[str, Any], fields: Mapping[str, Any], error: Any) -> str:
    """The server's words, in any of the usual forms."""
    found = (fields.get("message"), error, content.get("detail"), content.get("message"))
    words = next((text for one in found if (text := words_in(one))), "")
    return SPOKEN_KEY.sub(HIDDEN, words)
