"""What is kept of a submitted call so that any process can ask for it again: paths and sentences, no host, no key."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from imagewright.providers.base import Finished

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imagewright.providers.base import Handle, Running

NOTES = "notes"


def path_under(base: str, link: str, usual: str) -> str:
    """The part of a vendor's link to a task that follows the base address.

    Asking by path keeps the key at the address the user has set, such as a gateway's, whatever host the vendor
    names, and lets a process with another address ask for the same task.

    Args:
        base: base address of the vendor.
        link: the link the vendor gave; empty when it gave none.
        usual: the path that is documented.
    """
    try:
        parts = urlsplit(link)
    except ValueError:  # no address at all; the task is paid for, and the usual path knows it
        return usual
    if not parts.path.strip("/") or not parts.path.startswith("/"):
        return usual
    prefix = urlsplit(base).path.rstrip("/")
    path = parts.path.removeprefix(prefix) if prefix and parts.path.startswith(f"{prefix}/") else parts.path
    return f"{path}?{parts.query}" if parts.query else path


def with_notes(ticket: Mapping[str, str], notes: Sequence[str]) -> dict[str, str]:
    """The ticket, with what the caller is to be told when the pictures are there; a note is one line."""
    return {**ticket, NOTES: "\n".join(notes)} if notes else dict(ticket)


def notes_in(ticket: Mapping[str, str]) -> tuple[str, ...]:
    """The notes that were put into a ticket or a trace."""
    return tuple(ticket.get(NOTES, "").splitlines())


def noted(handle: Handle, answer: Running | Finished) -> Running | Finished:
    """The answer to a poll; the last one with the notes of the ticket."""
    notes = notes_in(handle.ticket)
    if not notes or not isinstance(answer, Finished):
        return answer
    return replace(answer, notes=(*answer.notes, *notes))
