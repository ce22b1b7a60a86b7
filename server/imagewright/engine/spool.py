"""What a job needs on disk while it runs: its prepared input pictures, and results that are not in the library yet.

One folder per job beside the database. The inputs go when the job is settled, the results once all of them are in the
library; what killed processes left is swept up. All functions block.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imagewright.errors import StorageError
from imagewright.providers.base import Order, Output, Prepared
from imagewright.storage.private import make_folder, open_file
from imagewright.storage.states import CallState

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from imagewright.providers.base import Route
    from imagewright.storage.journal_entry import CallEntry, JobEntry

log = logging.getLogger(__name__)

FOLDER = "incoming"
_INPUT = "input-"  # what a name begins with; everything else may be a picture that was paid for
_RESULT, _ANSWER = "result-", "answer-"
YOUNG = 3600.0
"""Seconds for which nothing is swept: the inputs of a job are there before the journal knows it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a vendor answered, as it lies in a job's folder before the journal knows it.

    Attributes:
        outputs: as `Spool.keep_output` wrote them down.
        cost_usd: what the vendor says it charged; None when that is not known.
        notes: what the caller should know.
    """

    outputs: tuple[Mapping[str, Any], ...]
    cost_usd: float | None = None
    notes: tuple[str, ...] = ()


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
            What `read_order` needs, as JSON can hold it.

        Raises:
            StorageError: they cannot be written.
        """
        pictures = [*order.images, *([order.mask] if order.mask else [])]
        data = []
        for place, picture in enumerate(pictures):
            file = self.file(job_id, f"{_INPUT}{place}")
            _write(file, picture.data)
            data.append({"file": str(file), "format": picture.format, "width": picture.width, "height": picture.height})
        return {"images": data[: len(order.images)], "mask": data[-1] if order.mask else None}

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

    def keep_output(self, job_id: str, variant: int, output: Output) -> dict[str, Any]:
        """A result as the journal holds it: its address, or the file its bytes were written to.

        Raises:
            StorageError: the bytes cannot be written.
        """
        if output.data is None:
            return {"url": output.url, "file": "", "seed": output.seed}
        file = self.file(job_id, f"{_RESULT}{variant}")
        _write(file, output.data, lasting=True)
        return {"url": "", "file": str(file), "seed": output.seed}

    def keep_answer(self, job_id: str, number: int, answer: Answer) -> None:
        """Write down what came at once, beside its files: nobody can be asked for it again.

        Raises:
            StorageError: it cannot be written.
        """
        _write(self.file(job_id, f"{_ANSWER}{number}.json"), json.dumps(asdict(answer), default=str).encode())

    def read_answer(self, job_id: str, number: int, variants: Sequence[int]) -> Answer | None:
        """The answer to a call that was being sent when its process died; None when none has come to disk.

        Where only pictures lie there they are the answer: each stands under its name whole, or not at all.

        Args:
            job_id: the job.
            number: the call's place in it.
            variants: the numbers its pictures can have, in their order.
        """
        with suppress(OSError, ValueError, TypeError, KeyError):
            found = json.loads(self.file(job_id, f"{_ANSWER}{number}.json").read_bytes())
            return Answer(tuple(found["outputs"]), found["cost_usd"], tuple(found["notes"]))
        files = (self.file(job_id, f"{_RESULT}{variant}") for variant in variants)
        outputs = tuple({"url": "", "file": str(file), "seed": None} for file in files if file.is_file())
        return Answer(outputs) if outputs else None

    @staticmethod
    def read_output(data: Mapping[str, Any]) -> Output:
        """The result that `keep_output` wrote down.

        Raises:
            StorageError: its file is gone.
        """
        content = _bytes(Path(data["file"])) if data["file"] else None
        return Output(url=data["url"], data=content, seed=data["seed"])

    def file(self, job_id: str, name: str) -> Path:
        """Where a file of the job stands."""
        return self._base / job_id / name

    def clear(self, job_id: str, *, whole: bool) -> None:
        """Remove what the job needs no more: its inputs, and the rest where it is whole. What cannot go is left.

        Args:
            job_id: the job.
            whole: whether everything that was made for it is in the library, so that nothing here is needed.
        """
        with suppress(OSError):
            _tidy(self._base / job_id, whole=whole)

    def sweep(self, entry_of: Callable[[str], JobEntry | None]) -> None:
        """Remove what killed processes left and nobody can need: never raises.

        Nothing of a job that runs is touched. Inputs of others go; their pictures only where all are in the library,
        so that one that was paid for and could not be saved stays, also where the journal knows nothing of its job.

        Args:
            entry_of: the journal's entry of a job.
        """
        with suppress(OSError):  # there is nothing to tidy up, or opening a job will say what is wrong
            for folder in list(self._base.iterdir()):
                try:
                    _sweep(folder, entry_of)
                except FileNotFoundError:  # another process was quicker
                    continue
                except Exception as error:  # noqa: BLE001 - tidying up must not end a server, whatever it stumbles over
                    log.warning("%s could not be tidied up: %s", folder, error)


def _sweep(folder: Path, entry_of: Callable[[str], JobEntry | None]) -> None:
    if folder.is_symlink() or not folder.is_dir() or _newest(folder) > time.time() - YOUNG:
        return
    entry = entry_of(folder.name)
    if entry is not None and not entry.done:
        return
    whole = entry is not None and all(call.state is CallState.KEPT and call.error is None for call in entry.calls)
    _tidy(folder, whole=whole)


def _tidy(folder: Path, *, whole: bool) -> None:
    for path in list(folder.iterdir()):
        if not whole and not path.name.lstrip(".").startswith(_INPUT):
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    if not any(folder.iterdir()):
        folder.rmdir()


def _newest(folder: Path) -> float:
    """When something in a folder was changed last, in seconds since 1970."""
    return max(path.stat(follow_symlinks=False).st_mtime for path in (folder, *folder.rglob("*")))


def _read(data: Mapping[str, Any]) -> Prepared:
    return Prepared(_bytes(Path(data["file"])), data["format"], data["width"], data["height"])


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise StorageError(f"{file}: a file of the unfinished job cannot be read ({error.strerror})") from error


def _write(file: Path, data: bytes, *, lasting: bool = False) -> None:
    """Write a file, whole or not at all; a lasting one survives a power cut, as the journal that names it does."""
    part = file.with_name(f".{file.name}.part")
    try:
        make_folder(file.parent)
        with open_file(part, "wb") as stream:
            stream.write(data)
            if lasting:
                stream.flush()
                os.fsync(stream.fileno())
        part.replace(file)
    except OSError as error:
        raise StorageError(f"{file}: cannot be written ({error.strerror})") from error
