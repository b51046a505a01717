"""Schedules of each second for real schedulers, and what became of their moments."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from tests.integration.conftest import Fleet, Process
from tests.ledgers import Ledger

#: Schedules of each second.
SCHEDULES = 5

_MAKE = f"""
import os, django
os.environ["DJANGO_SETTINGS_MODULE"] = "dashboard.settings"
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from tasks.models import Schedule
from tasks.schedules.clock import clock
from tasks.schedules.plans import plan
now = clock.now()
for number in range({SCHEDULES}):
    schedule = Schedule(name=f"s{{number}}", task="tests.sample.add", kind="every",
        kwargs={{"a": 1}}, every=1, cursor=now)
    plan(schedule, now)
    schedule.save()
"""

#: Prints what became of all moments, by the rows of the ledger.
_READ = """
import json, os, django
os.environ["DJANGO_SETTINGS_MODULE"] = "dashboard.settings"
django.setup()
from tasks.models import Fire, Job
from tasks.schedules.drafts import job_id_of
fires = Fire.objects.select_related("schedule").order_by("schedule__name", "due_at")
told = [(f.schedule.name, f.due_at.timestamp(), f.verdict,
    (f.decided_at - f.due_at).total_seconds(),
    f.job_key == job_id_of(f.schedule_id, f.due_at)) for f in fires]
jobs = set(Job.objects.values_list("pk", flat=True))
print(json.dumps([told, jobs == {f.job_key for f in fires}, len(jobs)]))
"""


@dataclass(frozen=True)
class Moment:
    schedule: str
    due_at: float
    verdict: str
    late: float
    is_own: bool


@dataclass(frozen=True)
class Seconds:
    """A site with such schedules."""

    site: Fleet
    ledger: Ledger

    def make(self) -> None:
        """Make the ledger's tables and the schedules."""
        self.site.run("-c", _MAKE)

    def count(self) -> int:
        """Return how many moments are decided."""
        return int(self.ledger.rows("SELECT COUNT(*) FROM tasks_fire")[0][0])

    def read(self, schedulers: Sequence[Process]) -> list[Moment]:
        """Kill all schedulers; return the moments, each of which has its one job."""
        for scheduler in schedulers:
            scheduler.kill()
            scheduler.wait()
        told, jobs_match, jobs = json.loads(self.site.run("-c", _READ))
        moments = [Moment(*one) for one in told]
        assert jobs_match
        assert jobs == len(moments)
        assert all(moment.is_own for moment in moments)
        assert {moment.verdict for moment in moments} == {"ran"}
        _assert_no_gaps(moments)
        return moments


def _assert_no_gaps(moments: Sequence[Moment]) -> None:
    for name in {moment.schedule for moment in moments}:
        due = [moment.due_at for moment in moments if moment.schedule == name]
        assert due == [due[0] + number for number in range(len(due))]
