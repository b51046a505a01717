from tasks.models.attempt import Attempt
from tasks.models.audit import Audit
from tasks.models.backfill import Backfill
from tasks.models.calendar import Calendar
from tasks.models.epoch import Epoch
from tasks.models.fire import Fire
from tasks.models.job import Dependency, Job, JobQuerySet
from tasks.models.pace import Pace
from tasks.models.pause import Pause
from tasks.models.recovery import Recovery
from tasks.models.schedule import Schedule
from tasks.models.task import TaskRecord
from tasks.models.token import ApiToken

__all__ = [
    "ApiToken",
    "Attempt",
    "Audit",
    "Backfill",
    "Calendar",
    "Dependency",
    "Epoch",
    "Fire",
    "Job",
    "JobQuerySet",
    "Pace",
    "Pause",
    "Recovery",
    "Schedule",
    "TaskRecord",
]
