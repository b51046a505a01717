"""Submits jobs at a rate from a process of its own, and notes which were accepted.

    python -m benchmarks.faults.submitter TASK RATE SECONDS

Without a ledger (TASKYARD_NO_LEDGER), Redis is who accepts; a refusal is counted and the
next jobs are tried at their time.
"""

from __future__ import annotations

import sys
import time

import django

from benchmarks.faults import journal

#: Jobs that one call carries.
BATCH = 20


def main() -> None:
    django.setup()
    name, rate, seconds = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
    accepted, refused = submit_steadily(name, rate, seconds)
    print(accepted, refused)


def submit_steadily(name: str, rate: float, seconds: float) -> tuple[int, int]:
    """Submit for so long; returns how many jobs were accepted and how many refused."""
    from tasks import submit_many
    from tasks.errors import TasksError
    from tasks.registry import Call, registry

    calls = [Call(registry.get(name))] * BATCH
    first, accepted, refused = time.monotonic(), 0, 0
    for number in range(round(rate * seconds / BATCH)):
        time.sleep(max(0.0, first + number * BATCH / rate - time.monotonic()))
        try:
            handles = submit_many(calls)
        except TasksError:
            refused += BATCH
            continue
        journal.accept(handle.id for handle in handles)
        accepted += BATCH
    return accepted, refused


if __name__ == "__main__":
    main()
