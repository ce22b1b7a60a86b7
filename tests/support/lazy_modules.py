"""Modules that are imported when something of them is first used.

A vendor's own client takes half a second to import. Every worker collects every test file, and only one runs it.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any


class Later:
    """Stands for a module, and has its names."""

    def __init__(self, name: str) -> None:
        self.__dict__["_name"] = name

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # pytest asks all it collects whether it is a test
            raise AttributeError(name)
        return getattr(import_module(self.__dict__["_name"]), name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(import_module(self.__dict__["_name"]), name, value)
