from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from imagewright.engine.spool import Spool
from imagewright.errors import StorageError
from imagewright.providers.base import Order, Prepared, Product
from imagewright.storage.journal_entry import CallEntry
from workbench import route_of

if TYPE_CHECKING:
    from pathlib import Path

ROUTE = route_of("vendor")
JOB = "job_1"


def order(images: int, *, mask: bool) -> Order:
    prepared = [Prepared(f"picture {place}".encode(), "png", 10 + place, 20) for place in range(images + mask)]
    return Order(
        route=ROUTE,
        arguments={"prompt": "fox", "seed": 7},
        count=2,
        images=tuple(prepared[:images]),
        mask=prepared[-1] if mask else None,
        first_variant=3,
    )


@pytest.mark.parametrize(("images", "mask"), [(0, False), (1, False), (1, True), (3, False)])
def test_a_call_that_was_not_sent_can_be_sent_by_another_process(tmp_path: Path, images: int, *, mask: bool) -> None:
    whole = order(images, mask=mask)
    inputs = Spool(tmp_path).keep_inputs(JOB, whole)
    call = CallEntry(number=1, count=2, first_variant=3, arguments=dict(whole.arguments))
    assert Spool(tmp_path).read_order(ROUTE, call, inputs) == whole


def test_an_input_that_is_gone_is_named(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    inputs = spool.keep_inputs(JOB, order(1, mask=False))
    spool.clear(JOB)
    with pytest.raises(StorageError, match="input-0: a file of the unfinished job cannot be read"):
        spool.read_order(ROUTE, CallEntry(number=0), inputs)


@pytest.mark.parametrize(
    "product", [Product(url="https://vendor.example/1.png", seed=5), Product(data=b"picture", seed=None)]
)
def test_a_result_is_read_back_as_it_was(tmp_path: Path, product: Product) -> None:
    spool = Spool(tmp_path)
    assert spool.read_product(spool.keep_product(JOB, 1, product)) == product
    assert spool.file(JOB, "").exists() == (product.data is not None)


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "incoming").write_bytes(b"in the way")
    with pytest.raises(StorageError, match="cannot be written"):
        Spool(tmp_path).keep_product(JOB, 1, Product(data=b"picture"))


def test_clearing_leaves_other_jobs_alone_and_can_be_repeated(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    for job in (JOB, "job_2"):
        spool.keep_product(job, 1, Product(data=b"picture"))
    spool.clear(JOB)
    spool.clear(JOB)
    assert [path.name for path in (tmp_path / "incoming").iterdir()] == ["job_2"]
