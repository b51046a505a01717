"""A job as a worker has it once claimed, made without Redis."""

from __future__ import annotations

from tasks.broker.attempts import CLAIMED_FIELDS, Claimed
from tasks.broker.wire import pack_call


def claimed_job(
    path: str = "tests.sample.add",
    attempt: int = 1,
    queue: str = "default",
    **fields: object,
) -> Claimed:
    """Return the job `a` that calls the function at `path` with 1."""
    known: dict[str, object] = {"data": pack_call(path, [1], {}), **fields}
    assert known.keys() <= set(CLAIMED_FIELDS)
    values = [known.get(name) for name in CLAIMED_FIELDS]
    raw = [
        value if value is None or isinstance(value, bytes) else str(value).encode()
        for value in values
    ]
    return Claimed("a", "e", queue, attempt, "a:e", raw)
