"""Jobs and pictures as the plain data of `structuredContent`: no base64, nothing that the output schema lacks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imagewright.text import plain

if TYPE_CHECKING:
    from imagewright.engine.job import Job
    from imagewright.storage.record import PictureRecord


def job_data(job: Job) -> dict[str, Any]:
    """A job under `JOB_SCHEMA`."""
    cost: dict[str, Any] = {"basis": job.cost_basis}
    if job.cost_usd is not None:
        cost = {"usd": job.cost_usd, "basis": job.cost_basis}
    return {
        "job_id": job.id,
        "status": str(job.status),
        "model": job.tool,
        "operation": str(job.operation),
        "provider": job.provider,
        "provider_model": job.model,
        "images": [picture_data(record) for record in job.pictures],
        "cost": cost,
        "elapsed_seconds": round(job.elapsed, 2),
        "progress": round(job.share, 3),
        "notes": [plain(note) for note in (*job.notes, *([job.trouble] if job.trouble else []))],
        "choice": list(job.choice),
    }


def picture_data(record: PictureRecord) -> dict[str, Any]:
    """A picture under `PICTURE_SCHEMA`."""
    data = {
        "id": record.id,
        "path": str(record.path),
        "uri": record.uri,
        "width": record.width,
        "height": record.height,
        "format": record.format,
        "bytes": record.bytes,
    }
    return data if record.seed is None else data | {"seed": record.seed}


def gallery_data(record: PictureRecord) -> dict[str, Any]:
    """A picture under `GALLERY_PICTURE_SCHEMA`."""
    return picture_data(record) | {
        "tool": record.tool,
        "operation": record.operation,
        "provider": record.provider,
        "prompt": record.prompt,
        "created": record.created.isoformat(),
        "parents": list(record.parents),
    }
