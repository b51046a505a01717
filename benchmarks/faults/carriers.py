"""A task whose jobs take room in Redis; scenarios about it name this module too."""

from __future__ import annotations

from benchmarks.faults import journal
from benchmarks.faults.jobs import say
from tasks import task


@task
async def carry(load: str) -> int:
    """Carry what the submitter gave, and return its length."""
    say(journal.START)
    say(journal.END)
    return len(load)
