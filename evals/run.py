"""Has a model behind an API answer the requests, several at a time, and writes each answer down as it comes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import anyio
import httpx

from evals.answer import Answer
from evals.prompts import all_shown, in_order
from evals.shown import guide_page

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from evals.apis import Api, Reply
    from evals.request import Request, Setup
    from evals.shown import Shown

Sleep = Callable[[float], Awaitable[None]]

PATIENCE = 180.0
"""Seconds one reply may take."""
TRIES = 5
"""How often one question is asked before the run stops."""
FIRST_PAUSE = 2.0
"""Seconds before the second try; each further pause is twice as long."""
LONGEST_PAUSE = 60.0
"""Seconds, also where the server asks for more."""
PASSING = frozenset({408, 409, 429, 500, 502, 503, 504, 529})
"""The statuses after which the same question may well be answered."""
GUIDE = "image_guide"
MOST_LOOKS = 3
"""How often the model may read the guide before it has to answer."""


class RunError(Exception):
    """The run cannot go on; what was answered so far is written down, and a repeated run goes on from there."""


@dataclass
class Usage:
    """What a run has used."""

    answers: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    retries: int = 0

    def add(self, reply: Reply) -> None:
        """Count one reply."""
        self.tokens_in += reply.tokens_in
        self.tokens_out += reply.tokens_out

    def words(self, usd_in: float | None = None, usd_out: float | None = None) -> str:
        """What was used, and what it costs at these prices in USD per million tokens."""
        text = f"{self.answers} answers, {self.tokens_in} tokens in, {self.tokens_out} out, {self.retries} retries"
        if usd_in is None or usd_out is None:
            return f"{text}; the cost is not known without --usd-in and --usd-out"
        return f"{text}; about ${(self.tokens_in * usd_in + self.tokens_out * usd_out) / 1e6:.2f}"


@dataclass
class Runner:
    """One run against one model."""

    api: Api
    url: str
    """The base address, without the API's own path."""
    model: str
    key: str
    concurrency: int = 4
    sleep: Sleep = anyio.sleep
    usage: Usage = field(default_factory=Usage)

    async def run(self, requests: Iterable[Request], out: Path, done: Iterable[str] = ()) -> None:
        """Have the requests answered that are not among those `done`, and append each answer to a file.

        Raises:
            RunError: the API refused a question, or did not answer it in all its tries.
        """
        skipped = set(done)
        left = [request for request in in_order(requests) if request.key not in skipped]
        seen = await all_shown(left)
        queue = iter(left)
        failures: list[RunError] = []
        async with (
            httpx.AsyncClient(timeout=PATIENCE) as http,
            await anyio.open_file(out, "a", encoding="utf-8") as file,
        ):

            async def answer_some() -> None:
                for request in queue:
                    try:
                        answer = await self._answer(http, request, seen)
                    except RunError as error:
                        failures.append(error)
                        return
                    self.usage.answers += 1
                    await file.write(answer.model_dump_json() + "\n")
                    await file.flush()
                    if failures:
                        return

            async with anyio.create_task_group() as group:
                for _ in range(self.concurrency):
                    group.start_soon(answer_some)
        if failures:
            raise failures[0]

    async def _answer(self, http: httpx.AsyncClient, request: Request, seen: dict[Setup, Shown]) -> Answer:
        """The answer to one request. A look at the guide that nobody asked for is served, and the model goes on."""
        body = self.api.body(request, seen[request.setup], self.model)
        topics: list[str] = []
        while True:
            reply = await self._ask(http, body)
            looks = bool(reply.calls) and all(call.tool == GUIDE for call in reply.calls)
            if not looks or GUIDE in request.accept or len(topics) >= MOST_LOOKS:
                return Answer(id=request.key, calls=reply.calls, text=reply.text, looked_up=tuple(topics))
            pages = [await guide_page(request.setup, call.arguments) for call in reply.calls]
            topics += [str(dict(call.arguments or {}).get("topic", "overview")) for call in reply.calls]
            body = body | {"messages": [*body["messages"], *self.api.results(reply, pages)]}

    async def _ask(self, http: httpx.AsyncClient, body: dict[str, Any]) -> Reply:
        """One reply, after as many tries as it takes.

        Raises:
            RunError: there is none.
        """
        pause, why = FIRST_PAUSE, ""
        for number in range(TRIES):
            if number:
                self.usage.retries += 1
                await self.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
            try:
                response = await http.post(self.url + self.api.path, json=body, headers=self.api.headers(self.key))
            except httpx.TransportError as error:
                why = f"{type(error).__name__}: {error}"
                continue
            if response.status_code in PASSING:
                why = f"HTTP {response.status_code}: {response.text[:300]}"
                pause = min(max(pause, _seconds(response.headers.get("retry-after"))), LONGEST_PAUSE)
                continue
            return self._read(response)
        raise RunError(f"{self.url} did not answer in {TRIES} tries; the last said: {why}")

    def _read(self, response: httpx.Response) -> Reply:
        if response.status_code != httpx.codes.OK:
            raise RunError(f"HTTP {response.status_code} from {self.url}: {response.text[:500]}")
        try:
            reply = self.api.read(response.json())
        except (ValueError, KeyError, IndexError, TypeError) as error:
            raise RunError(f"{self.url} sent no reply of this API: {response.text[:500]}") from error
        self.usage.add(reply)
        return reply


def _seconds(header: str | None) -> float:
    """The seconds of a `retry-after`; 0 where it has none, or a date."""
    return float(header) if header and header.isdecimal() else 0.0
