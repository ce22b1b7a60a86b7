"""What a vendor's module of cases holds, so that the tables over all vendors fill themselves.

There is one such module per vendor, `tests/providers/<vendor>/cases.py`, and its `VENDOR` is a `Vendor`. `vendors.py`
finds them all.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pytest

    from imagewright.providers.base import Finished, Order, Route
    from tests.emulators.messages import Answer
    from tests.support.faults import Case
    from tests.support.poll_answers import Rows


@dataclass(frozen=True, kw_only=True)
class AtOnce:
    """How a vendor fails that answers a submit with the finished pictures."""

    plain: Route
    """The route that is tried."""
    submit: Mapping[str, Case]
    """What can become of a submit, at the door `generate`."""


@dataclass(frozen=True, kw_only=True)
class Queue:
    """How a vendor fails that takes its time."""

    plain: Route
    """The route that is tried."""
    submit: Mapping[str, Case]
    """What can become of a submit."""
    poll: Mapping[str, Case]
    """What can be wrong with a question how a task stands; none of it says anything of the task."""
    answers: Mapping[str, Rows]
    """What its answers to such a question mean, by the door they come from; the one that is asked first comes first."""
    doubtful: Mapping[str, Case] = field(default_factory=dict)
    """What may end the task there, and is not believed at once."""
    uploads: Mapping[str, Mapping[str, Case]] = field(default_factory=dict)
    """What can become of a picture that is uploaded first, by the way it takes."""
    pictured: Order | None = None
    """An order with such a picture; None where there are no such doors."""
    door: str = "create"
    """Where the submit goes."""
    stops: bool = False
    """Whether the vendor can be asked to stop a task."""
    names_tasks: bool = True
    """Whether the id of a task stands in the links to its pictures, and the emulator keeps the task's fields."""


@dataclass(frozen=True, kw_only=True)
class Listing:
    """A vendor's list of recent calls, at the door `list`."""

    refuses: Callable[[str], Answer]
    """How the list refuses a key, in these words."""
    began: str
    """The attribute of an emulated task that holds when it was accepted."""
    two_to_a_page: Callable[[Any, pytest.MonkeyPatch], None]
    """Lets the pages of the list hold two calls: of the emulator, or of what the provider asks for."""
    others: Sequence[Route] = ()
    """Routes whose calls are listed, besides the built-in ones."""


@dataclass(frozen=True, kw_only=True)
class Vendor:
    """A vendor as the tests over all vendors meet it."""

    emulator: type[Any]
    """Its emulator: an `Emulator` that lists what was paid for in `charges`, and has attributes of its own."""
    goldens: Callable[[], dict[str, Any]]
    """The body of each of its routes, by the name of the golden file."""
    moderation: Case
    """How it refuses the content of a submit."""
    no_money: Case
    """How it says at a submit that the account is empty."""
    submits: tuple[str, ...] = ("generate",)
    """The doors through which paid work begins."""
    first: tuple[str, ...] = ()
    """Doors that a submit goes through before those, and that refuse in the same way."""
    at_once: AtOnce | None = None
    """Faults where a submit is answered with the pictures; None where no route is."""
    queue: Queue | None = None
    """Faults where a submit is answered with a task; None where no route is."""
    listing: Listing | None = None
    """Its list of recent calls; None where there is none."""
    empty: tuple[str, float, str] | None = None
    """The attribute of the emulator and the value that leave next to no money in the account, and the words of the
    refusal; None where that is tried together with the rates."""
    expires: bool = False
    """Whether the links say until when they hold; the emulator then has `link_seconds`."""
    links: Mapping[str, Any] | None = field(default_factory=dict)
    """Attributes of the emulator that make it answer with links to the pictures; None where it never does, so that
    nothing is fetched."""
    charges: Mapping[str, tuple[float, Callable[[str], Finished]]] = field(default_factory=dict)
    """USD of one of its units, and how an answer is read that says so many units, as they stand in its JSON; by kind of
    answer. Nothing where it never says what it charged."""
    alike: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Models that take the same fields as a built-in one, by that one."""
    states: bool = False
    """Whether one state of a model, such as `-2026-04-21`, is taken where the model is."""

    @property
    def polls(self) -> tuple[str, ...]:
        """The doors where one asks how a task stands; none where every submit is answered with the pictures."""
        return tuple(self.queue.answers) if self.queue else ()

    @property
    def lists(self) -> tuple[str, ...]:
        """The doors where recent calls are listed."""
        return ("list",) if self.listing else ()
