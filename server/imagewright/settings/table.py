"""Every setting once: its variable, its name in the configuration file, its option, its bounds and what it is for.

Reading the environment, the configuration file and the command line, `imagewright config`, `imagewright doctor`,
docs/settings.md and docs/config.example.toml are all made from `SETTINGS`. Keys, addresses and rates have variables of
their own for each provider, and each tool has one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from imagewright.settings import LAST_PORT
from imagewright.settings.kinds import (
    LEVELS,
    Kind,
    number_of,
    read_address,
    read_addresses,
    read_folder,
    read_hosts,
    read_level,
    read_model,
    read_names,
    read_path,
    read_port,
    read_rate,
    read_rates,
    read_routes,
    read_switch,
    read_token,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PREFIX: Final = "IMAGEWRIGHT_"
"""What our variables begin with, apart from keys."""
ADDRESS_SUFFIX: Final = "_BASE_URL"
"""What the variables of addresses end with, as in `IMAGEWRIGHT_KIE_BASE_URL`."""
RATE_SUFFIX: Final = "_RATE"
"""What the variables of rates end with, as in `IMAGEWRIGHT_KIE_RATE`."""
TOOL_PREFIX: Final = f"{PREFIX}TOOL_"
"""What the variables of tools begin with, as in `IMAGEWRIGHT_TOOL_QWEN`."""
USD = number_of("USD", 0, 1_000_000)
"""A budget above a million is a slip of the keyboard."""
SWITCH = Kind("true or false", read_switch)
TOOL_NAMES = Kind("names of tools", read_names, is_list=True)


@dataclass(frozen=True, slots=True, eq=False)
class Setting:
    """One thing that can be set."""

    help: str
    """What it is for, as one sentence without a full stop."""
    kind: Kind
    """What it can be."""
    variable: str = ""
    """The environment variable; empty where there is none."""
    name: str = ""
    """The name in the configuration file, behind its table and a dot; empty where the file cannot say it."""
    option: str = ""
    """The option of every command, such as `--tools`, which takes names where the kind is a list; empty for none."""
    default: Any = None
    """What holds where nothing is set."""
    default_words: str = ""
    """The default for people, where it is not simply a value."""
    example: str = ""
    """Lines of the commented configuration file, as TOML without the table's name; empty where the default does."""


def address_variable(name: str) -> str:
    """The variable of an address: `kie_upload` has `IMAGEWRIGHT_KIE_UPLOAD_BASE_URL`."""
    return f"{PREFIX}{name.upper()}{ADDRESS_SUFFIX}"


def rate_variable(name: str) -> str:
    """The variable of a rate: `kie` has `IMAGEWRIGHT_KIE_RATE`."""
    return f"{PREFIX}{name.upper()}{RATE_SUFFIX}"


HOME = Setting(
    "one folder for pictures, library and configuration",
    Kind("an absolute path", read_folder),
    "IMAGEWRIGHT_HOME",
    default_words="your Pictures folder and the platform's own places",
)
ROOTS = Setting(
    "folders that may be read from and saved into, besides the one for pictures",
    Kind("absolute paths, with `:` between them, on Windows `;`", read_folder),
    "IMAGEWRIGHT_ROOTS",
    default_words="Pictures, Downloads, Desktop, Documents, and the project you work in",
)
TOOLS = Setting(
    "only these tools, separated by commas",
    TOOL_NAMES,
    "IMAGEWRIGHT_TOOLS",
    "tools.allow",
    "--tools",
    default_words="all",
    example='allow = ["qwen", "recraft"]',
)
DISABLE = Setting(
    "without these tools, separated by commas",
    TOOL_NAMES,
    "IMAGEWRIGHT_DISABLE",
    "tools.disable",
    "--disable",
    default=(),
    default_words="none",
    example='disable = ["openai_4o"]',
)
TOOL_SWITCHES = Setting(
    "this tool on or off, for bundles that have a switch for each; stronger than the two lists in the environment",
    SWITCH,
    f"{TOOL_PREFIX}<TOOL>",
    default_words="what the lists say",
)
PROVIDERS = Setting(
    "use these providers, in order of preference; the option can be repeated",
    Kind("names of providers", read_names, is_list=True),
    "IMAGEWRIGHT_PROVIDERS",
    "providers",
    "--provider",
    default_words="every one that has a key, cheapest first",
    example='providers = ["kie", "fal"]',
)
WAIT = Setting(
    "how long a call waits before it answers with a job id; less than your client waits",
    number_of("seconds", 0, 3600),
    "IMAGEWRIGHT_WAIT",
    "wait",
    default=45.0,  # clients give up at about 60
)
REPLY_BUDGET = Setting(
    "size of one encoded reply, previews included",
    number_of("bytes", 20_000, 1_000_000, whole=True),
    "IMAGEWRIGHT_REPLY_BUDGET",
    "reply_budget",
    default=700_000,  # Claude Desktop cuts at 1 MiB, and the text stands beside
)
RESOURCE_LINKS = Setting(
    "whether a result carries a resource link per picture; two large agent frameworks fail on one",
    SWITCH,
    "IMAGEWRIGHT_RESOURCE_LINKS",
    "resource_links",
    default=False,
)
KEEP_METADATA = Setting(
    "whether the place, camera, comments and the like in the files of input pictures are sent along",
    SWITCH,
    "IMAGEWRIGHT_KEEP_METADATA",
    "keep_metadata",
    default=False,
)
LEASE = Setting(
    "after how long the jobs of a server that died are taken over by another; read when a server starts",
    number_of("seconds", 1, 3600),
    "IMAGEWRIGHT_LEASE",
    "lease",
    default=10.0,  # long enough for the pauses of a busy machine
)
CUTOUT_MODEL = Setting(
    "a trained model for cutting out offline, of the U2-Net family; needs `pip install imagewright[cutout]`",
    Kind("absolute path of an `.onnx` file", read_model),
    "IMAGEWRIGHT_CUTOUT_MODEL",
    "cutout_model",
    default="",
    default_words="none: the outline is found without a model",
    example='cutout_model = "/models/u2net.onnx"',
)
PER_CALL = Setting(
    "a call that would cost more is refused",
    USD,
    "IMAGEWRIGHT_BUDGET_PER_CALL",
    "budget.per_call",
    default_words="no limit",
    example="per_call = 0.5",
)
PER_DAY = Setting(
    "limit from midnight on, local time, over all servers of yours",
    USD,
    "IMAGEWRIGHT_BUDGET_PER_DAY",
    "budget.per_day",
    default_words="no limit",
    example="per_day = 5",
)
PER_MONTH = Setting(
    "limit from the first of the month on, local time, over all servers of yours",
    USD,
    "IMAGEWRIGHT_BUDGET_PER_MONTH",
    "budget.per_month",
    default_words="no limit",
    example="per_month = 50",
)
CONFIRM_ABOVE = Setting(
    "you are asked about a call that costs more, and silence is no",
    USD,
    "IMAGEWRIGHT_CONFIRM_ABOVE",
    "budget.confirm_above",
    default_words="nobody is asked",
    example="confirm_above = 0.2",
)
LOG = Setting(
    "what is logged to standard error; `info` has a line for each call",
    Kind(f"{', '.join(LEVELS[:-1])} or {LEVELS[-1]}", read_level),
    "IMAGEWRIGHT_LOG",
    "log",
    "--log-level",
    default="warning",
)
LOG_PROMPTS = Setting(
    "whether the line for a call has its prompt, too",
    SWITCH,
    "IMAGEWRIGHT_LOG_PROMPTS",
    "log_prompts",
    default=False,
)
ADDRESSES = Setting(
    "another address for a provider: a gateway, a region, an emulator, a server of your own",
    Kind("http(s) addresses", read_addresses, is_table=True),
    address_variable("<provider>"),
    "addresses",
    default_words="the vendor's",
    example='openai = "http://127.0.0.1:8000/v1"',
)
ALLOW_HOSTS = Setting(
    "hosts that pictures may be fetched from and sent to although they are not on the public Internet, such as a NAS",
    Kind("host:port, `*` for every port, such as `nas.local:8080`", read_hosts, is_list=True),
    "IMAGEWRIGHT_ALLOW_HOSTS",
    "allow_hosts",
    default=(),
    default_words="none",
    example='allow_hosts = ["nas.local:8080", "10.0.0.5:*"]',
)
RATES = Setting(
    "how many calls a provider takes from your account; set it where your plan differs from the usual one",
    Kind("calls/seconds, such as `20/10`; with how many may run at once, `20/10/100`", read_rates, is_table=True),
    rate_variable("<provider>"),
    "rates",
    default_words="the vendor's usual one, and what its answers say",
    example='kie = "20/10"',
)
ROUTES = Setting(
    "another edition first or another price at a provider, and what it no longer does",
    Kind("tables `[routes.<tool>.<provider>]`", read_routes, is_table=True),
    name="routes",
    default_words="as built in",
    example='[routes.nano_banana.kie]\nmodel = "nano-banana-pro"',
)
HTTP_PORT = Setting(
    "the port of `imagewright serve --http`, where `connect --http` and `doctor` look for it, too; "
    "read when a server starts",
    Kind(f"a whole number, 0 to {LAST_PORT}", read_port),
    "IMAGEWRIGHT_HTTP_PORT",
    "http.port",
    default=8642,
)
HTTP_PATH = Setting(
    "the path of its address, behind the port; read when a server starts",
    Kind("a path such as `/mcp`", read_path),
    "IMAGEWRIGHT_HTTP_PATH",
    "http.path",
    default="/mcp",
)
HTTP_TOKEN = Setting(
    "the token that it asks every client for, where you want one of your own",
    Kind("16 to 200 letters, digits and signs without a blank", read_token, is_secret=True),
    "IMAGEWRIGHT_HTTP_TOKEN",
    default="",
    default_words="made at the first start, and kept in the file http-token beside the configuration",
)
SETTINGS = (
    HOME,
    ROOTS,
    TOOLS,
    DISABLE,
    TOOL_SWITCHES,
    PROVIDERS,
    WAIT,
    REPLY_BUDGET,
    RESOURCE_LINKS,
    KEEP_METADATA,
    LEASE,
    CUTOUT_MODEL,
    PER_CALL,
    PER_DAY,
    PER_MONTH,
    CONFIRM_ABOVE,
    LOG,
    LOG_PROMPTS,
    ADDRESSES,
    ALLOW_HOSTS,
    RATES,
    HTTP_PORT,
    HTTP_PATH,
    HTTP_TOKEN,
    ROUTES,
)
"""Everything that can be set apart from keys, in the order in which it is shown."""
BY_PROVIDER: Mapping[Setting, tuple[str, Callable[[str, object], Any]]] = {
    ADDRESSES: (ADDRESS_SUFFIX, read_address),
    RATES: (RATE_SUFFIX, read_rate),
}
"""The settings that have a variable for each provider: what it ends with, and how its value is read."""
VARIABLES: Mapping[str, Setting] = {one.variable: one for one in SETTINGS if one.variable and "<" not in one.variable}
"""The settings by their variable, but for those with one for each provider or tool."""
NAMES: Mapping[str, Setting] = {one.name: one for one in SETTINGS if one.name}
"""The settings by their name in the configuration file."""
