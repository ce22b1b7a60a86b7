"""Install links: what a client reads out of a link is the same entry that `connect` writes."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from imagewright.cli.connect import NAME, clients

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from imagewright.cli.connect import Client


def install_links(entry: Callable[[Client], Mapping[str, Any]]) -> dict[str, str]:
    """The link by its text, of every client that has one; `entry` gives what it is to start."""
    return {
        text: _filled(template, entry(client))
        for client in clients().values()
        for text, template in client.links.items()
    }


def _filled(template: str, entry: Mapping[str, Any]) -> str:
    bare = json.dumps({**entry}, ensure_ascii=False)
    named = json.dumps({"name": NAME, **entry}, ensure_ascii=False)
    coded = quote(base64.b64encode(bare.encode()).decode(), safe="")
    return template.replace("{base64}", coded).replace("{percent}", quote(named, safe=""))
