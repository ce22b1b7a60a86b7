"""A vendor's answer as the functions that read answers get it, without a vendor."""

from __future__ import annotations

import json
from typing import Any

from imagewright.providers.sending.request import Reply


def reply(content: Any, status: int = 200, **headers: str) -> Reply:
    """JSON, or bytes as they are; underscores in header names stand for hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, named, content if isinstance(content, bytes) else json.dumps(content).encode("utf-8"))
