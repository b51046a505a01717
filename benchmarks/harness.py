"""What benchmarks share: a place of their own, real processes, and percentiles."""

from __future__ import annotations

import contextlib
import functools
import os
import platform
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import astuple, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import quote

from benchmarks import marks
from benchmarks.processes import tree
from benchmarks.servers import postgres_server, redis_server
from tasks.conf import PROJECT_ROOT
from tasks.process import die_with_parent

#: Seconds that a process may take to start, or to end when it is asked to.
PATIENCE = 30

#: The packages whose versions matter to a figure.
PACKAGES = ("rq", "redis", "hiredis", "uvloop", "django")

#: The settings that a benchmark chooses itself, whatever its caller has set.
SETTINGS = ("REDIS_URL", "DATABASE_URL", "SECRET_KEY", "DJANGO_SETTINGS_MODULE")


@dataclass(frozen=True)
class Summary:
    """The spread of one measure, in milliseconds."""

    p50: float
    p95: float
    p99: float
    max: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Summary:
        ordered = sorted(values)
        p50, p95, p99 = (percentile(ordered, share) for share in (50, 95, 99))
        return cls(p50, p95, p99, ordered[-1])

    @classmethod
    def median(cls, rounds: Sequence[Summary]) -> Summary:
        """Return the median over rounds, of each figure by itself."""
        figures = zip(*map(astuple, rounds), strict=True)
        return cls(*map(statistics.median, figures))


def percentile(ordered: Sequence[float], share: int) -> float:
    """Return the nearest-rank percentile: `share` % of the values are no larger."""
    return ordered[max(0, -(-len(ordered) * share // 100) - 1)]


def wait_until(is_so: Callable[[], bool], what: str, timeout: float = PATIENCE) -> None:
    """Look until it is so. Raises TimeoutError, which says what did not come true."""
    deadline = time.monotonic() + timeout
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {timeout:g} s")
        time.sleep(0.02)


@contextmanager
def workplace(ledger: str = "sqlite") -> Iterator[Path]:
    """Give a temporary data folder, a Redis of its own and a migrated, empty ledger.

    The ledger is a file of SQLite, or a server of PostgreSQL for `ledger="postgres"`.
    Django is set up in this process; nothing is left behind at the end.
    """
    signal.signal(signal.SIGTERM, lambda *_args: sys.exit(128 + signal.SIGTERM))
    with (
        tempfile.TemporaryDirectory(prefix="taskyard-bench-") as name,
        ExitStack() as s,
    ):
        data = Path(name)
        redis_url = s.enter_context(redis_server(data))
        database_url = f"sqlite:///{quote(str(data / 'taskyard.sqlite3'))}"
        if ledger == "postgres":
            database_url = s.enter_context(postgres_server(data / "postgres"))
        _settle_in(data, redis_url, database_url)
        yield data


def _settle_in(data: Path, redis_url: str, database_url: str) -> None:
    for setting in [name for name in os.environ if name.startswith("TASKYARD_")]:
        del os.environ[setting]
    values = (
        redis_url,
        database_url,
        "only-for-benchmarks-" + "x" * 40,
        "dashboard.settings",
    )
    os.environ |= dict(zip(SETTINGS, values, strict=True))
    os.environ |= {"TASKYARD_DATA": str(data), "TASKYARD_TASKS": "benchmarks.jobs"}
    os.environ[marks.FILE] = str(marks.make(data / "marks"))
    # Django reads the environment when it is imported.
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)


@contextmanager
def running(
    data: Path,
    name: str,
    *command: str,
    program: str = sys.executable,
    environment: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program, Python if none is named, until the block ends.

    Raises RuntimeError with the end of the program's log if it ended before that.
    """
    with (data / f"{name}.log").open("w+") as log:
        process = subprocess.Popen(
            [program, *command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=PROJECT_ROOT,
            env={**os.environ, **(environment or {})},
            preexec_fn=functools.partial(die_with_parent, os.getpid()),
        )
        try:
            yield process
        except OSError as error:  # TimeoutError and ChildProcessError are some
            error.add_note(f"{name} said:\n{_end_of(log)}")
            raise
        finally:
            has_ended = process.poll() is not None
            _end(process)
        if has_ended:
            raise RuntimeError(f"{name} ended too early:\n{_end_of(log)}")


def _end_of(log: TextIO) -> str:
    log.seek(0)
    return "".join(log.readlines()[-20:])


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask a process to end, then end what is left of it and of its descendants."""
    descendants = tree(process.pid)
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(PATIENCE)
    for each in descendants:
        if each.is_alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(each.pid, signal.SIGKILL)
    process.wait()


def print_facts(**more: str) -> dict[str, str]:
    """Print what a figure must be read with, and return it."""
    facts = {**machine_facts(), **more}
    for name, fact in facts.items():
        print(f"{name}: {fact}")
    print(flush=True)
    return facts


def machine_facts() -> dict[str, str]:
    from tasks.broker.client import get_client

    info: Any = get_client().info("server")
    redis = f"Redis {info['redis_version']}"
    if "valkey_version" in info:
        redis = f"Valkey {info['valkey_version']}"
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return {
        "machine": f"{_processor()}, {platform.system()} {platform.release()}",
        "software": f"Python {platform.python_version()}, {redis}, {packages}",
        "taskyard": _own_version(),
        "load average before": load_average(),
    }


def _processor() -> str:
    """Return the number of cores, their make, and the memory."""
    makes = re.findall(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    make = makes[0] if makes else platform.machine()
    return f"{os.cpu_count()} cores of {make}, {memory:.0f} GiB"


def load_average() -> str:
    return " ".join(f"{value:.2f}" for value in os.getloadavg())


def _own_version() -> str:
    import tasks

    asked = ("git", "-C", str(PROJECT_ROOT), "describe", "--always", "--dirty")
    commit = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
    return f"{tasks.__version__} {commit.strip()}".strip()
