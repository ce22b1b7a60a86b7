"""A copy of an emulator in which one field has another name: what an official client must trip over."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tests.emulators.base import Emulator

if TYPE_CHECKING:
    from tests.emulators.messages import Answer, Received


class Renaming(Emulator):
    """Stands before an emulator's class: `class Wrong(Renaming, VendorEmulator)`."""

    field: tuple[str, str] = ("", "")
    """(its name, the name it has here); both directions know it under the second only."""

    def answer(self, received: Received) -> Answer:
        """As the emulator, in other words."""
        answer = super().answer(replace(received, body=self._exchanged(received.body)))
        return replace(answer, body=self._exchanged(answer.body))

    def _exchanged(self, body: bytes) -> bytes:
        """Both names change places, so that neither is taken for the other. They stand in quotes in JSON and forms."""
        old, new = (f'"{name}"'.encode() for name in self.field)
        return body.replace(old, b'"\0"').replace(new, old).replace(b'"\0"', new)
