from tasks.models.attempt import Attempt
from tasks.models.audit import Audit
from tasks.models.epoch import Epoch
from tasks.models.job import Dependency, Job, JobQuerySet
from tasks.models.pause import Pause
from tasks.models.recovery import Recovery
from tasks.models.task import TaskRecord
from tasks.models.token import ApiToken

__all__ = [
    "ApiToken",
    "Attempt",
    "Audit",
    "Dependency",
    "Epoch",
    "Job",
    "JobQuerySet",
    "Pause",
    "Recovery",
    "TaskRecord",
]
