"""What each package says about itself: one function for each kind of manifest, all made from the same tables."""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import imagewright
from imagewright.catalog.load import catalog
from imagewright.engine.config import all_routes
from imagewright.providers import KEY_VARIABLES
from imagewright.settings import table
from imagewright.surface.definitions import all_definitions
from imagewright.text import listed

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).parents[1]
TITLE: Final = "Imagewright"
FIRST_STEPS: Final = (
    "To try it, leave every key empty: new pictures are then offline drafts that cost nothing, while cutting out, "
    "reframing and enlarging are real work. For real pictures, give the key of one provider that serves the tools you "
    "want; you pay that provider. The budgets are optional, and hold over all programs that use Imagewright."
)
"""What a person should know before filling in the bundle's form."""
AUTHORS: Final = "The Imagewright authors"
"""As in LICENSE."""
ICON: Final = "icon.png"
MANIFEST_VERSION: Final = "0.4"
"""Of the bundle: the first with servers that `uv` installs, and the newest that its own tool knows (mcpb 2.1.2)."""
REGISTRY_SCHEMA: Final = "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json"
ENTRY_POINT: Final = "server/imagewright/__main__.py"
SYSTEMS: Final = ("darwin", "linux", "win32")
OFFERED: Final = {
    table.PER_CALL: ("number", "Budget of a call"),
    table.PER_DAY: ("number", "Budget of a day"),
    table.PER_MONTH: ("number", "Budget of a month"),
    table.CONFIRM_ABOVE: ("number", "Ask me above"),
    table.HOME: ("directory", "Folder for everything"),
    table.ROOTS: ("string", "Folders that may be used"),
}
"""The settings that a client's form asks for, each with the kind of its field and the words beside it.

All others can stand in `config.toml`."""
FORMATS: Final = {"number": "number", "directory": "filepath", "string": "string", "boolean": "boolean"}
"""What the registry calls each kind of field."""


@dataclass(frozen=True, slots=True)
class Field:
    """One thing that a client asks its user for."""

    variable: str
    """The environment variable that the answer goes into."""
    kind: str
    """What the bundle calls it: `string`, `number`, `directory` or `boolean`."""
    title: str
    """A few words beside the field."""
    description: str
    """A sentence or two below it."""
    default: str | bool = ""
    """What holds without an answer. Never left out: some clients then pass `${user_config...}` on as it stands."""
    secret: bool = False
    """Whether the client should hide it and keep it safe."""

    @property
    def name(self) -> str:
        """What the field is called where its answer is put in, as in `${user_config.kie_api_key}`."""
        return self.variable.removeprefix(table.PREFIX).lower()


def key_fields() -> list[Field]:
    """A field for the key of each provider that has one."""
    tools = {name: {route.tool for route in all_routes() if route.provider == name} for name in KEY_VARIABLES}
    every = set(catalog())
    return [
        Field(
            variables[0],
            "string",
            f"Key of {provider}",
            f"{variables[0]}: serves {'all tools' if tools[provider] == every else listed(sorted(tools[provider]))}. "
            "Leave it empty if you have none.",
            secret=True,
        )
        for provider, variables in KEY_VARIABLES.items()
        if variables
    ]


def setting_fields() -> list[Field]:
    """A field for each setting that a client's form asks for."""
    return [
        Field(
            setting.variable,
            kind,
            title,
            f"{setting.help[:1].upper()}{setting.help[1:]} ({setting.kind.values}). "
            f"Left empty: {setting.default_words}.",
        )
        for setting, (kind, title) in OFFERED.items()
    ]


def tool_fields() -> list[Field]:
    """A switch for each tool."""
    return [
        Field(f"{table.TOOL_PREFIX}{tool['name'].upper()}", "boolean", tool["title"], tool["description"], default=True)
        for tool in all_definitions()
    ]


@cache
def project() -> dict[str, Any]:
    """The table `[project]` of pyproject.toml."""
    content: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return content


def about() -> dict[str, Any]:
    """What several manifests say in the same words."""
    return {
        "name": project()["name"],
        "version": imagewright.__version__,
        "description": project()["description"],
    }


def bundle() -> dict[str, Any]:
    """`manifest.json` of the MCPB bundle. The client's own `uv` installs what the bundle needs when it first starts."""
    fields = [*key_fields(), *setting_fields(), *tool_fields()]
    return {
        "manifest_version": MANIFEST_VERSION,
        **about(),
        "display_name": TITLE,
        "long_description": FIRST_STEPS,
        "author": {"name": AUTHORS},
        "icon": ICON,
        "server": {
            "type": "uv",
            "entry_point": ENTRY_POINT,
            "mcp_config": {
                **command("${__dirname}"),
                "env": {field.variable: f"${{user_config.{field.name}}}" for field in fields},
            },
        },
        "tools": [{"name": tool["name"], "description": tool["description"]} for tool in all_definitions()],
        "keywords": project()["keywords"],
        "license": project()["license"],
        "compatibility": {"platforms": list(SYSTEMS), "runtimes": {"python": project()["requires-python"]}},
        "user_config": {field.name: _form(field) for field in fields},
    }


def command(folder: str) -> dict[str, Any]:
    """How a client starts the server from a folder.

    `--project` and not `--directory`: the server stays in the folder that its user works in.
    """
    return {"command": "uv", "args": ["run", "--project", folder, project()["name"]]}


def _form(field: Field) -> dict[str, Any]:
    form = {
        "type": field.kind,
        "title": field.title,
        "description": field.description,
        "required": False,
        "default": field.default,
    }
    if field.kind == "number":
        form["min"] = 0
    return form | ({"sensitive": True} if field.secret else {})


def claude_plugin() -> dict[str, Any]:
    """`.claude-plugin/plugin.json`: asks for keys alone; all other settings are read from `config.toml`."""
    return {
        **about(),
        "displayName": TITLE,
        "author": {"name": AUTHORS},
        "license": project()["license"],
        "keywords": project()["keywords"],
        "userConfig": {field.name: _form(field) for field in key_fields()},
    }


def claude_marketplace() -> dict[str, Any]:
    """`.claude-plugin/marketplace.json`: what `claude plugin install` needs, with this one plugin in it."""
    name = project()["name"]
    plugin = {"name": name, "source": "./", "description": project()["description"]}
    return {
        "name": name,
        "owner": {"name": AUTHORS},
        "metadata": {"description": project()["description"]},
        "plugins": [plugin],
    }


def claude_servers() -> dict[str, Any]:
    """`.mcp.json` of the plugin: a key of the user's own environment comes before the one that was typed in."""
    env = {field.variable: f"${{{field.variable}:-${{user_config.{field.name}}}}}" for field in key_fields()}
    return {"mcpServers": {project()["name"]: {**command("${CLAUDE_PLUGIN_ROOT}"), "env": env}}}


def gemini_extension() -> dict[str, Any]:
    """`gemini-extension.json`: Gemini CLI passes only those variables on that stand under `settings`."""
    return {
        **about(),
        "mcpServers": {project()["name"]: command("${extensionPath}")},
        "settings": [
            {
                "name": field.title,
                "description": field.description,
                "envVar": field.variable,
                "sensitive": True,
            }
            for field in key_fields()
        ],
    }


def registry_entry(namespace: str, bundle_url: str = "", bundle_file: Path | None = None) -> dict[str, Any]:
    """`server.json` for the MCP registry.

    Args:
        namespace: what the publisher has proven to own, such as `io.github.<owner>`.
        bundle_url: where the packed bundle can be downloaded; empty where it is not published.
        bundle_file: the same bundle on disk, for its checksum.
    """
    return {
        "$schema": REGISTRY_SCHEMA,
        "name": f"{namespace}/{project()['name']}",
        "title": TITLE,
        "description": imagewright.__doc__,  # the project's own is longer than the registry takes
        "version": imagewright.__version__,
        "packages": list(_published(bundle_url, bundle_file)),
    }


def _published(bundle_url: str, bundle_file: Path | None) -> Iterator[dict[str, Any]]:
    yield {
        "registryType": "pypi",
        "identifier": project()["name"],
        "version": imagewright.__version__,
        "runtimeHint": "uvx",
        "transport": {"type": "stdio"},
        "environmentVariables": [_registered(field) for field in [*key_fields(), *setting_fields(), *tool_fields()]],
    }
    if bundle_url and bundle_file:
        yield {
            "registryType": "mcpb",
            "identifier": bundle_url,
            "version": imagewright.__version__,
            "fileSha256": hashlib.sha256(bundle_file.read_bytes()).hexdigest(),
            "transport": {"type": "stdio"},
        }


def _registered(field: Field) -> dict[str, Any]:
    entry = {
        "name": field.variable,
        "description": field.description,
        "format": FORMATS[field.kind],
        "isRequired": False,
        "isSecret": field.secret,
    }
    return entry | ({"default": str(field.default).lower()} if field.kind == "boolean" else {})
