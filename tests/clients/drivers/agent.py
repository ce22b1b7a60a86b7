"""Programs that call tools only because a model asks: each is run against a model on this machine.

What is judged is what the program sent that model: the tools, the texts and pictures of their results, and the list
after a switch. The row's options name the program.
"""

import asyncio
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from common import DRIVE, OPTIONS, SERVERS, SWITCHED, TOOLS, AbsentError, Seen, UntriedError, main, must, paid
from jsonschema import Draft202012Validator

sys.path.append(str(Path(__file__).parents[3]))

from tests.clients.fake_model import FakeModel, Step, is_called

HERE = Path(DRIVE["environment"])
PATIENCE = 150
"""Seconds for one run of the program."""
MOST_CALLS = 8
"""Of a model that waits for one slow picture."""
UNKNOWN = "img_aaaaaaaaaaaaaaaa"
QUIET = {
    "DISABLE_TELEMETRY": "1",
    "DISABLE_AUTOUPDATER": "1",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "OPENCODE_DISABLE_AUTOUPDATE": "1",
    "OPENCODE_DISABLE_MODELS_FETCH": "1",
    "NO_COLOR": "1",
}
"""Nothing is asked of the programs' makers."""


@dataclass
class Run:
    """How one program is run."""

    words: list[str]
    files: dict[str, str] = field(default_factory=dict)
    """Its configuration, by place below its home."""
    env: dict[str, str] = field(default_factory=dict)


def claude(server, url, key, prompt):
    config = json.dumps({"mcpServers": {"imagewright": server}})
    words = [
        "claude",
        "-p",
        prompt,
        "--mcp-config",
        config,
        "--strict-mcp-config",
        "--allowedTools",
        "mcp__imagewright",
    ]
    env = {"ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_KEY": key}
    return Run([*words, "--model", "claude-sonnet-4-5"], {}, env)


def codex(server, url, key, prompt):
    provider = {"name": "here", "base_url": f"{url}/v1", "env_key": "MODEL_KEY", "wire_api": "responses"}
    mcp = server | {"default_tools_approval_mode": "approve", "required": True, "startup_timeout_sec": 60}
    tables = {"model_providers.here": provider, "mcp_servers.imagewright": mcp}
    lines = ['model = "gpt-5"', 'model_provider = "here"', 'sandbox_mode = "danger-full-access"']
    for name, table in tables.items():
        lines += [f"[{name}]", *(f"{key} = {_toml(value)}" for key, value in table.items())]
    words = ["codex", "exec", "--skip-git-repo-check", prompt]
    return Run(words, {".codex/config.toml": "\n".join(lines)}, {"MODEL_KEY": key})


def _toml(value):
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {json.dumps(text)}" for name, text in value.items()) + " }"
    return json.dumps(value)


def gemini(server, url, key, prompt):
    settings = {
        "security": {"auth": {"selectedType": "gemini-api-key"}, "folderTrust": {"enabled": False}},
        "privacy": {"usageStatisticsEnabled": False},
        "general": {"disableAutoUpdate": True},
        "mcpServers": {"imagewright": server | {"trust": True}},
    }
    words = ["gemini", "-p", prompt, "--yolo", "--skip-trust", "-m", "gemini-2.5-flash"]
    return Run(
        words, {".gemini/settings.json": json.dumps(settings)}, {"GEMINI_API_KEY": key, "GOOGLE_GEMINI_BASE_URL": url}
    )


def opencode(server, url, key, prompt):
    kinds = {"input": ["text", "image"], "output": ["text"]}
    model = {"attachment": True, "tool_call": True, "modalities": kinds, "limit": {"context": 200000, "output": 8000}}
    options = {"baseURL": f"{url}/v1", "apiKey": key}
    provider = {"npm": "@ai-sdk/openai-compatible", "options": options, "models": {"fake-model": model}}
    command = [server["command"], *server["args"]]
    config = {
        "autoupdate": False,
        "share": "disabled",
        "permission": "allow",
        "model": "here/fake-model",
        "small_model": "here/fake-model",
        "provider": {"here": provider},
        "mcp": {"imagewright": {"type": "local", "command": command, "environment": server["env"]}},
    }
    words = prompt.split() if prompt.startswith("--") else [prompt]
    return Run(["opencode", "run", *words], {"opencode.json": json.dumps(config)})


def copilot(server, url, key, prompt):
    config = json.dumps({"mcpServers": {"imagewright": server | {"type": "local", "tools": ["*"]}}})
    words = ["copilot", "-p", prompt, "--allow-all-tools", "--additional-mcp-config", config]
    env = {
        "COPILOT_PROVIDER_BASE_URL": url,
        "COPILOT_PROVIDER_TYPE": "anthropic",
        "COPILOT_PROVIDER_API_KEY": key,
        "COPILOT_MODEL": "claude-sonnet-4.5",
        "COPILOT_OFFLINE": "true",
        "COPILOT_AUTO_UPDATE": "false",
    }
    return Run(words, {}, env)


PROGRAMS = {"claude": claude, "codex": codex, "copilot": copilot, "gemini": gemini, "opencode": opencode}
COMMANDS = {
    "claude": "/mcp__imagewright__make_picture heron",
    "gemini": "/make_picture --subject=heron",
    "opencode": "--command imagewright:make_picture heron",
}
"""How a prompt of the server is used where no person types."""
runs = 0


def play(plan, server="plain", prompt="Go on."):
    """Run the program in a home of its own until the model is done; what the model was sent."""
    global runs  # noqa: PLW0603 - one home for each run
    runs += 1
    home = Path(DRIVE["folder"]) / f"home-{runs}"
    with FakeModel(plan) as model:
        run = PROGRAMS[OPTIONS["program"]](SERVERS[server], model.url(), model.key, prompt)
        for place, text in run.files.items():
            (home / place).parent.mkdir(parents=True, exist_ok=True)
            (home / place).write_text(text, encoding="utf-8")
        home.mkdir(exist_ok=True)
        path = os.pathsep.join(
            [str(HERE / "node_modules" / ".bin"), str(Path(DRIVE["node"]).parent), os.environ["PATH"]]
        )
        program = HERE / "node_modules" / ".bin" / run.words[0]
        process = subprocess.Popen(  # noqa: S603 - words of our own
            [str(program), *run.words[1:]],
            env={"PATH": path, "HOME": str(home), "LANG": "C.UTF-8"} | QUIET | run.env,
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr,
            stderr=sys.stderr,
        )
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    return model


def switch_off():
    toggle_to("off")
    time.sleep(4)


def toggle_to(way):
    """Switch the tool, as its user would."""
    words, env = DRIVE["toggle"][way], DRIVE["toggle"]["env"]
    subprocess.run(words, env=env, check=True, capture_output=True)  # noqa: S603 - words of our own


TOUR = [
    Step("image_guide"),
    Step("nano_banana", {"prompt": "a fox in the snow"}),
    Step("nano_banana", {"prompt": "make it night", "images": ["{id}"]}),
    Step("nano_banana", {"prompt": "a fox", "images": [UNKNOWN]}),
    Step("image_gallery", before=switch_off),
    Step(SWITCHED, {"prompt": "a fox"}),
]
GUIDE, PICTURE, EDIT, REFUSAL, GALLERY, SWITCHED_OFF = range(6)
tour = play(TOUR)
toggle_to("on")


def shown(number):
    must(len(tour.shown) > number, "the program did not come that far")
    return tour.shown[number]


async def connect():
    must(tour.tools_at, f"its model is offered none of the tools; it was asked {len(tour.texts)} times")


async def list_():
    """The tools are listed, or at least named where the program keeps them back until they are searched for."""
    offered = {tool.name: tool for tools in tour.tools_at.values() for tool in tools}
    ours = {name: tool for name in TOOLS for tool in offered.values() if is_called(tool, name)}
    for tool in ours.values():
        Draft202012Validator.check_schema(tool.schema)
        must(tool.schema["type"] == "object", f"{tool.name}: its schema is no object")
        must(len(tool.description) > 20, f"{tool.name}: described by {tool.description!r}")
    if len(ours) == len(TOOLS):
        return Seen("10 tools, valid schemas")
    named = [name for name in TOOLS if any(f"imagewright__{name}" in text for text in tour.texts)]
    must(len(named) == len(TOOLS), f"offered: {', '.join(ours)}; named: {', '.join(named)}")
    return Seen(f"10 named, loaded by a search: {', '.join(ours)}", note="by search")


async def guide():
    must("nano_banana" in shown(GUIDE).text, shown(GUIDE).text[:200])
    return Seen("image_guide", note="by tool")


async def prompt():
    if OPTIONS["program"] not in COMMANDS:
        raise UntriedError("prompts are commands that a person types")
    texts = (await asyncio.to_thread(play, [], "plain", COMMANDS[OPTIONS["program"]])).texts
    must(any("Make a picture of heron" in text for text in texts), "the text of the prompt does not arrive")


async def picture():
    seen = shown(PICTURE)
    must(not seen.strange, f"blocks that are neither text nor picture: {seen.strange}")
    must(seen.pictures, "its model is sent texts alone")
    return Seen(pictures=seen.pictures)


async def edit():
    seen = shown(EDIT)
    must("edit" in seen.text and "img_" in seen.text, seen.text[:200])
    return Seen(pictures=seen.pictures)


async def refusal():
    seen = shown(REFUSAL)
    must("nothing was spent" in seen.text and UNKNOWN in seen.text, seen.text[:200])
    must(seen.is_error is not False, "a refusal is marked as a success")


async def price():
    before = paid("asking")
    model = await asyncio.to_thread(play, [Step("nano_banana", {"prompt": "a dear fox"})], "asking")
    must(model.shown, "no result")
    must(paid("asking") == before, f"it was begun: {paid('asking')}")
    text = model.shown[0].text
    must("about $" in text, text[:200])
    return Seen("refused, and says why: nobody is there to ask", note="nobody there")


async def toggle():
    shown(GALLERY)
    must(SWITCHED in tour.missing, f"{SWITCHED} is still offered")


async def slow():
    def plan(shown):
        if not shown:
            return Step("nano_banana", {"prompt": "a slow fox"})
        last = shown[-1]
        if last.pictures or "img_" in last.text or len(shown) > MOST_CALLS:
            return None
        if "job_" in last.text:
            return Step("image_job", {"job_id": "{job}"})
        return Step("nano_banana", {"prompt": "a slow fox"})

    model = await asyncio.to_thread(play, plan, "slow")
    must(model.shown, "no result")
    last = model.shown[-1]
    must("img_" in last.text, last.text[:200])
    must(not tour.shown[PICTURE].pictures or last.pictures, "no picture")
    must(paid("slow") == {"begun": 1, "charged": 1}, f"begun and paid: {paid('slow')}")
    calls = len(model.shown)
    return Seen(f"call {calls}", note="" if calls == 1 else f"call {calls}", pictures=last.pictures)


async def cancel():
    raise UntriedError("a call is stopped with a key, by a person")


async def progress():
    raise UntriedError("it stands on a person's screen, if anywhere")


async def structured():
    raise AbsentError("only its model is given results")


main(
    connect=connect,
    list=list_,
    guide=guide,
    prompt=prompt,
    picture=picture,
    edit=edit,
    refusal=refusal,
    progress=progress,
    cancel=cancel,
    price=price,
    toggle=toggle,
    structured=structured,
    slow=slow,
)
