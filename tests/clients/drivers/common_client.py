"""What is tried with a client, in terms of the few things that each driver does in its client's own way."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import common
from common import EDITS, MAKES, SERVERS, WRONG, AbsentError, Seen, asked, must

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

PICTURE_ID = re.compile(r"img_[a-z0-9]+")
JOB_ID = re.compile(r"job_[0-9a-f]{8,}")
READ = {"image_gallery": {}, "image_guide": {}}
"""Tools that cost nothing, with arguments they take."""
WAITS = 15
"""How often an unfinished job is waited for, 2 s each time."""


@dataclass
class Answer:
    """A tool's result as the client hands it to its model."""

    text: str = ""
    pictures: list[bytes | str] = field(default_factory=list)
    """Bytes, base64 or data URIs."""
    structured: Any = None
    """The structured content, where the client shows it."""
    refused: bool | None = None
    """Whether it is marked as an error; None where the client has no such mark."""


class Handle:
    """A client that is connected. A driver's own class has what its client can do; the rest is absent."""

    def __init__(self, client: Any) -> None:
        self.client = client

    async def names(self) -> Iterable[str]:
        """The names of the tools, as a new list has them."""
        raise NotImplementedError

    async def call(self, tool: str, arguments: dict[str, Any]) -> Answer:
        """Call a tool."""
        raise NotImplementedError

    async def page(self) -> str:
        """The guide's overview, read as a resource."""
        raise AbsentError

    async def prompts(self) -> tuple[Iterable[str], str]:
        """The names of the prompts, and the text of `make_picture` with the subject `a lighthouse`."""
        raise AbsentError

    async def completed(self) -> list[str]:
        """What `na` is completed to, for the argument `tool` of that prompt."""
        raise AbsentError

    async def schemas(self) -> dict[str, Any]:
        """The output schema of each tool."""
        raise AbsentError


class Trial:
    """Every ability, tried with what `connect` opens: a context manager around a `Handle`.

    It is called with the name of a server, and with what else a driver's own class gives it.
    """

    def __init__(self, connect: Any) -> None:
        self.open = connect

    def main(self) -> None:
        """Try what is asked for."""
        common.main(
            connect=self.connect,
            list=self.list,
            guide=self.guide,
            prompt=self.prompt,
            completion=self.completion,
            picture=self.picture,
            edit=self.edit,
            refusal=self.refusal,
            progress=self.progress,
            cancel=self.cancel,
            price=self.price,
            toggle=self.toggle,
            structured=self.structured,
            slow=self.slow,
        )

    async def connect(self) -> Seen | str:
        async with self.open("plain") as handle:
            must([*await handle.names()], "no tools")
        return ""

    async def list(self) -> str:
        async with self.open("plain") as handle:
            return common.all_listed(await handle.names())

    async def guide(self) -> Seen | str:
        async with self.open("plain") as handle:
            try:
                text, note = await handle.page(), ""
            except AbsentError:
                text, note = (await handle.call("image_guide", {})).text, "by tool"
        must(MAKES in text, f"the overview names no tool: {text[:200]}")
        return Seen(note=note)

    async def prompt(self) -> str:
        async with self.open("plain") as handle:
            names, text = await handle.prompts()
        must("a lighthouse" in text, f"the prompt has no subject: {text[:200]}")
        return ", ".join(names)

    async def completion(self) -> str:
        async with self.open("plain") as handle:
            values = await handle.completed()
        must(values == [MAKES], f"completed: {values}")
        return ", ".join(values)

    async def picture(self) -> Seen:
        async with self.open("plain") as handle:
            return Seen(pictures=[one_picture(await handle.call(MAKES, asked("picture")))])

    async def edit(self) -> Seen:
        async with self.open("plain") as handle:
            made = id_in(await handle.call(MAKES, asked("edit")))
            edited = await handle.call(MAKES, EDITS | {"images": [made]})
            must(not edited.refused and id_in(edited) != made, f"no other picture: {edited.text[:200]}")
        return Seen(pictures=edited.pictures[:1])

    async def refusal(self) -> Seen:
        async with self.open("plain") as handle:
            try:
                answer = await handle.call(MAKES, WRONG)
            except AssertionError:
                raise
            except Exception as error:
                return Seen(common.is_refusal(error), note="raised")
        must(answer.refused is not False, "it is not marked as an error")
        return Seen(common.is_refusal(answer.text), note="text" if answer.refused is None else "")

    async def progress(self) -> str:
        raise AbsentError

    async def cancel(self) -> str:
        before = common.paid("vendor")["begun"]
        async with self.open("vendor") as handle:
            call = asyncio.create_task(handle.call(MAKES, asked("cancel")))
            while common.paid("vendor")["begun"] == before and not call.done():
                await asyncio.sleep(0.1)
            must(not call.done(), f"it was over too soon: {call}")
            call.cancel()
            await asyncio.wait([call], timeout=5)
            must(call.cancelled(), f"the call does not end: {call}")
            common.all_listed(await handle.names())
            found = JOB_ID.search((await handle.call("image_job", {})).text)
            must(found, "the job is not listed")
            # each wait is shorter than any client's limit, and some have a server for each call, which ends with it
            for _ in range(WAITS):
                await handle.call("image_job", {"job_id": found[0], "wait": 2})
                if common.paid("vendor")["charged"] > before:
                    break
            await common.paid_once("vendor", before)
        return "the job goes on"

    async def price(self) -> Seen:
        await self.unable()
        return Seen("refused, with the reason", note="cannot ask")

    async def unable(self) -> None:
        """Where nobody can be asked, nothing is spent, and the reason is told."""
        before = common.paid("asking")["begun"]
        async with self.open("asking") as handle:
            try:
                text = (await handle.call(MAKES, asked("unable"))).text
            except Exception as error:
                text = common.words_of(error, most=2000)
        reasons = ("IMAGEWRIGHT_CONFIRM_ABOVE", "did not agree")  # the second where a client declines for its user
        must(any(reason in text for reason in reasons), f"unable: {text[:200]}")
        must(common.paid("asking")["begun"] == before, "it was paid without a question")

    async def toggle(self) -> Seen:
        async with self.open("plain") as handle:
            return await common.seen_in_next_list(handle.names)

    async def structured(self) -> Seen:
        async with self.open("plain") as handle:
            schemas = await handle.schemas()
            calls = {MAKES: asked("structured")} | READ
            values = {name: (await handle.call(name, given)).structured for name, given in calls.items()}
        pairs = [(schemas[name], value) for name, value in values.items() if schemas.get(name)]
        must(len(pairs) > 1, "no output schema")
        return Seen(", ".join(name for name in calls if schemas.get(name)), structured=pairs)

    async def slow(self) -> Seen:
        async with self.open("slow") as handle:
            waiting: set[str] = set()

            async def call() -> bytes | str | bool:
                if waiting:  # as a model would that was told of a job
                    answer = await handle.call("image_job", {"job_id": waiting.pop()})
                else:
                    answer = await handle.call(MAKES, asked("slow"))
                if not has_made(answer) and not answer.pictures:
                    found = JOB_ID.search(answer.text)
                    if not found and "timed out" in answer.text.lower():
                        raise TimeoutError(answer.text)
                    must(found, f"neither a picture nor a job: {answer.text[:200]}")
                    waiting.add(found[0])
                return answer.pictures[0] if answer.pictures else has_made(answer)

            return await common.until_it_arrives(call)


class AskingTrial(Trial):
    """The same, for a client whose user can be asked: `open` takes `answer`, which is `accept` or `decline`."""

    async def price(self) -> Seen:
        for action in ("accept", "decline"):
            before = common.paid("asking")["begun"]
            async with self.open("asking", answer=action) as handle:
                try:
                    answer = await handle.call(MAKES, asked(action))
                    made, text = has_made(answer), answer.text
                except Exception as error:
                    made, text = False, common.words_of(error)
            must(made == (action == "accept"), f"{action}: {text[:200]}")
            must(common.paid("asking")["begun"] - before == made, f"{action}: {common.paid('asking')}")
        await self.unable()
        return Seen("accept, decline, cannot ask")


def one_picture(answer: Answer) -> bytes | str:
    """The first picture of an answer."""
    must(answer.pictures, f"no picture: {answer.text[:200]}")
    return answer.pictures[0]


def has_made(answer: Answer) -> bool:
    """Whether a picture was made, by what the model is shown."""
    return not answer.refused and bool(PICTURE_ID.search(f"{answer.text} {answer.structured or ''}"))


def id_in(answer: Answer) -> str:
    """The id of the picture, in the words or the structured content that the model is shown."""
    found = PICTURE_ID.findall(answer.text) or PICTURE_ID.findall(str(answer.structured or ""))
    must(found, f"no id of a picture: {answer.text[:200]}")
    return found[-1]


def rising(steps: Sequence[float]) -> str:
    """That these are steps of progress: more than one, and each higher than the one before."""
    must(len(steps) > 1 and [*steps] == sorted(set(steps)), f"progress: {steps}")
    return "it rises"


def server(name: str) -> dict[str, Any]:
    """How a server is started: `command`, `args`, `env`."""
    return dict(SERVERS[name])
