"""Outlives a worker, to kill what its children started, however the worker ended.

The kernel kills the children with their parent (tasks/process.py), but not what they
started, which would go on beside the next attempt of its job.
"""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
from collections.abc import Iterable

logger = logging.getLogger(__name__)

# Each line that it reads names all process groups of the moment; when there are no more
# lines, the worker has ended. It is a shell, which takes a tenth of another Python's memory.
_SCRIPT = """
trap '' INT TERM HUP USR1
while read -r line; do groups=$line; done
for group in $groups; do kill -9 "-$group"; done
"""


class Undertaker:
    """A process that waits for this one to end."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe = -1

    def note(self, groups: Iterable[int]) -> None:
        """Have these process groups, and no others, killed when this process ends."""
        line = " ".join(map(str, groups)) + "\n"
        if self._process is None:
            if not line.strip():
                return
            self._start()
        # It may have been killed or stopped; all else goes on then.
        with contextlib.suppress(OSError):
            os.write(self._pipe, line.encode())

    def close(self) -> None:
        """End it; what was noted last is killed."""
        if self._process is None:
            return
        os.close(self._pipe)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=1)
        self._process.kill()
        self._process = None

    def _start(self) -> None:
        readable, self._pipe = os.pipe()
        os.set_blocking(self._pipe, False)
        try:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", _SCRIPT],
                stdin=readable,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            logger.warning("what tasks start may outlive this worker: %s", error)
            os.close(self._pipe)
            self._pipe = -1
        finally:
            os.close(readable)
