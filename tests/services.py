"""The services of a test run, started before Django reads its settings.

A pytest plugin (`-p tests.services`): one embedded Valkey per test process, in a
temporary data folder that is removed at the end.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

DATA = Path(tempfile.mkdtemp(prefix="taskyard-tests-"))
os.environ["TASKYARD_DATA"] = str(DATA)
os.environ["SECRET_KEY"] = "only-for-tests-" + "x" * 40
for name in ("REDIS_URL", "DATABASE_URL", "TASKYARD_RQ_MODULES", "TASKYARD_APPS"):
    os.environ.pop(name, None)
os.environ["TASKYARD_LANGUAGE"] = "en"  # whatever this machine speaks
os.environ["TASKYARD_TASKS"] = "tests.sample"
os.environ["TASKYARD_RQ_MODULES"] = "tests.plain"

from tasks.broker.embedded import EmbeddedServer  # noqa: E402 - it reads the settings above

server = EmbeddedServer(DATA)
server.start()
os.environ["REDIS_URL"] = server.url


def _tidy() -> None:
    server.stop()
    shutil.rmtree(DATA, ignore_errors=True)


atexit.register(_tidy)
