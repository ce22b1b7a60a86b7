"""A vendor's own words, made fit to be shown: short, on one line, without the key."""

from __future__ import annotations

import re
import unicodedata

LONGEST = 300
"""Characters of a vendor's message that are kept."""
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
    plain = "".join(" " if unicodedata.category(letter).startswith("C") else letter for letter in text)
    plain = " ".join(without_key(plain, key).split())
    return plain if len(plain) <= LONGEST else plain[: LONGEST - 1].rstrip() + "…"


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
