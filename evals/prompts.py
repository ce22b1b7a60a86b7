"""Files that anyone can answer: lines of JSON, or pages that have the tools once and then the requests.

A request goes by its key, and the requests are in the order of their keys: name and kind would tell what is expected.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from evals.messages import HOST, openai_body, plain_turns, today_line
from evals.shown import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from evals.request import Request, Setup
    from evals.shown import Shown

BATCH = 40
"""Requests of one page."""
TASK = """\
You are the assistant in many short conversations, which have nothing to do with each other. Each shows what was said
and done so far. Answer its last turn as you would in a real chat with the system prompt and the tools that stand above
it: with the call that you would make now, or with words alone where you would call nothing.

Decide by the system prompt and the tool list alone; do not look into any other file. Where you would read image_guide
first, although the user does not ask for it, answer with what you would do after that.

Write one line of JSON per request, in their order, every request once, and nothing else:

{"id": "q123abc", "tool": "name of the tool", "arguments": {...}}
{"id": "q123abc", "tool": "none", "text": "what you would say, in one sentence"}

Where you would make several calls at once: {"id": "q123abc", "calls": [{"tool": "...", "arguments": {...}}, ...]}
"""


async def all_shown(requests: Iterable[Request]) -> dict[Setup, Shown]:
    """What the server shows in each setup of these requests."""
    return {setup: await shown(setup) for setup in dict.fromkeys(request.setup for request in requests)}


def in_order(requests: Iterable[Request]) -> list[Request]:
    """The requests in an order that tells nothing."""
    return sorted(requests, key=lambda request: request.key)


def lines(requests: Iterable[Request], seen: dict[Setup, Shown]) -> Iterator[str]:
    """A line of JSON per request, with the whole body of a Chat Completions request."""
    for request in in_order(requests):
        yield json.dumps({"id": request.key} | openai_body(request, seen[request.setup]), ensure_ascii=False)


def pages(requests: list[Request], seen: dict[Setup, Shown], size: int = BATCH) -> dict[str, str]:
    """Pages of Markdown by file name: the task, then per setup what the server shows, and its requests."""
    by_setup: dict[Setup, list[Request]] = {}
    for request in in_order(requests):
        by_setup.setdefault(request.setup, []).append(request)
    common = max(by_setup.values(), key=len)
    rest = [request for group in by_setup.values() if group is not common for request in group]
    few = max(1, size // 4)  # each of them may need a tool list of its own
    batches = [common[first : first + size] for first in range(0, len(common), size)]
    batches += [rest[first : first + few] for first in range(0, len(rest), few)]
    return {f"batch-{number:02d}.md": _page(batch, seen) for number, batch in enumerate(batches, 1)}


def _page(batch: list[Request], seen: dict[Setup, Shown]) -> str:
    parts = ["# Task", TASK]
    for setup in dict.fromkeys(request.setup for request in batch):
        own = [request for request in batch if request.setup == setup]
        tools = "\n".join(json.dumps(listing(tool), ensure_ascii=False) for tool in seen[setup].tools)
        parts += [
            f"# Server: {setup.name}",
            f"## System prompt\n\n{HOST}\n\nInstructions of the server:\n{seen[setup].instructions}",
            f"## Tools\n\n{tools or '(none)'}",
            f"## Requests ({len(own)})",
        ]
        for request in own:
            day = f"(The system prompt also says: {today_line()})\n" if request.today else ""
            parts.append(f"### {request.key}\n\n{day}{plain_turns(request.turns)}")
    return "\n\n".join(parts) + "\n"


def listing(tool: dict[str, Any]) -> dict[str, Any]:
    """A tool as a model is shown it."""
    return {"name": tool["name"], "description": tool["description"], "parameters": tool["inputSchema"]}


def write(folder: Path, files: dict[str, str]) -> list[Path]:
    """Write files into a folder, which is made where it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
        written.append(folder / name)
    return written
