from tasks.models.attempt import Attempt
from tasks.models.audit import Audit
from tasks.models.job import Dependency, Job, JobQuerySet
from tasks.models.pause import Pause
from tasks.models.task import TaskRecord
from tasks.models.token import ApiToken

__all__ = [
    "ApiToken",
    "Attempt",
    "Audit",
    "Dependency",
    "Job",
    "JobQuerySet",
    "Pause",
    "TaskRecord",
]
