"""The configuration file: TOML, every key known, read strictly.

Plain dataclasses, judged by pydantic only when there is a file: most starts have none, and need not build models.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path  # noqa: TC003 - pydantic resolves the annotations of this module
from typing import Annotated, Any, ClassVar

from pydantic import Field

from imagewright.errors import SettingsError

FORBID = {"extra": "forbid"}
"""What the dataclasses ask of pydantic: an unknown key is an error."""
MOST_MONEY = 1e6
"""USD; a budget above this is a slip of the keyboard."""
Bounds = tuple[float, float]
WAIT_SECONDS: Bounds = (0, 3600)
REPLY_BYTES: Bounds = (20_000, 1_000_000)
LEASE_SECONDS: Bounds = (1, 3600)
"""The least and the most, here and in the environment."""
Money = Annotated[float, Field(ge=0, le=MOST_MONEY)]
"""USD."""


@dataclass(frozen=True)
class ToolsTable:
    """`[tools]`: which tools are on."""

    __pydantic_config__: ClassVar[dict[str, str]] = FORBID
    allow: tuple[str, ...] | None = None
    disable: tuple[str, ...] = ()


@dataclass(frozen=True)
class BudgetTable:
    """`[budget]`: limits in USD, over all server processes of the user. Absent means no limit.

    Attributes:
        per_call: of one call.
        per_day: from midnight, local time.
        per_month: from the first of the month, local time.
        confirm_above: calls that cost more are asked about first; silence is no.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = FORBID
    per_call: Money | None = None
    per_day: Money | None = None
    per_month: Money | None = None
    confirm_above: Money | None = None


@dataclass(frozen=True)
class ConfigFile:
    """The whole file. Every key is optional.

    Attributes:
        tools: which tools are on.
        providers: providers to use, in order of preference; without it every one that has a key, cheapest first.
        wait: seconds a call waits before it answers with a job id.
        reply_budget: bytes of one encoded reply, previews included.
        resource_links: whether a tool's result carries a link block for each picture besides its id, path and uri.
            Off by default: widely used frameworks fail on such a block.
        lease: seconds after which the jobs of a process that died are taken over by another.
        budget: limits in USD.
        addresses: base addresses by provider, such as `kie = "https://gateway.example"`; `kie_upload` for another host.
        routes: `[routes.<tool>.<provider>]`: overrides of a route's model id and price.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = FORBID
    tools: ToolsTable = ToolsTable()
    providers: tuple[str, ...] | None = None
    wait: Annotated[float, Field(gt=WAIT_SECONDS[0], le=WAIT_SECONDS[1])] | None = None
    reply_budget: Annotated[int, Field(ge=REPLY_BYTES[0], le=REPLY_BYTES[1])] | None = None
    resource_links: bool = False
    lease: Annotated[float, Field(ge=LEASE_SECONDS[0], le=LEASE_SECONDS[1])] | None = None
    budget: BudgetTable = BudgetTable()
    addresses: dict[str, str] = field(default_factory=dict)
    routes: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)


def read_config(file: Path) -> ConfigFile:
    """The file's content; the defaults when there is no such file.

    Raises:
        SettingsError: not TOML, an unknown key or a wrong value; the message names file and key.
    """
    try:
        raw = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return ConfigFile()
    except (OSError, ValueError) as error:  # not TOML, not UTF-8, or a number of thousands of digits
        raise SettingsError(f"{file}: {error}") from error
    except RecursionError as error:
        raise SettingsError(f"{file}: is nested too deeply") from error
    from pydantic import TypeAdapter, ValidationError  # noqa: PLC0415 - only where there is something to judge

    try:
        return TypeAdapter(ConfigFile).validate_python(raw)
    except ValidationError as error:
        text = [f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in error.errors()]
        raise SettingsError(f"{file}: {'; '.join(text)}") from error
