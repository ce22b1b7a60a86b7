"""A vendor's own words, made fit to be shown: short, on one line, without the key."""

from __future__ import annotations

import re
from typing import Any

from imagewright.text import plain, shortened

LONGEST = 300
"""Characters of a vendor's message that are kept."""
MOST_READ = 20_000
"""Characters of it that are looked at."""
WHOLE_KEY = 4
"""Characters a secret needs for its whole text to be hidden: shorter ones would blank out ordinary words."""
PART_OF_KEY = 16
"""Characters a secret needs for its beginning alone to be hidden: vendors echo the first few and mask the rest."""
SHOWN_START = 6
HIDDEN = "[key]"
MODERATION = re.compile(
    r"\b(?:content|usage|safety|use)?[ _-]?polic(?:y|ies)\b|\bsensitive\b|\bflagged\b|\bnsfw\b|\bprohibited\b"
    r"|\bsafety\b|\bmoderat(?:ed|ion)\b",
    re.IGNORECASE,
)
"""Words of a refusal of content. Whole words only: `safetyTolerance` is the name of a field."""


def tidy(text: str, key: str = "") -> str:
    """At most 300 characters on one line, without markup, control characters or any part of the key.

    Args:
        text: what the vendor said; a web page says nothing of use and becomes empty.
        key: the API key; a key of several parts joined by `:` is hidden part by part too.
    """
    if text.lstrip().startswith("<"):
        return ""
    return shortened(without_key(plain(text[:MOST_READ]), key), LONGEST)


def words_in(value: Any, depth: int = 5) -> str:
    """What a vendor's JSON says, in plain words: never brackets and quotation marks of a program.

    Args:
        value: a text, a list of any of these, a table, or a problem such as `{"loc": ["body", "n"], "msg": "..."}`.
        depth: how far lists and tables inside each other are read.
    """
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool) or value is None or not depth:
        return ""
    if isinstance(value, list):
        return "; ".join(words for one in value if (words := words_in(one, depth - 1)))
    if not isinstance(value, dict):
        return str(value)
    if isinstance(message := value.get("msg"), str):
        parts = value["loc"] if isinstance(value.get("loc"), list) else []
        place = ".".join(str(part) for part in parts if part != "body" and isinstance(part, str | int))
        return f"{place}: {message}" if place else message
    return "; ".join(f"{name}: {words}" for name, one in value.items() if (words := words_in(one, depth - 1)))


def without_key(text: str, key: str) -> str:
    """The text with the key, its parts and their beginnings replaced by `[key]`."""
    for secret in sorted({key, *key.split(":")}, key=len, reverse=True):
        if len(secret) >= WHOLE_KEY:
            text = text.replace(secret, HIDDEN)
        if len(secret) >= PART_OF_KEY:
            text = re.sub(re.escape(secret[:SHOWN_START]) + r"[\w*.…-]*", HIDDEN, text)
    return text


def sounds_moderated(text: str) -> bool:
    """Whether a message speaks of content rules; vendors without a code for it leave only their words."""
    return MODERATION.search(text) is not None
