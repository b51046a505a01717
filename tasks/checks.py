"""What can be wrong with an installation, each finding a sentence with the way out.

`manage.py doctor` prints them all; the cheap one is also a system check of Django's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Tags, register
from django.core.checks import Warning as CheckWarning
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from tasks import __version__
from tasks.broker.inspection import RQ_VERSION, is_loopback
from tasks.broker.snapshot import QueueDepth, Snapshot, WorkerInfo
from tasks.conf import get_config
from tasks.supervisor.folder import PAGES_NAME
from tasks.text import gettext as _
from tasks.text import ngettext
from tasks.worker.spool import SET_ASIDE, folder_of, set_aside_in, waiting_in

#: A process that said nothing for so long is taken as gone.
SILENCE = timedelta(seconds=30)

#: Seconds by which clocks may differ.
SKEW_SEEN = 1.0
SKEW_BAD = 5.0

#: Events that wait for the recorder before pages are noticeably behind, and far behind.
LAG_SEEN = 5_000
LAG_BAD = 100_000

#: Files that cannot be read of which each is named.
UNREADABLE_SHOWN = 5


class Level(StrEnum):
    OK = "ok"
    HINT = "hint"
    WARNING = "warning"
    BAD = "bad"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at, and how it is."""

    check: str
    level: Level
    text: str


def check_database() -> Iterator[Finding]:
    """Is the ledger there, and as this version needs it?"""
    try:
        executor = MigrationExecutor(connection)
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError as error:
        text = _("The database does not answer (%(reason)s): look at DATABASE_URL.")
        yield Finding("database", Level.BAD, text % {"reason": str(error).strip()})
        return
    if missing:
        text = ngettext(
            "A migration is missing: run manage.py migrate.",
            "%(count)s migrations are missing: run manage.py migrate.",
            len(missing),
        )
        yield Finding("database", Level.BAD, text % {"count": len(missing)})
    else:
        text = _("The database (%(vendor)s) answers and is up to date.")
        yield Finding("database", Level.OK, text % {"vendor": connection.vendor})


def check_pages() -> Iterator[Finding]:
    """Can other machines reach the pages, and read what passes?"""
    noted = get_config().taskyard_data / PAGES_NAME
    if not noted.exists():
        return
    address = noted.read_text().strip()
    if not is_loopback(address.rpartition(":")[0].strip("[]")):
        text = _(
            "The pages listen to other machines on %(address)s, by plain http: let a"
            " proxy with TLS stand before them, or start with --host 127.0.0.1."
        )
        yield Finding("pages-open", Level.WARNING, text % {"address": address})


def check_settings() -> Iterator[Finding]:
    """Is anything set that only suits a desk?"""
    if settings.DEBUG:
        text = _("DEBUG is on and shows settings to everybody: turn it off.")
        yield Finding("debug", Level.BAD, text)
    if "*" in settings.ALLOWED_HOSTS:
        text = _(
            "The pages answer to any host name. Where other machines can reach them,"
            " set TASKYARD_HOSTS to the names that people use."
        )
        yield Finding("hosts", Level.HINT, text)


def check_data_folder() -> Iterator[Finding]:
    """May others on this machine read the secrets that lie in the data folder?"""
    folder = get_config().taskyard_data
    if not folder.exists():
        return
    problems = list(_open_secrets(folder))
    yield from problems
    if not problems:
        text = _("The data folder %(path)s is private.") % {"path": folder}
        yield Finding("data-folder", Level.OK, text)


def _open_secrets(folder: Path) -> Iterator[Finding]:
    mode = folder.stat().st_mode
    if mode & 0o022:
        text = _("Others may write to the data folder: run chmod go-rwx %(path)s.")
        yield Finding("data-folder", Level.BAD, text % {"path": folder})
    elif mode & 0o055:
        text = _("Others may read the data folder: run chmod go-rwx %(path)s.")
        yield Finding("data-folder", Level.WARNING, text % {"path": folder})
    for name in ("secret_key", "redis_password", "redis.url"):
        secret = folder / name
        if secret.exists() and secret.stat().st_mode & 0o077:
            text = _("Others may read %(path)s: run chmod 600 on it.")
            yield Finding("data-folder", Level.BAD, text % {"path": secret})


@register(Tags.security)
def warn_about_data_folder(**_options: Any) -> list[CheckMessage]:
    """Say at every command what doctor says about the data folder."""
    bad = [found for found in check_data_folder() if found.level == Level.BAD]
    return [CheckWarning(found.text, id="tasks.W001") for found in bad]


def check_spool() -> Iterator[Finding]:
    """Has Redis been told of every end that workers of this machine wrote to disk?"""
    folder = folder_of(get_config().taskyard_data)
    if waiting := waiting_in(folder):
        text = ngettext(
            "%(count)s file in %(folder)s holds ends of jobs that Redis has not been"
            " told of: it is sent when Redis answers and a worker runs on this data"
            " folder.",
            "%(count)s files in %(folder)s hold ends of jobs that Redis has not been"
            " told of: they are sent when Redis answers and a worker runs on this data"
            " folder.",
            len(waiting),
        )
        words = {"count": len(waiting), "folder": folder}
        yield Finding("spool", Level.WARNING, text % words)
    for path in set_aside_in(folder)[:UNREADABLE_SHOWN]:
        text = _(
            "%(path)s should hold ends of jobs and cannot be read, so they counted as lost."
            " If a newer version wrote it, install that and take %(suffix)s off the"
            " name; else remove it."
        )
        words = {"path": path, "suffix": SET_ASIDE}
        yield Finding("spool-unreadable", Level.WARNING, text % words)


def check_processes(snapshot: Snapshot, now: datetime) -> Iterator[Finding]:
    """Do the processes live that move jobs on, and do they keep up?"""
    yield from _check_part(snapshot, now, "scheduler", _("delayed jobs do not start"))
    yield from _check_part(snapshot, now, "recorder", _("pages show old states"))
    lag = snapshot.events_lag
    if lag >= LAG_SEEN:
        text = _("%(count)s events wait for the recorder, so pages are behind.")
        level = Level.BAD if lag >= LAG_BAD else Level.WARNING
        yield Finding("lag", level, text % {"count": f"{lag:,}"})


def _check_part(
    snapshot: Snapshot, now: datetime, kind: str, consequence: str
) -> Iterator[Finding]:
    seen = [
        at for name, at in snapshot.liveness.items() if name.partition(":")[0] == kind
    ]
    live = sum(now - at < SILENCE for at in seen)
    if live:
        text = ngettext(
            "One %(kind)s is alive.",
            "%(count)s %(kind)s processes are alive.",
            live,
        )
        yield Finding(kind, Level.OK, text % {"count": live, "kind": kind})
    else:
        text = _("No %(kind)s is alive, so %(what)s: run manage.py %(kind)s.")
        words = {"kind": kind, "what": consequence}
        yield Finding(kind, Level.BAD, text % words)


def check_workers(snapshot: Snapshot, now: datetime) -> Iterator[Finding]:
    """Is there somebody to do the work, for every queue that has some?"""
    live = [worker for worker in snapshot.workers if worker.is_alive(now)]
    if live:
        text = ngettext(
            "%(count)s worker is alive.", "%(count)s workers are alive.", len(live)
        )
        yield Finding("workers", Level.OK, text % {"count": len(live)})
    else:
        text = _("No worker is alive, so nothing runs: run manage.py worker.")
        yield Finding("workers", Level.BAD, text)
    yield from _check_queues(snapshot.queues, live)
    yield from _check_versions(live)
    yield from _check_hosts(live)


def _check_queues(
    queues: Iterable[QueueDepth], live: Iterable[WorkerInfo]
) -> Iterator[Finding]:
    workers = list(live)
    served = {name for one in workers if not one.is_quiet for name in one.queues}
    quiet = {name for one in workers for name in one.queues} - served
    for queue in queues:
        words = {"count": f"{queue.waiting:,}", "queue": queue.name}
        if queue.waiting and queue.name in quiet:
            text = ngettext(
                "%(count)s job waits in queue %(queue)s, whose workers are all quiet:"
                " wake one on the Workers page.",
                "%(count)s jobs wait in queue %(queue)s, whose workers are all quiet:"
                " wake one on the Workers page.",
                queue.waiting,
            )
            yield Finding("queues", Level.BAD, text % words)
        elif queue.waiting and queue.name not in served:
            text = ngettext(
                "%(count)s job waits in queue %(queue)s, on which no worker listens:"
                " run manage.py worker --queues %(queue)s.",
                "%(count)s jobs wait in queue %(queue)s, on which no worker listens:"
                " run manage.py worker --queues %(queue)s.",
                queue.waiting,
            )
            yield Finding("queues", Level.BAD, text % words)


def _check_versions(live: Iterable[WorkerInfo]) -> Iterator[Finding]:
    ours = {f"taskyard {__version__}", RQ_VERSION}
    others = sorted({worker.version for worker in live if worker.version} - ours)
    if others:
        text = _(
            "Workers run other versions (%(others)s) than this program (%(ours)s):"
            " install the same one everywhere."
        )
        words = {"others": ", ".join(others), "ours": ", ".join(sorted(ours))}
        yield Finding("versions", Level.WARNING, text % words)


def _check_hosts(live: Iterable[WorkerInfo]) -> Iterator[Finding]:
    ahead = {worker.host: worker.clock_ahead for worker in live}
    for host, seconds in sorted(ahead.items()):
        if abs(seconds) >= SKEW_SEEN:
            text = _(
                "The clock of %(host)s differs from Redis' by %(seconds)s s, so times on"
                " pages are wrong: let NTP set it."
            )
            words = {"host": host, "seconds": f"{seconds:+.1f}"}
            level = Level.BAD if abs(seconds) >= SKEW_BAD else Level.WARNING
            yield Finding("host-clock", level, text % words)


def examine_processes(snapshot: Snapshot) -> Iterator[Finding]:
    """Look at all processes, by the clock of Redis."""
    yield from check_workers(snapshot, snapshot.at)
    yield from check_processes(snapshot, snapshot.at)
