"""What can go wrong, each named for the fact, each with a sentence that says the way out."""

from __future__ import annotations

from collections.abc import Mapping

from tasks import stored_words
from tasks.text import gettext as _
from tasks.text import join_problems, join_sentences, name_problem


class TasksError(Exception):
    """The base of every error that Taskyard raises on purpose."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else (self.__doc__ or "")


def _unknown(text: str, name: str, nearest: str | None) -> str:
    message = text % {"name": name}
    if not nearest:
        return message
    guess = _("Did you mean %(nearest)s?") % {"nearest": nearest}
    return join_sentences(message, guess)


class ConfigurationError(TasksError):
    """Raised when a setting has a value that cannot work."""


class BrokerUnavailable(TasksError):
    """Raised when Redis does not answer."""

    def __init__(self, reason: object) -> None:
        self.reason = str(reason)
        super().__init__(_("Redis does not answer: %(reason)s") % {"reason": reason})


class BrokerSilent(BrokerUnavailable):
    """Raised when Redis does not answer in time, or did not a moment ago."""

    def __init__(self) -> None:
        super().__init__(_("it gave no answer in time"))


class BrokerFull(TasksError):
    """Raised when Redis is too full to take new jobs; nothing was written."""

    def __init__(self, used_bytes: int, max_bytes: int) -> None:
        self.used_bytes = used_bytes
        self.max_bytes = max_bytes
        super().__init__(
            _(
                "Redis uses %(used)s of the %(limit)s MB that maxmemory allows, so new"
                " jobs are refused while those it has go on: raise maxmemory, keep"
                " results for a shorter time, or submit again when jobs have ended."
            )
            % {"used": _megabytes(used_bytes), "limit": _megabytes(max_bytes)}
        )


def _megabytes(size: int) -> str:
    return f"{size / 1024**2:,.1f}"


class TaskNotRegistered(TasksError):
    """Raised when no task has that name."""

    def __init__(self, name: str, nearest: str | None = None) -> None:
        self.name = name
        super().__init__(_unknown(_("Task %(name)s is not registered."), name, nearest))


class FunctionNotRegistered(TasksError):
    """Raised in a worker for a function that nobody registered; it is never imported."""

    def __init__(self, path: str) -> None:
        self.path = path
        super().__init__(stored_words.NOT_REGISTERED % {"path": path})


class InvalidArguments(TasksError):
    """Raised when arguments do not fit a task's signature."""

    def __init__(self, task: str, problems: Mapping[str, str]) -> None:
        self.task = task
        #: What is wrong with each argument, by its name; "" holds what concerns the call.
        self.problems = dict(problems)
        super().__init__(
            _("The arguments do not fit %(task)s: %(problems)s")
            % {"task": task, "problems": join_problems(problems)}
        )


class InvalidOption(TasksError):
    """Raised when a submission option has a value that cannot work."""

    def __init__(self, option: str, problem: str) -> None:
        self.option = option
        self.problem = problem
        super().__init__(name_problem(option, problem))

    @property
    def by_field(self) -> dict[str, str]:
        """What is wrong with each option, by its name."""
        return {self.option: self.problem}


class PayloadTooLarge(TasksError):
    """Raised when a job's arguments are larger than Redis should hold."""

    def __init__(self, size: int, limit: int) -> None:
        self.size = size
        self.limit = limit
        super().__init__(
            _(
                "The arguments take %(size)s KB; at most %(limit)s KB are accepted."
                " Write the data to a file or a table and pass its path or id instead."
            )
            % {"size": f"{-(-size // 1024):,}", "limit": limit // 1024}
        )


class JobNotFound(TasksError):
    """Raised when no job has that id."""

    def __init__(self, job_id: str) -> None:
        self.job_id = job_id
        super().__init__(_("There is no job %(id)s.") % {"id": job_id})


class QueueNotFound(TasksError):
    """Raised when nobody has heard of a queue of that name."""

    def __init__(self, name: str, nearest: str | None = None) -> None:
        self.name = name
        super().__init__(_unknown(_("There is no queue %(name)s."), name, nearest))


class JobExists(TasksError):
    """Raised when a submission brings an id that is taken."""

    def __init__(self, job_id: str) -> None:
        self.job_id = job_id
        super().__init__(
            _("A job %(id)s exists already: leave the id out, or choose another.")
            % {"id": job_id}
        )


class IdempotencyConflict(TasksError):
    """Raised when an idempotency key comes again with other arguments."""

    def __init__(self, key: str, job_id: str) -> None:
        self.key = key
        self.job_id = job_id
        super().__init__(
            _(
                "Idempotency key %(key)s belongs to job %(id)s, which has other"
                " arguments: send the same arguments, or use a new key."
            )
            % {"key": key, "id": job_id}
        )


class TransitionNotAllowed(TasksError):
    """Raised when a job's state does not allow what was asked."""

    def __init__(self, job_id: str, verb: str, state: str) -> None:
        self.job_id = job_id
        self.verb = verb
        self.state = state
        super().__init__(
            _("Job %(id)s is %(state)s now, so it cannot be changed by %(verb)s.")
            % {"id": job_id, "state": state, "verb": verb}
        )


class WorkerUnreachable(TasksError):
    """Raised when the worker that runs a job does not hear its commands."""

    def __init__(self, job_id: str) -> None:
        self.job_id = job_id
        super().__init__(
            _(
                "No worker answers for job %(id)s: it ended just now, or its worker is"
                " gone and the job will be queued again within 20 seconds."
            )
            % {"id": job_id}
        )


class WorkerNotFound(TasksError):
    """Raised when no worker of that name is registered."""

    def __init__(self, name: str, nearest: str | None = None) -> None:
        self.name = name
        super().__init__(_unknown(_("There is no worker %(name)s."), name, nearest))


class WorkerNotListening(TasksError):
    """Raised when a worker cannot be told what was asked."""

    def __init__(self, name: str, reason: str) -> None:
        self.name = name
        message = _("Worker %(name)s cannot be told.") % {"name": name}
        super().__init__(join_sentences(message, reason))


class ScheduleNotFound(TasksError):
    """Raised when no schedule has that name."""

    def __init__(self, name: str, nearest: str | None = None) -> None:
        self.name = name
        super().__init__(_unknown(_("There is no schedule %(name)s."), name, nearest))


class ScheduleExists(TasksError):
    """Raised when a new schedule brings a name that is taken."""

    def __init__(self, name: str) -> None:
        self.name = name
        text = _(
            "A schedule %(name)s exists already: change it, or choose another name."
        )
        super().__init__(text % {"name": name})


class ScheduleChanged(TasksError):
    """Raised when somebody else changed a schedule since it was read."""

    def __init__(self, name: str, changed_by: str) -> None:
        self.name = name
        self.changed_by = changed_by
        text = _(
            "%(who)s changed schedule %(name)s meanwhile: look at it, then try again."
        )
        super().__init__(text % {"name": name, "who": changed_by})


class CalendarNotFound(TasksError):
    """Raised when no calendar has that name."""

    def __init__(self, name: str, nearest: str | None = None) -> None:
        self.name = name
        super().__init__(_unknown(_("There is no calendar %(name)s."), name, nearest))


class PermissionMissing(TasksError):
    """Raised when the actor may not do what was asked."""

    def __init__(self, verb: str, permission: str, label: str) -> None:
        self.verb = verb
        self.permission = permission
        self.label = label
        super().__init__(
            _("This needs the permission “%(label)s” (%(permission)s).")
            % {"label": label, "permission": permission}
        )


class ResultTimeout(TasksError):
    """Raised when a job has not ended within the time its caller waits."""

    def __init__(self, job_id: str, seconds: float) -> None:
        self.job_id = job_id
        super().__init__(
            _("Job %(id)s has not ended within %(seconds)s s.")
            % {"id": job_id, "seconds": f"{seconds:g}"}
        )


class JobFailed(TasksError):
    """Raised where a caller waits for the result of a job that did not finish."""

    def __init__(self, job_id: str, state: str, reason: str) -> None:
        self.job_id = job_id
        self.state = state
        self.reason = reason
        super().__init__(
            _("Job %(id)s is %(state)s: %(reason)s")
            % {"id": job_id, "state": state, "reason": reason}
        )


class TaskFailed(TasksError):
    """Raised by a task to end its attempt as failed with a sentence for people.

    The job page shows the sentence first and the traceback behind it.
    """
