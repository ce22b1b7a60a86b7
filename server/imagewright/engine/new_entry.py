"""A job as the journal holds it before anything is sent. No I/O."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from imagewright.storage.journal_entry import CallEntry, JobEntry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagewright.engine.job import Job
    from imagewright.engine.plan import Plan


def new_entry(job: Job, plan: Plan, *, inputs: Mapping[str, Any], fingerprint: str, key: str, owner: str) -> JobEntry:
    """The entry of a job that is about to be begun.

    Args:
        job: its live state.
        plan: what to send.
        inputs: what the spool needs to read its input pictures again.
        fingerprint: the same for identical calls.
        key: the caller's idempotency key, or empty.
        owner: the process that carries it out.
    """
    return JobEntry(
        id=job.id,
        tool=job.tool,
        operation=job.operation.value,
        provider=plan.route.provider,
        model=plan.model,
        key=key,
        fingerprint=fingerprint,
        plan={"spec": plan.spec.as_data(), "inputs": inputs, "route": plan.route.model, "choice": job.choice},
        expected=job.expected,
        reserved_usd=plan.spec.usd or 0.0,
        cost_usd=job.cost_usd,
        cost_basis=job.cost_basis,
        notes=tuple(job.notes),
        created=time.time(),
        owner=owner,
        calls=tuple(
            CallEntry(
                number=number, count=order.count, first_variant=order.first_variant, arguments=dict(order.arguments)
            )
            for number, order in enumerate(plan.orders)
        ),
    )
