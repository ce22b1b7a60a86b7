"""Clients on the command line: each thing that is tried is a command of its own, which starts the server anew."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from common import DRIVE, OPTIONS, SERVERS, AbsentError, Seen, all_listed, main, must, paid

HERE = Path(DRIVE["environment"]) / "node_modules" / ".bin"
FOLDER = Path(DRIVE["folder"])
PATIENCE = 100
"""Seconds for one command."""
UNKNOWN = "img_aaaaaaaaaaaaaaaa"
ID = r"img_[a-z0-9]{16}"
JOB = r"job_[a-z0-9]{16}"
MOST_CALLS = 8
"""Of someone who waits for one slow picture."""


@dataclass
class Result:
    """What a command showed of a call."""

    text: str
    code: int
    pictures: list = field(default_factory=list)
    structured: dict | None = None


class Inspector:
    """The MCP Inspector, in the era that the row's options name."""

    def words(self, server, *more):
        """One command."""
        entry = {"type": "stdio", **SERVERS[server]}
        file = FOLDER / f"{server}.json"
        file.write_text(json.dumps({"mcpServers": {"imagewright": entry}}), encoding="utf-8")
        era = ["--protocol-era", OPTIONS["era"]]
        return ["mcp-inspector", "--cli", "--config", str(file), "--server", "imagewright", *era, *more]

    def calling(self, server, tool, arguments):
        """The command of a call."""
        return self.words(
            server, "--method", "tools/call", "--tool-name", tool, "--tool-args-json", json.dumps(arguments)
        )

    def result(self, done):
        """What it printed."""
        if not done.stdout.strip():
            return Result(done.stderr, done.returncode)
        shown = json.loads(done.stdout)
        texts = [block["text"] for block in shown["content"] if block["type"] == "text"]
        pictures = [block["data"] for block in shown["content"] if block["type"] == "image"]
        return Result("\n".join(texts), done.returncode, pictures, shown.get("structuredContent"))

    def tools(self):
        """Every tool, after the check of schemas that it calls strict."""
        done = run(self.words("plain", "--method", "tools/list", "--strict"))
        must(done.returncode == 0, f"--strict: {done.stderr[-300:]}")
        return json.loads(done.stdout)["tools"]

    def read(self, uri):
        """A resource's text."""
        return run(self.words("plain", "--method", "resources/read", "--uri", uri)).stdout

    def prompt(self, name, arguments):
        """A prompt's text."""
        pairs = [f"{key}={value}" for key, value in arguments.items()]
        return run(
            self.words("plain", "--method", "prompts/get", "--prompt-name", name, "--prompt-args", *pairs)
        ).stdout


class Mcporter:
    """mcporter, with a configuration file of its own."""

    def words(self, server, command, *more):
        """One command."""
        file = FOLDER / f"{server}.json"
        file.write_text(json.dumps({"mcpServers": {"imagewright": SERVERS[server]}, "imports": []}), encoding="utf-8")
        return ["mcporter", "--config", str(file), command, *more]

    def calling(self, server, tool, arguments):
        """The command of a call."""
        self.pictures = FOLDER / f"{server}-{len(list(FOLDER.iterdir()))}"
        saved = ["--save-images", str(self.pictures)]
        return self.words(
            server, "call", f"imagewright.{tool}", "--args", json.dumps(arguments), "--output", "json", *saved
        )

    def result(self, done):
        """What it printed and saved."""
        pictures = [file.read_bytes() for file in sorted(self.pictures.glob("*"))] if self.pictures.exists() else []
        text = done.stdout + done.stderr
        structured = None
        if done.returncode == 0 and done.stdout.strip().startswith("{"):
            structured = json.loads(done.stdout)
        return Result(text, done.returncode, pictures, structured)

    def tools(self):
        """Every tool, with what it keeps of them."""
        return json.loads(run(self.words("plain", "list", "imagewright", "--schema", "--json")).stdout)["tools"]

    def read(self, uri):
        """A resource's text."""
        return run(self.words("plain", "resource", "imagewright", uri)).stdout


CLIENT = {"inspector": Inspector, "mcporter": Mcporter}[OPTIONS["program"]]()
memory = {}


def begin(words):
    """Start a command."""
    path = os.pathsep.join([str(Path(DRIVE["node"]).parent), os.environ["PATH"]])
    env = {"PATH": path, "HOME": str(FOLDER), "LANG": "C.UTF-8", "NO_COLOR": "1"}
    return subprocess.Popen(  # noqa: S603 - words of our own
        [str(HERE / words[0]), *words[1:]],
        env=env,
        cwd=FOLDER,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


def run(words):
    """Run a command to its end."""
    process = begin(words)
    try:
        output, errors = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return subprocess.CompletedProcess(words, process.returncode, output, errors)


async def call(tool, arguments, server="plain"):
    """A call and what it came to."""
    return CLIENT.result(await asyncio.to_thread(run, CLIENT.calling(server, tool, arguments)))


async def tools():
    """The tools, asked for once."""
    if "tools" not in memory:
        memory["tools"] = await asyncio.to_thread(CLIENT.tools)
    return memory["tools"]


async def connect():
    must(await tools(), "no tools")


async def list_():
    return Seen(all_listed(tool["name"] for tool in await tools()))


async def guide():
    if OPTIONS.get("guide") == "tool":
        seen = await call("image_guide", {})
        must("nano_banana" in seen.text, seen.text[:200])
        return Seen(note="by tool")
    text = await asyncio.to_thread(CLIENT.read, "guide://overview")
    must("nano_banana" in text, text[:200])
    return Seen()


async def prompt():
    if not hasattr(CLIENT, "prompt"):
        raise AbsentError("it has no command for prompts")
    text = await asyncio.to_thread(CLIENT.prompt, "make_picture", {"subject": "heron"})
    must("Make a picture of heron" in text, text[:200])


async def picture():
    seen = memory["picture"] = await call("nano_banana", {"prompt": "a fox in the snow"})
    must(seen.code == 0 and seen.pictures, f"exit code {seen.code}: {seen.text[:200]}")
    return Seen(pictures=seen.pictures)


async def edit():
    shown = memory["picture"]
    found = re.search(ID, shown.text)
    must(found, f"no id is shown: {shown.text[:200]}")
    seen = await call("nano_banana", {"prompt": "make it night", "images": [found[0]]})
    must(seen.code == 0 and "edit" in seen.text and seen.pictures, seen.text[:200])
    return Seen(pictures=seen.pictures)


async def refusal():
    seen = await call("nano_banana", {"prompt": "a fox", "images": [UNKNOWN]})
    must("nothing was spent" in seen.text, f"exit code {seen.code}: {seen.text[:200]}")
    must(seen.code != 0, "a refusal ends with exit code 0")
    return Seen(f"exit code {seen.code}")


async def structured():
    schemas = {tool["name"]: tool.get("outputSchema") for tool in await tools()}
    must(schemas["nano_banana"], "the output schema is not shown")
    must(memory["picture"].structured, "the structured content is not shown")
    return Seen(structured=[(schemas["nano_banana"], memory["picture"].structured)])


async def cancel():
    """A command that is interrupted leaves its job behind, which goes on."""
    before = paid("vendor")
    process = begin(CLIENT.calling("vendor", "nano_banana", {"prompt": "an interrupted fox"}))
    for _ in range(400):
        if paid("vendor")["begun"] > before["begun"]:
            break
        await asyncio.sleep(0.1)
    process.send_signal(signal.SIGINT)
    await asyncio.to_thread(process.communicate, timeout=20)
    jobs = await call("image_job", {}, "vendor")
    found = re.search(JOB, jobs.text)
    must(found, f"no job is left: {jobs.text[:200]}")
    seen = await call("image_job", {"job_id": found[0]}, "vendor")
    must(re.search(ID, seen.text), seen.text[:200])
    must(paid("vendor")["charged"] == before["charged"] + 1, f"paid: {paid('vendor')}")
    return Seen("the job goes on, and is paid once", note="Ctrl-C")


async def price():
    before = paid("asking")
    seen = await call("nano_banana", {"prompt": "a dear fox"}, "asking")
    must(paid("asking") == before, f"it was begun: {paid('asking')}")
    must("about $" in seen.text, seen.text[:300])
    return Seen(note="cannot ask")


async def toggle():
    raise AbsentError("each command starts the server anew")


async def slow():
    arguments = {"prompt": "a slow fox"}
    for number in range(1, MOST_CALLS + 1):
        if number == 1:
            seen = await call("nano_banana", arguments, "slow")
        elif found := re.search(JOB, seen.text):
            seen = await call("image_job", {"job_id": found[0]}, "slow")
        else:
            seen = await call("nano_banana", arguments, "slow")
        if seen.pictures:
            must(paid("slow") == {"begun": 1, "charged": 1}, f"begun and paid: {paid('slow')}")
            return Seen(f"call {number}", note="" if number == 1 else f"call {number}", pictures=seen.pictures)
    raise AssertionError(f"no picture: {seen.text[:200]}")


if __name__ == "__main__":
    sys.stdout.flush()
    main(
        connect=connect,
        list=list_,
        guide=guide,
        prompt=prompt,
        picture=picture,
        edit=edit,
        refusal=refusal,
        cancel=cancel,
        price=price,
        toggle=toggle,
        structured=structured,
        slow=slow,
    )
