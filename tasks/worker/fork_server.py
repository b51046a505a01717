"""Forks a worker's children: what tasks import is loaded once, here, not in each of them.

`python -m tasks.worker.fork_server FD WORKER`: FD is a SOCK_SEQPACKET socket, WORKER the
worker's process id. It first says `{"hazard": TEXT}`, which is "" where it can fork. Each
packet that comes then is the number of a child, and brings what that needs, its socket and
its pipe of tokens. The child itself says `{"number": N, "pid": PID}`, and if there can be
none the server says `{"number": N, "failed": TEXT}`. Of each that ends it says `{"number":
N, "code": CODE}`, with the code as in subprocess. It serves until the socket is closed.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import signal
import socket
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tasks.process import die_with_parent
from tasks.worker import child

#: Descriptors that a request brings.
DESCRIPTORS = 2


@dataclass(frozen=True)
class Birth:
    """What a child was born with."""

    number: int
    connection: int
    tokens: int


def main() -> None:
    """Serve; in each child, run its jobs."""
    worker = socket.socket(fileno=int(sys.argv[1]))
    die_with_parent(int(sys.argv[2]))
    # A terminal's Ctrl-C reaches it, too, and a job may signal its parent.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    open_before = _sockets()
    child.load()
    hazard = hazard_of_forking(open_before)
    gc.collect()
    gc.freeze()  # else the first collection in each child would copy all pages
    server = os.getpid()
    _say(worker, hazard=hazard)
    born = _fork_on_demand(worker)
    if born is None:
        return
    die_with_parent(server)
    _begin_anew()
    _say(worker, number=born.number, pid=os.getpid())
    worker.close()
    child.serve(socket.socket(fileno=born.connection), born.tokens)


def hazard_of_forking(open_before: frozenset[int]) -> str:
    """Say what makes a copy of this process unsafe, "" if nothing does.

    A lock that another thread holds stays locked in the copy for ever, and two processes
    that read from one connection get each other's answers.
    """
    if len(os.listdir("/proc/self/task")) > 1:
        return "threads"
    return "connections" if _sockets() - open_before else ""


def _sockets() -> frozenset[int]:
    numbers = map(int, os.listdir("/proc/self/fd"))
    return frozenset(number for number in numbers if _is_socket(number))


def _is_socket(number: int) -> bool:
    try:
        return stat.S_ISSOCK(os.fstat(number).st_mode)
    except OSError:  # it was the folder's own
        return False


def _fork_on_demand(worker: socket.socket) -> Birth | None:
    """Return in each child, and in the server once the worker wants no more."""
    numbers: dict[int, int] = {}
    with _deaths() as deaths:
        while True:
            ready, _writable, _failed = select.select([worker, deaths], [], [])
            if deaths in ready:
                deaths.recv(4_096)
                _tell_ends(worker, numbers)
            if worker in ready:
                said, brought, *_rest = socket.recv_fds(worker, 16, DESCRIPTORS)
                if not said:
                    return None
                birth = Birth(int(said), *brought)
                if _fork(worker, birth, numbers):
                    return birth


def _fork(worker: socket.socket, birth: Birth, numbers: dict[int, int]) -> bool:
    """Fork, and note the number of the child; returns whether this is it."""
    try:
        pid = os.fork()
    except OSError as error:
        _say(worker, number=birth.number, failed=str(error))
    else:
        if not pid:
            return True
        numbers[pid] = birth.number
    os.close(birth.connection)
    os.close(birth.tokens)
    return False


def _begin_anew() -> None:
    """Take back what a child has of the server and should not."""
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if numpy_random := sys.modules.get("numpy.random"):
        numpy_random.seed()  # else all children draw the same numbers


@contextlib.contextmanager
def _deaths() -> Iterator[socket.socket]:
    """Return a socket that can be read when a child has ended."""
    readable, writable = socket.socketpair()
    os.set_blocking(writable.fileno(), False)
    with readable, writable:
        before = signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(writable.fileno(), warn_on_full_buffer=False)
        try:
            yield readable
        finally:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, before)


def _tell_ends(worker: socket.socket, numbers: dict[int, int]) -> None:
    with contextlib.suppress(ChildProcessError):  # there is none
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            if pid in numbers:  # else a module of tasks started it
                code = os.waitstatus_to_exitcode(status)
                _say(worker, number=numbers.pop(pid), code=code)


def _say(worker: socket.socket, **message: Any) -> None:
    with contextlib.suppress(BrokenPipeError):  # the worker wants no more
        worker.send(json.dumps(message).encode())


if __name__ == "__main__":
    main()
