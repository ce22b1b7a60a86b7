"""What makes two calls the same call."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imagewright.engine.check import Checked
    from imagewright.engine.inputs import Source


def fingerprint(checked: Checked, sources: Sequence[Source]) -> str:
    """The same for two calls of one tool that are identical in every argument and in every byte of their pictures."""
    pictures = {source.argument: hashlib.sha256(source.data).hexdigest() for source in sources}
    plain = {
        name: value for name, value in checked.given.items() if name not in {one.split("[")[0] for one in pictures}
    }
    text = json.dumps([checked.row.tool, plain, pictures], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
