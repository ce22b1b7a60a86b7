"""What carrying out a job needs to know beside its vendor calls: plain data, fit to be written down and read back."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imagewright.engine.check import Checked
    from imagewright.engine.inputs import Source


@dataclass(frozen=True, slots=True)
class JobSpec:
    """The caller's wish, as the library keeps it.

    Attributes:
        prompt: as given; empty when there is none.
        request: the caller's arguments without data URIs and without the secrets of signed links.
        save_as: where the caller wants it; None for the default.
        parents: ids of the earlier pictures it is made from.
        count: how many pictures were asked for.
        usd: what the job is estimated to cost; None when unknown.
        exact_size: sides in px the result is brought down to; None when it is kept as it comes.
    """

    prompt: str
    request: Mapping[str, Any]
    save_as: str | None
    parents: tuple[str, ...]
    count: int
    usd: float | None
    exact_size: tuple[int, int] | None

    def as_data(self) -> dict[str, Any]:
        """As JSON can hold it; `from_data` reads it back."""
        return asdict(self)

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> JobSpec:
        """What `as_data` made."""
        size = data["exact_size"]
        return cls(**{**data, "parents": tuple(data["parents"]), "exact_size": tuple(size) if size else None})


def make_spec(
    checked: Checked, sources: Sequence[Source], *, count: int, usd: float | None, exact_size: tuple[int, int] | None
) -> JobSpec:
    """The spec of a checked call."""
    shown = {source.argument: source.request for source in sources}
    request = {
        name: [shown.get(f"{name}[{place}]", "") for place in range(len(value))]
        if isinstance(value, list)
        else shown.get(name, value)
        for name, value in checked.given.items()
    }
    return JobSpec(
        prompt=str(checked.given.get("prompt", "")),
        request=request,
        save_as=checked.given.get("save_as"),
        parents=tuple(dict.fromkeys(source.parent for source in sources if source.parent is not None)),
        count=count,
        usd=usd,
        exact_size=exact_size,
    )
