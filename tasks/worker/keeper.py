"""Stands between a worker and the child that runs one suspect job.

A job that kills its parent kills this process, and no worker. It takes the arguments of
tasks/worker/child.py, starts that, and ends as it ends; and each of them dies with its
parent. It imports next to nothing, so as to be there at once.
"""

from __future__ import annotations

import os
import signal
import sys

from tasks.process import die_with_parent


def main() -> None:
    """Keep one child, and end as it did."""
    connection, tokens, worker = sys.argv[1:]
    die_with_parent(int(worker))
    keeper = str(os.getpid())
    child = os.fork()
    if not child:
        program = [sys.executable, "-P", "-m", "tasks.worker.child"]
        os.execv(sys.executable, [*program, connection, tokens, keeper])  # noqa: S606
    os.close(int(connection))  # the worker sees its other end close with the child
    os.close(int(tokens))
    _pid, status = os.waitpid(child, 0)
    _end_as(os.waitstatus_to_exitcode(status))


def _end_as(code: int) -> None:
    if code >= 0:
        sys.exit(code)
    if -code != signal.SIGKILL:
        signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)


if __name__ == "__main__":
    main()
