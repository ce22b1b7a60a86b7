"""The configuration file: TOML, every key known, read strictly."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from imagewright.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path


class ToolsTable(BaseModel):
    """`[tools]`: which tools are on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    allow: tuple[str, ...] | None = None
    disable: tuple[str, ...] = ()


class BudgetTable(BaseModel):
    """`[budget]`: limits in USD, over all server processes of the user. Absent means no limit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    per_call: float | None = Field(default=None, ge=0)
    per_day: float | None = Field(default=None, ge=0)
    """From midnight, local time."""
    per_month: float | None = Field(default=None, ge=0)
    """From the first of the month, local time."""
    confirm_above: float | None = Field(default=None, ge=0)
    """Calls that cost more are asked about first; silence is no."""


class ConfigFile(BaseModel):
    """The whole file. Every key is optional."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tools: ToolsTable = ToolsTable()
    providers: tuple[str, ...] | None = None
    """Providers to use, in order of preference; without it every one that has a key, cheapest first."""
    wait: float | None = Field(default=None, gt=0, le=3600)
    """Seconds a call waits before it answers with a job id."""
    reply_budget: int | None = Field(default=None, ge=20_000, le=1_000_000)
    """Bytes of one encoded reply, previews included."""
    lease: float | None = Field(default=None, ge=1, le=3600)
    """Seconds after which the jobs of a process that died are taken over by another."""
    budget: BudgetTable = BudgetTable()
    addresses: dict[str, str] = Field(default_factory=dict)
    """Base addresses by provider, such as `kie = "https://gateway.example"`; `kie_upload` for a second host."""
    routes: dict[str, dict[str, dict[str, Any]]] = Field(default_factory=dict)
    """`[routes.<tool>.<provider>]`: overrides of a route's model id and price."""


def read_config(file: Path) -> ConfigFile:
    """The file's content; the defaults when there is no such file.

    Raises:
        SettingsError: not TOML, an unknown key or a wrong value; the message names file and key.
    """
    try:
        raw = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return ConfigFile()
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{file}: {error}") from error
    try:
        return ConfigFile.model_validate(raw)
    except ValidationError as error:
        said = [f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in error.errors()]
        raise SettingsError(f"{file}: {'; '.join(said)}") from error
