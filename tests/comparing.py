"""Comparing ledger and broker by hand, without the waits of the real thing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.utils import timezone

from tasks.comparison import Delays
from tasks.models import Epoch, Job
from tasks.reconcile import Comparison
from tests.engine import client, events, record_all

AT_ONCE = Delays(timedelta(0), timedelta(0))


def steps() -> Iterator[None]:
    """Begin a comparison that waits for nothing but for the recorder."""
    return Comparison(timezone.now, AT_ONCE).run()


def compare() -> int:
    """Compare from beginning to end; returns for how many jobs something was done."""
    comparison = Comparison(timezone.now, AT_ONCE)
    for _pause in comparison.run():
        pass
    return comparison.mended


def agree() -> None:
    """Record what happened, and compare while nothing is wrong: Redis is as it should be."""
    record_all()
    assert compare() == 0
    assert events() == []


def lose_all() -> None:
    """Let Redis lose everything."""
    client().flushdb()


def restart() -> None:
    """Let Redis look as if it had been started anew."""
    Epoch.objects.update(server="another run")


def older(*names: str) -> dict[str, bytes]:
    """Keep what some keys hold now, for `bring_back`."""
    kept: dict[str, Any] = {name: client().dump(name) for name in names}
    return kept


def bring_back(kept: dict[str, bytes]) -> None:
    """Let Redis have what keys held before: its log was cut off, and it was restarted."""
    for name, content in kept.items():
        client().delete(name)
        if content:
            client().restore(name, 0, content)
    restart()


def ledger(job_id: str) -> Job:
    """Record what happened and return the row of a job."""
    record_all()
    return Job.objects.get(pk=job_id)
