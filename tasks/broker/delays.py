"""rq-scheduler's API for delayed jobs, with Taskyard's loop, lock and move behind it.

    from tasks.broker.delays import Scheduler

    Scheduler("emails").enqueue_in(timedelta(minutes=5), send, "mara@example.org")

It is a `rq_scheduler.Scheduler`: what that has, and is not said here, works as it does
there, and stock clients may use the same set. django-rq's `get_scheduler` returns this one
where `RQ = {"SCHEDULER_CLASS": "tasks.broker.delays.Scheduler"}` is set.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any, NoReturn

import redis
import rq_scheduler
from rq import Queue
from rq.job import Job
from rq.serializers import JSONSerializer

from tasks.broker import keys, stock_locks
from tasks.broker.client import get_client
from tasks.broker.mover import Mover
from tasks.broker.moves import Moves, move_due
from tasks.broker.push import score_of
from tasks.broker.scripts import invoke
from tasks.broker.writes import Command, write
from tasks.errors import InvalidOption
from tasks.text import gettext as _

#: rq-scheduler writes whole seconds: ours writes first the next one, then the moment.
_SECOND = timedelta(seconds=1)

#: Who the ledger says canceled a job.
_CANCELED_BY = "rq-scheduler"


class Scheduler(rq_scheduler.Scheduler):  # type: ignore[misc]
    """Delays jobs to the millisecond, as JSON unless its queue says otherwise.

    Without a connection it uses Taskyard's own. A naive moment is in UTC, as in
    rq-scheduler. Methods raise what redis-py raises.
    """

    def __init__(
        self,
        queue_name: str = "default",
        queue: Queue | None = None,
        interval: float = 60,
        connection: redis.Redis | None = None,
        job_class: type[Job] | str | None = None,
        queue_class: type[Queue] | str | None = None,
        name: str | None = None,
        serializer: Any = None,
    ) -> None:
        super().__init__(
            queue_name=queue_name,
            queue=queue,
            interval=interval,
            connection=connection or get_client(),
            job_class=job_class,
            queue_class=queue_class,
            name=name,
        )
        own = queue.serializer if queue is not None else JSONSerializer
        made: Any = self
        made.job_class = _written_by(serializer or own, made.job_class)

    # What rq-scheduler's clients call.

    def enqueue_at(
        self,
        scheduled_time: datetime,
        func: Callable[..., Any] | str,
        *args: Any,
        **kwargs: Any,
    ) -> Job:
        """Have a call run at a moment; options by name are those of rq-scheduler."""
        at_front = bool(kwargs.get("at_front"))
        later = scheduled_time + _SECOND
        job: Job = super().enqueue_at(later, func, *args, **kwargs)
        if at_front:
            job.save()  # rq-scheduler notes it after it has saved the job
        self._write_moment(job.id, scheduled_time)
        return job

    def enqueue_in(
        self,
        time_delta: timedelta,
        func: Callable[..., Any] | str,
        *args: Any,
        **kwargs: Any,
    ) -> Job:
        """Have a call run after a while."""
        return self.enqueue_at(datetime.now(UTC) + time_delta, func, *args, **kwargs)

    def schedule(
        self,
        scheduled_time: datetime,
        func: Callable[..., Any] | str,
        *args: Any,
        **kwargs: Any,
    ) -> Job:
        """Have a call run at a moment, once.

        Raises InvalidOption for an interval or a number of repetitions.
        """
        for option in ("interval", "repeat"):
            if kwargs.get(option) is not None or len(args) > 2:
                _refuse_repetition(option)
        later = scheduled_time + _SECOND
        job: Job = super().schedule(later, func, *args, **kwargs)
        self._write_moment(job.id, scheduled_time)
        return job

    def cron(self, cron_string: str, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse: raises InvalidOption, which says what takes its place."""
        _refuse_repetition("cron_string")

    def change_execution_time(self, job: Job, date_time: datetime) -> None:
        """Have a job run at another moment. Raises ValueError where it waits no more."""
        if self._write_moment(job.id, date_time) is None:
            raise ValueError("Job not in scheduled jobs queue")

    def cancel(self, job: Job | str) -> None:
        """Have a job not run; nothing happens where it waits no more."""
        job_id = _id_of(job)
        if job_id in self:
            invoke(self.connection, "cancel", (), (job_id, _CANCELED_BY))
            self.connection.zrem(self.scheduled_jobs_key, job_id)

    def __contains__(self, item: Job | str) -> bool:
        return self.connection.zscore(self.scheduled_jobs_key, _id_of(item)) is not None

    # The loop, the lock and the move.

    def enqueue_job(self, job: Job) -> None:
        """Move one job into its queue now, whenever it is due."""
        move_due(self.connection, early=[job.id])

    def enqueue_jobs(self) -> int:
        """Move all that is due, of RQ's own sets too; returns how many jobs."""
        moves = Moves()
        moved = moves.make(self.connection)
        count = moved.taken
        while moved.wait == 0:
            moved = moves.make(self.connection)
            count += moved.taken
        return count

    def acquire_lock(self) -> bool:
        """Have stock schedulers stand back; ours never wait for each other."""
        stock_locks.hold(self.connection)
        return True

    def remove_lock(self) -> None:
        stock_locks.release(self.connection)

    def run(self, burst: bool = False) -> None:  # noqa: FBT001, FBT002 - as it is there
        """Move jobs when they are due, as `manage.py scheduler` does; `burst` does it once.

        The rest of what Taskyard's scheduler does is not done here.
        """
        if burst:
            self.enqueue_jobs()
            return
        stopping = Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_args: stopping.set())
        Mover(lambda: self.connection).run(stopping.is_set)

    def _write_moment(self, job_id: str, moment: datetime) -> Any:
        """Change when an entry is due, and ring; returns None where there is no entry."""
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        score = score_of(aware)
        commands: list[Command] = [
            ("ZADD", self.scheduled_jobs_key, "XX", score, job_id),
            ("ZSCORE", self.scheduled_jobs_key, job_id),
            ("PUBLISH", keys.SOON, score),
        ]
        return write(commands, self.connection)[1]


def _id_of(job: Job | str) -> str:
    return str(getattr(job, "id", job))


def _refuse_repetition(option: str) -> NoReturn:
    raise InvalidOption(
        option,
        _(
            "rq-scheduler's repetitions do not run on Taskyard: give the task a schedule"
            " instead, in code (@task(schedule=…)) or on the page Schedules."
        ),
    )


def _written_by(serializer: Any, job_class: type[Job]) -> type[Job]:
    """Return a class of jobs that are written and read by a serializer of their own."""

    def __init__(
        self: Job, id: str | None = None, connection: Any = None, serializer: Any = None
    ) -> None:
        job_class.__init__(self, id, connection, serializer or own)

    own = serializer
    return type(job_class.__name__, (job_class,), {"__init__": __init__})
