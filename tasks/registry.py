"""The registered tasks: the only functions that a worker of ours will run."""

from __future__ import annotations

import difflib
import functools
import importlib
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar, overload

from pydantic import PydanticUserError
from pydantic.errors import PydanticInvalidForJsonSchema

from tasks import task_limits
from tasks.conf import get_config
from tasks.errors import ConfigurationError, InvalidArguments, TaskNotRegistered
from tasks.process import see_working_folder
from tasks.schedules.declared import Declared, declared_of
from tasks.schedules.of_tasks import When, check_distinct, checked_calls
from tasks.signature import Signature
from tasks.text import gettext as _

if TYPE_CHECKING:
    from tasks.submission import Handle

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

#: Where a task goes that names no queue.
DEFAULT_QUEUE = "default"

#: Seconds a task may run that sets no timeout (RQ's own default is 180).
DEFAULT_TIMEOUT = 600

#: Seconds before the first retry where a task sets retries and no backoff.
DEFAULT_BACKOFF = 5.0

#: What becomes of a job whose worker died: it is queued again, it fails, or it waits as
#: lost for a person. The last two are for what must not run twice.
REQUEUE, FAIL, HOLD = "requeue", "fail", "hold"
ON_WORKER_LOST = (REQUEUE, FAIL, HOLD)

BUILTIN_MODULES = (
    "tasks.builtin.files",
    "tasks.builtin.database",
    "tasks.builtin.web",
    "tasks.builtin.digest",
    "tasks.builtin.shell",
)


@dataclass(frozen=True)
class Task:
    """A registered callable with its policy."""

    name: str
    function: Callable[..., Any]
    queue: str = DEFAULT_QUEUE
    timeout: int = DEFAULT_TIMEOUT
    retries: int = 0
    backoff: float = DEFAULT_BACKOFF
    description: str = ""
    tags: tuple[str, ...] = ()
    #: One of ON_WORKER_LOST.
    on_worker_lost: str = REQUEUE
    #: Bytes that a job may hold and that it may write; None: as the worker is told.
    memory: int | None = None
    output: int | None = None
    #: Failures in a row after which a worker tries its jobs one at a time; None: never.
    breaker: int | None = None
    schedules: tuple[Declared, ...] = field(default=(), repr=False, compare=False)
    signature: Signature = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        task_limits.check_fate(self.name, self.on_worker_lost, ON_WORKER_LOST)
        object.__setattr__(self, "signature", Signature(self.name, self.function))

    @property
    def summary(self) -> str:
        """The description in the reader's language, where it is one of ours."""
        return _(self.description) if self.description else ""

    @property
    def path(self) -> str:
        """The dotted path under which RQ imports the function."""
        return f"{self.function.__module__}.{self.function.__qualname__}"

    @property
    def is_async(self) -> bool:
        return inspect.iscoroutinefunction(self.function)


@dataclass(frozen=True)
class Call:
    """One call of a task, not yet submitted."""

    task: Task
    args: Sequence[Any] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)

    def submit(self, **options: Any) -> Handle:
        """Submit the call; `options` are those of `tasks.submit`."""
        # Deferred: a worker host registers tasks without Django, which submit needs.
        from tasks.submission import submit_call

        return submit_call(self, **options)


class TaskFunction(Protocol[P, R_co]):
    """What @task returns: the function, with ways to submit it."""

    task: Task

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...

    def submit(self, *args: P.args, **kwargs: P.kwargs) -> Handle: ...

    def s(self, *args: P.args, **kwargs: P.kwargs) -> Call: ...


class Registry:
    """The tasks of this process, by name and by dotted path."""

    def __init__(self) -> None:
        self._by_name: dict[str, Task] = {}
        self._by_path: dict[str, Task] = {}

    def add(self, task: Task) -> None:
        known = self._by_name.get(task.name)
        if known is not None and known.path != task.path:
            raise ConfigurationError(
                _("Two tasks are named %(name)s: %(first)s and %(second)s.")
                % {"name": task.name, "first": known.path, "second": task.path}
            )
        self._by_name[task.name] = task
        self._by_path[task.path] = task

    def get(self, name: str) -> Task:
        """Return the task of that name or dotted path, else raise TaskNotRegistered."""
        found = self.find(name)
        if found is None:
            nearest = difflib.get_close_matches(name, self._by_name, n=1)
            raise TaskNotRegistered(name, nearest[0] if nearest else None)
        return found

    def find(self, name: str) -> Task | None:
        return self._by_name.get(name) or self._by_path.get(name)

    def check(self) -> None:
        """Raise ConfigurationError for annotations that cannot be read, and for two tasks
        that declare a schedule of one name.
        """
        check_distinct((task.name, one.name) for task in self for one in task.schedules)
        for task in self:
            try:
                task.signature.schema()
            except PydanticInvalidForJsonSchema:
                continue  # it can be called; its form takes JSON
            except (NameError, TypeError, PydanticUserError) as error:
                raise ConfigurationError(
                    _("The annotations of task %(name)s cannot be read: %(error)s")
                    % {"name": task.name, "error": error}
                ) from error

    def __iter__(self) -> Iterator[Task]:
        return iter(sorted(self._by_name.values(), key=lambda task: task.name))

    def __len__(self) -> int:
        return len(self._by_name)


registry = Registry()


@overload
def task(function: Callable[P, R], /) -> TaskFunction[P, R]: ...


@overload
def task(
    *,
    name: str | None = None,
    queue: str = DEFAULT_QUEUE,
    timeout: int = DEFAULT_TIMEOUT,
    retries: int = 0,
    backoff: float = DEFAULT_BACKOFF,
    description: str | None = None,
    tags: Sequence[str] = (),
    on_worker_lost: str = REQUEUE,
    memory: int | str | None = None,
    output: int | str | None = None,
    breaker: int | None = None,
    schedule: When | Sequence[When] | None = None,
) -> Callable[[Callable[P, R]], TaskFunction[P, R]]: ...


def task(function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Register a function, sync or async, as a task.

    `timeout` and `backoff` are seconds; `retries` counts tries after the first, each
    `backoff` × 2ⁿ later at most, with full jitter. `description` defaults to the
    docstring's first line. `on_worker_lost` says what becomes of a job whose worker died:
    requeue, fail or hold. `memory` is what a job, with the processes that it starts, may
    hold before it is killed, and `output` what it may print and log: bytes, or text such
    as "512M". After `breaker` failures in a row a worker tries its jobs one at a time,
    ever more rarely, until one succeeds. `schedule` says when it runs by itself: a cron
    expression, an interval, what cron(), every(), after() or once() of `tasks` return, or
    a list of them. The function stays callable; its arguments are coerced to its
    annotations, also under a stock RQ worker.
    """
    if function is None:
        return functools.partial(_register, options)
    return _register(options, function)


def _register(options: dict[str, Any], function: Callable[P, R]) -> TaskFunction[P, R]:
    made = checked_calls(_make_task(function, **options))
    registry.add(made)
    wrapper: Any = _wrap(made)
    wrapper.task = made
    wrapper.s = lambda *args, **kwargs: Call(made, args, kwargs)
    wrapper.submit = lambda *args, **kwargs: Call(made, args, kwargs).submit()
    return wrapper  # type: ignore[no-any-return]


def _make_task(
    function: Callable[..., Any],
    *,
    name: str | None = None,
    description: str | None = None,
    tags: Sequence[str] = (),
    memory: int | str | None = None,
    output: int | str | None = None,
    breaker: int | None = None,
    schedule: object = None,
    **policy: Any,
) -> Task:
    name = name or f"{function.__module__}.{function.__qualname__}"
    return Task(
        name=name,
        function=function,
        memory=task_limits.checked_memory(name, function, memory),
        output=task_limits.checked_output(name, output),
        breaker=task_limits.checked_breaker(name, breaker),
        schedules=declared_of(name, schedule),
        description=_first_line(function) if description is None else description,
        tags=tuple(tags),
        **policy,
    )


def _first_line(function: Callable[..., Any]) -> str:
    return (inspect.getdoc(function) or "").partition("\n")[0]


def _wrap(made: Task) -> Callable[..., Any]:
    function = made.function
    if made.is_async:

        @functools.wraps(function)
        async def call_async(*args: Any, **kwargs: Any) -> Any:
            coerced, named = made.signature.coerce(args, kwargs)
            return await function(*coerced, **named)

        return call_async

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        coerced, named = made.signature.coerce(args, kwargs)
        return function(*coerced, **named)

    return call


def load_tasks() -> None:
    """Import every module that may register tasks: ours, then TASKYARD_TASKS.

    The working folder stands at the end of sys.path, so that a jobs.py in it is found.
    Raises ConfigurationError naming the module that cannot be imported.
    """
    see_working_folder()
    for module in BUILTIN_MODULES:
        importlib.import_module(module)
    for module in get_config().taskyard_tasks:
        _import(module)


def _import(module: str) -> None:
    try:
        importlib.import_module(module)
    except InvalidArguments:
        raise
    except Exception as error:
        raise ConfigurationError(
            _("TASKYARD_TASKS: module %(module)s cannot be imported: %(error)s")
            % {"module": module, "error": f"{type(error).__name__}: {error}"}
        ) from error
