"""What a job needs on disk while it runs: its prepared input pictures, and results that are not in the library yet.

One folder per job beside the database, removed when the job is settled. All functions block.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imagewright.errors import StorageError
from imagewright.providers.base import Order, Prepared, Product

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagewright.providers.base import Route
    from imagewright.storage.journal_entry import CallEntry

FOLDER = "incoming"


class Spool:
    """The folders of all jobs.

    Args:
        base: the folder that holds the database.
    """

    def __init__(self, base: Path) -> None:
        self._base = base / FOLDER

    def keep_inputs(self, job_id: str, order: Order) -> dict[str, Any]:
        """Write the prepared pictures down, so that another process could send the call.

        Returns:
            What `read_inputs` needs, as JSON can hold it.

        Raises:
            StorageError: they cannot be written.
        """
        pictures = [*order.images, *([order.mask] if order.mask else [])]
        said = []
        for place, picture in enumerate(pictures):
            file = self.file(job_id, f"input-{place}")
            _write(file, picture.data)
            said.append({"file": str(file), "format": picture.format, "width": picture.width, "height": picture.height})
        return {"images": said[: len(order.images)], "mask": said[-1] if order.mask else None}

    def read_order(self, route: Route, call: CallEntry, inputs: Mapping[str, Any]) -> Order:
        """The order of a call that was written down but not sent.

        Raises:
            StorageError: an input picture is gone.
        """
        mask = inputs["mask"]
        return Order(
            route=route,
            arguments=dict(call.arguments),
            count=call.count,
            images=tuple(_read(one) for one in inputs["images"]),
            mask=_read(mask) if mask else None,
            first_variant=call.first_variant,
        )

    def keep_product(self, job_id: str, variant: int, product: Product) -> dict[str, Any]:
        """A result as the journal holds it: its address, or the file its bytes were written to.

        Raises:
            StorageError: the bytes cannot be written.
        """
        if product.data is None:
            return {"url": product.url, "file": "", "seed": product.seed}
        file = self.file(job_id, f"result-{variant}")
        _write(file, product.data, lasting=True)
        return {"url": "", "file": str(file), "seed": product.seed}

    @staticmethod
    def read_product(said: Mapping[str, Any]) -> Product:
        """The result that `keep_product` wrote down.

        Raises:
            StorageError: its file is gone.
        """
        data = _bytes(Path(said["file"])) if said["file"] else None
        return Product(url=said["url"], data=data, seed=said["seed"])

    def file(self, job_id: str, name: str) -> Path:
        """Where a file of the job stands."""
        return self._base / job_id / name

    def clear(self, job_id: str) -> None:
        """Remove the job's folder; what cannot be removed is left."""
        shutil.rmtree(self._base / job_id, ignore_errors=True)


def _read(said: Mapping[str, Any]) -> Prepared:
    return Prepared(_bytes(Path(said["file"])), said["format"], said["width"], said["height"])


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise StorageError(f"{file}: a file of the unfinished job cannot be read ({error.strerror})") from error


def _write(file: Path, data: bytes, *, lasting: bool = False) -> None:
    """Write a file; a lasting one survives a power cut, as the journal that names it does."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with file.open("wb") as stream:
            stream.write(data)
            if lasting:
                stream.flush()
                os.fsync(stream.fileno())
    except OSError as error:
        raise StorageError(f"{file}: cannot be written ({error.strerror})") from error
