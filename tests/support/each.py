"""One test of all rows of a table: for rows that are tried in less time than pytest takes to run a test."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVarTuple, Unpack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Row = TypeVarTuple("Row")


def each(
    rows: Iterable[tuple[*Row]], name: Callable[[Unpack[Row]], object] | None = None
) -> Callable[[Callable[[Unpack[Row]], None]], Callable[[], None]]:
    """Make a test of a row into one of all rows. Every row is tried, and each that fails is shown under its name.

    Args:
        rows: what the test is called with.
        name: names a row; by default it is what its parts are called.
    """
    table = list(rows)
    assert table, "a table without rows proves nothing"

    def of_all(test: Callable[[Unpack[Row]], None]) -> Callable[[], None]:
        def test_all() -> None:
            failures: list[Exception] = []
            for row in table:
                try:
                    test(*row)
                except (Exception, AssertionError) as error:  # noqa: BLE001 - whatever it is, the other rows are tried
                    error.add_note(f"row: {'-'.join(map(str, row)) if name is None else name(*row)}")
                    failures.append(error)
            if failures:
                raise ExceptionGroup(f"{len(failures)} of {len(table)} rows", failures)

        for attribute in ("__name__", "__qualname__", "__doc__", "__module__"):
            setattr(test_all, attribute, getattr(test, attribute))
        return test_all

    return of_all
