"""A child process of a worker: runs sync functions, one at a time, over a pipe.

`python -m tasks.worker.child FD PARENT`: FD is a socket, PARENT the worker's process id.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from typing import Any

from tasks.broker.current import serve_current_job
from tasks.process import die_with_parent
from tasks.worker import frames
from tasks.worker.callbacks import call_back, call_back_quietly, deadline
from tasks.worker.calls import Outcome, failed, import_admitted, succeeded
from tasks.worker.context import JobContext, current_job, enter_job
from tasks.worker.logs import PrintCapture, capture_logging

#: Seconds of grace that a function gets to end by itself after its timeout was raised.
LAST_WORDS = 5


def main() -> None:
    """Serve until the worker closes the pipe or dies."""
    connection = socket.socket(fileno=int(sys.argv[1]))
    die_with_parent()
    if os.getppid() != int(sys.argv[2]):
        return
    # Ctrl-C at a terminal reaches the whole group: the worker decides what ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _prepare()
    sender = Sender(connection)
    sender.send({"kind": "ready"})
    while (request := frames.receive(connection)) is not None:
        outcome = run(request, sender)
        sender.send({"kind": "done", "outcome": vars(outcome), "rss": resident_bytes()})


def _prepare() -> None:
    if "DJANGO_SETTINGS_MODULE" in os.environ:
        import django  # a worker without Django's settings runs plain tasks

        django.setup()
    else:
        from tasks.registry import load_tasks

        load_tasks()
    capture_logging()
    serve_current_job(lambda: current_job().id)
    sys.stdout = PrintCapture(sys.stdout)  # type: ignore[arg-type]


class Sender:
    """Sends messages to the worker, whole, from whichever thread."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def send(self, message: dict[str, Any]) -> None:
        with self._lock:
            self._connection.sendall(frames.pack(message))

    def say(self, kind: str, fields: dict[str, Any]) -> None:
        self.send({"kind": kind, **fields})


def run(request: dict[str, Any], sender: Sender) -> Outcome:
    """Run one job and return how it ended."""
    context = JobContext(
        id=request["id"],
        task=request["task"],
        queue=request["queue"],
        attempt=request["attempt"],
        deadline=request["deadline"],
        sink=sender.say,
    )
    enter_job(context)
    try:
        return _attempt(request)
    finally:
        if isinstance(sys.stdout, PrintCapture):
            sys.stdout.end_line()
        enter_job(JobContext())


def _attempt(request: dict[str, Any]) -> Outcome:
    try:
        with deadline(request["timeout"]), _database():
            value = _call(request)
        if request["on_success"]:
            call_back(request["on_success"], request["id"], value)
        return succeeded(value)
    except BaseException as error:  # whatever a task raises fails only its own job
        if request["on_failure"]:
            about = (type(error), error, error.__traceback__)
            call_back_quietly(request["on_failure"], request["id"], *about)
        return failed(error)


def _call(request: dict[str, Any]) -> Any:
    from tasks.registry import registry

    task = registry.find(request["task"])
    if task is None:
        return import_admitted(request["path"])(*request["args"], **request["kwargs"])
    args, kwargs = task.signature.coerce(request["args"], request["kwargs"])
    return task.function(*args, **kwargs)


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


def resident_bytes() -> int:
    """Return this process's resident memory; 0 where /proc does not tell."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


if __name__ == "__main__":
    main()
