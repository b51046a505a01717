"""A child process of a worker: runs sync functions, one at a time, over a socket.

It is forked by the worker's fork server or, where that is not safe, started as `python -m
tasks.worker.child FD TOKENS PARENT`: FD is the socket on which jobs come, TOKENS a pipe
with a byte for each job that may begin (the worker takes bytes back for jobs that are to
run elsewhere), PARENT the id of the process that starts it.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import os
import resource
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

from tasks.broker.current import serve_current_job
from tasks.broker.wire import PayloadPickled, unpack_call
from tasks.process import die_when_memory_ends, die_with_parent
from tasks.worker import frames
from tasks.worker.callbacks import Callback, error_of, error_told
from tasks.worker.calls import (
    Outcome,
    call_path,
    call_pickled,
    failed,
    succeeded,
)
from tasks.worker.context import JobContext, current_job, enter_job
from tasks.worker.deadline import deadline
from tasks.worker.family import resident_bytes
from tasks.worker.logs import PrintCapture, capture_logging
from tasks.worker.retries import asks_again

#: Files left open after which this process is replaced: half of what it may open.
_SOFT, _HARD = resource.getrlimit(resource.RLIMIT_NOFILE)
MOST_FILES = sys.maxsize if _SOFT == resource.RLIM_INFINITY else _SOFT // 2

#: Seconds between two looks at this process's memory, which cost more than a short job.
MEASURE_EVERY = 0.1

#: Seconds that the worker has to kill this process for a job that wrote too much.
KILLED_WITHIN = 5.0


def main() -> None:
    """Load what tasks need, and serve."""
    connection = socket.socket(fileno=int(sys.argv[1]))
    die_with_parent(int(sys.argv[3]))
    # Ctrl-C at a terminal reaches the whole group: the worker decides what ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    load()
    serve(connection, int(sys.argv[2]))


def serve(connection: socket.socket, tokens: int) -> None:
    """Run what comes until the worker closes the socket or dies."""
    die_when_memory_ends()
    _speak_for_jobs()
    os.register_at_fork(after_in_child=lambda: _leave_the_worker(connection))
    sender = Sender(connection)
    sender.send({"kind": "ready", "rss": resident_bytes()})
    memory = Memory()
    for request, data in frames.receive(connection):
        if not _take_token(tokens):
            sender.send({"kind": "skipped"})
            continue
        started = time.time()
        outcome = run(request, data, sender)
        sender.send(
            {
                "kind": "done",
                "outcome": outcome.brief(),
                "started": started,
                "rss": memory.measured(),
            }
        )
        if not _has_files_left(connection):
            return  # the worker starts another


def _leave_the_worker(connection: socket.socket) -> None:
    """In a process that a task forked: neither take jobs nor speak for this one."""
    connection.close()
    if isinstance(sys.stdout, PrintCapture):
        sys.stdout = sys.stdout.stream


def _has_files_left(connection: socket.socket) -> bool:
    """Say whether the next job may open files, however many the last one left open."""
    try:
        next_number = os.dup(connection.fileno())
    except OSError:
        return False
    os.close(next_number)
    return next_number < MOST_FILES


def _take_token(tokens: int) -> bool:
    try:
        return bool(os.read(tokens, 1))
    except BlockingIOError:
        return False


def load() -> None:
    """Import the modules of tasks, and Django where it has settings."""
    if "DJANGO_SETTINGS_MODULE" in os.environ:
        import django  # a worker without Django's settings runs plain tasks

        django.setup()
    else:
        from tasks.registry import load_tasks

        load_tasks()


def _speak_for_jobs() -> None:
    """Have what a task logs and prints go to its job."""
    capture_logging()
    serve_current_job(current_job)
    sys.stdout = PrintCapture(sys.stdout)  # type: ignore[arg-type]


class Sender:
    """Sends messages to the worker, whole, from whichever thread."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def send(self, message: dict[str, Any]) -> None:
        if self._connection.fileno() < 0:
            return  # in a process that a task forked
        with self._lock:
            self._connection.sendall(frames.pack(message))

    def say(self, kind: str, fields: dict[str, Any]) -> None:
        self.send({"kind": kind, **fields})


class Memory:
    """Measures this process's memory now and then."""

    def __init__(self) -> None:
        self._measured_at = float("-inf")

    def measured(self) -> int:
        """Return the resident bytes, 0 where they were measured a moment ago."""
        now = time.monotonic()
        if now - self._measured_at < MEASURE_EVERY:
            return 0
        self._measured_at = now
        return resident_bytes()


def run(request: dict[str, Any], data: bytes, sender: Sender) -> Outcome:
    """Run one job and return how it ended."""
    timeout = request["timeout"]
    context = JobContext(
        id=request["id"],
        task=request["task"],
        queue=request["queue"],
        attempt=request["attempt"],
        deadline=time.time() + timeout if timeout else None,
        sink=sender.say,
        pickled="pickled" in request,
        output=request.get("output", 0),
        exceeded=partial(_wait_to_be_killed, request["id"], sender),
    )
    enter_job(context)
    try:
        if "call" in request:
            return _last_call(request, context)
        return _attempt(request, data, context)
    finally:
        if isinstance(sys.stdout, PrintCapture):
            sys.stdout.end_line()
        enter_job(JobContext())


def _wait_to_be_killed(job_id: str, sender: Sender) -> None:
    """Tell the worker of a job that wrote too much; it must not end before its end."""
    sender.say("exceeded", {"job": job_id})
    time.sleep(KILLED_WITHIN)


def _attempt(request: dict[str, Any], data: bytes, context: JobContext) -> Outcome:
    try:
        with deadline(request["timeout"]), _database():
            value = _call(request, data)
        retries = request.get("number_of_retries", 0)
        if again := asks_again(value, retries, pickled=context.pickled):
            return again
        if "finished" in request:
            _callback(request, "finished", context).call(context, value)
        return succeeded(value, pickled=context.pickled)
    except BaseException as error:  # whatever a task raises fails only its own job
        if "failed" in request:
            callback = _callback(request, "failed", context)
            callback.call_quietly(context, *error_of(error))
        return failed(error)


def _callback(request: dict[str, Any], state: str, context: JobContext) -> Callback:
    """Return the callback of a job that ends in `state`; the worker gives it its time."""
    path, seconds = request[state]
    context.sink("calling", {"seconds": seconds})
    return Callback(path, state, seconds)


def _last_call(request: dict[str, Any], context: JobContext) -> Outcome:
    """Make a callback that another child can make no more."""
    about = error_told(*request["error"]) if "error" in request else ()
    with _database():
        Callback(*request["call"]).call_quietly(context, *about)
    return Outcome("called")


def _call(request: dict[str, Any], data: bytes) -> Any:
    process = os.getpid()
    try:
        return _run_function(request, data)
    finally:
        if os.getpid() != process:
            os._exit(0)  # a copy that the task forked: the job is the original's


def _run_function(request: dict[str, Any], data: bytes) -> Any:
    try:
        path, args, kwargs = unpack_call(data)
    except PayloadPickled as error:
        if "pickled" not in request:
            raise
        value = call_pickled(error.pickled)
    else:
        value = call_path(path, args, kwargs, request["task"])
    return asyncio.run(value) if inspect.iscoroutine(value) else value


@contextlib.contextmanager
def _database() -> Iterator[None]:
    """Start and end with no stale connection, where Django is set up."""
    from django.apps import apps

    if not apps.ready:
        yield
        return
    from django.db import close_old_connections

    close_old_connections()
    try:
        yield
    finally:
        close_old_connections()


if __name__ == "__main__":
    main()
