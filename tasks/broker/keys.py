"""Every Redis key: RQ's own (its data model is ours) and those under `taskyard:`.

The Lua scripts build the same per-job keys from these prefixes; each says so on top.
"""

from __future__ import annotations

# RQ 2.12's keys.
QUEUES = "rq:queues"
WORKERS = "rq:workers"
SUSPENDED = "rq:suspended"

# rq-scheduler's set of delayed jobs, scores in Unix seconds.
DELAYED = "rq:scheduler:scheduled_jobs"

#: Entry in DELAYED and PERIODIC that says whether the whole set was lost: see `witness`.
WITNESS = "taskyard:witness"

#: A stock rqscheduler's own hash: it expires when the process is gone, and has the field
#: `death` when it ended well.
STOCK_SCHEDULERS = "rq:scheduler_instance:*"

#: Zset of the names of rq's cron schedulers, scores their last signs of life.
CRON_SCHEDULERS = "rq:cron_schedulers"

#: The lock without which a stock rqscheduler moves nothing.
STOCK_LOCK = "rq:scheduler_lock"

# Ours.
EVENTS = "taskyard:events"
EVENTS_GROUP = "recorder"
RELEASES = "taskyard:releases"
LIVE = "taskyard:live"
CONTROL = "taskyard:control"
#: Channel that wakes the schedulers: something is due before they would look.
SOON = "taskyard:soon"
#: Zset of the entries in DELAYED that come again and again, and their scores: they are held.
PERIODIC = "taskyard:periodic"
#: Hash of scope:target to the second it ends, "" for never; claims read it.
PAUSES = "taskyard:pauses"
#: Random text that stands there as long as the data does.
EPOCH = "taskyard:epoch"
#: Set of jobs whose entry in a queue or lease was dropped because their hash was gone.
MISSING = "taskyard:missing"
#: Hash of process kind:name to the second it last said it was well.
LIVENESS = "taskyard:liveness"


def queue(name: str) -> str:
    return f"rq:queue:{name}"


def intermediate(queue_name: str) -> str:
    """Where a stock worker has a job between taking it and starting it."""
    return f"rq:queue:{queue_name}:intermediate"


def job(job_id: str) -> str:
    return f"rq:job:{job_id}"


def dependents(job_id: str) -> str:
    return f"rq:job:{job_id}:dependents"


def dependencies(job_id: str) -> str:
    """RQ's set of a child's parents; the double colon is RQ's."""
    return f"rq:job::{job_id}:dependencies"


def results(job_id: str) -> str:
    return f"rq:results:{job_id}"


def execution(job_id: str, execution_id: str) -> str:
    return f"rq:execution:{job_id}:{execution_id}"


def executions(job_id: str) -> str:
    return f"rq:executions:{job_id}"


def wip(queue_name: str) -> str:
    return f"rq:wip:{queue_name}"


def finished(queue_name: str) -> str:
    return f"rq:finished:{queue_name}"


def failed(queue_name: str) -> str:
    return f"rq:failed:{queue_name}"


def deferred(queue_name: str) -> str:
    return f"rq:deferred:{queue_name}"


def scheduled(queue_name: str) -> str:
    return f"rq:scheduled:{queue_name}"


def cron_scheduler(name: str) -> str:
    """The hash in which one of rq's cron schedulers tells its jobs."""
    return f"rq:cron_scheduler:{name}"


def stock_lock(queue_name: str) -> str:
    """The lock without which RQ's own scheduler moves nothing of a queue."""
    return f"rq:scheduler-lock:{queue_name}"


def canceled(queue_name: str) -> str:
    return f"rq:canceled:{queue_name}"


def worker(name: str) -> str:
    return f"rq:worker:{name}"


def queue_workers(queue_name: str) -> str:
    return f"rq:workers:{queue_name}"


def worker_commands(name: str) -> str:
    """The channel on which RQ sends a worker its commands."""
    return f"rq:pubsub:{name}"


def lease(queue_name: str) -> str:
    """Our lease: members `job:execution`, scores their end by Redis' clock."""
    return f"taskyard:lease:{queue_name}"


def log(job_id: str) -> str:
    return f"taskyard:log:{job_id}"
