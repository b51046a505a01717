"""The doctor's checks of Redis; `examine` runs these and all the others."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from django.db import DatabaseError
from django.utils import timezone

from tasks.admission import FULL_AT
from tasks.broker.inspection import ServerFacts, read_server_facts
from tasks.broker.snapshot import read_snapshot
from tasks.checks import (
    SKEW_BAD,
    SKEW_SEEN,
    Finding,
    Level,
    check_data_folder,
    check_database,
    check_pages,
    check_settings,
    check_spool,
    examine_processes,
)
from tasks.errors import BrokerUnavailable
from tasks.models import Epoch, Job
from tasks.text import gettext as _
from tasks.text import ngettext

#: The core works from here on.
OLDEST_REDIS = (6, 2)

#: The first release of each series without CVE-2025-49844 (a script may run any code);
#: series that are newer than all of these never had it.
SAFE_RELEASES = {
    "Redis": {(6, 2): 20, (7, 2): 11, (7, 4): 6, (8, 0): 4, (8, 2): 2},
    "Valkey": {(7, 2): 11, (8, 0): 6, (8, 1): 4},
}

#: An accepted job that is not in Redis for so long is told of; counted up to a limit.
UNPUSHED_SEEN = timedelta(seconds=30)
UNPUSHED_COUNTED = 10_000

#: Shares of maxmemory, and of a machine's memory where there is no maxmemory, at which
#: it is worth a word, and bad.
FULL_SEEN, FULL_BAD = 0.70, FULL_AT
MACHINE_SEEN, MACHINE_BAD = 0.75, 0.92

#: Share of the connections that the server takes.
CLIENTS_SEEN = 0.80


def examine() -> Iterator[Finding]:
    """Look at everything; a Redis that is away is one finding, not the end."""
    yield from check_database()
    yield from check_accepted()
    yield from check_refill()
    yield from check_settings()
    yield from check_pages()
    yield from check_data_folder()
    yield from check_spool()
    try:
        yield from check_server(read_server_facts())
        yield from examine_processes(read_snapshot())
    except BrokerUnavailable as error:
        text = _("%(reason)s. Start it, or look at REDIS_URL.")
        yield Finding("redis", Level.BAD, text % {"reason": str(error).rstrip(".")})


def check_accepted() -> Iterator[Finding]:
    """Has every job that was accepted reached Redis?"""
    try:
        unpushed = Job.objects.unpushed(timezone.now() - UNPUSHED_SEEN)
        count = unpushed[:UNPUSHED_COUNTED].count()
    except DatabaseError:  # which check_database tells of
        return
    if count:
        text = ngettext(
            "%(count)s accepted job waits for room in Redis, or for the scheduler.",
            "%(count)s accepted jobs wait for room in Redis, or for the scheduler.",
            count,
        )
        yield Finding("accepted", Level.WARNING, text % {"count": f"{count:,}"})


def check_refill() -> Iterator[Finding]:
    """Has Redis lost data that is not back yet?"""
    try:
        is_lost = Epoch.objects.filter(lost_at__isnull=False).exists()
    except DatabaseError:  # which check_database tells of
        return
    if is_lost:
        text = _(
            "Redis lost data and is being refilled from the database; jobs that ran"
            " meanwhile may run again. Find out who emptied it, or why it came back"
            " without its append-only file."
        )
        yield Finding("refill", Level.WARNING, text)


def check_server(facts: ServerFacts) -> Iterator[Finding]:
    """Is the server one that jobs are safe in?"""
    text = _("%(server)s answers in %(ms)s ms.")
    words = {"server": facts.name, "ms": f"{facts.answered_in * 1000:.1f}"}
    yield Finding("redis", Level.OK, text % words)
    yield from _check_version(facts)
    yield from _check_kind(facts)
    yield from _check_keeping(facts)
    yield from _check_memory(facts)
    yield from _check_clock(facts)
    yield from _check_access(facts)
    yield from _check_stock_scheduling(facts)


def _check_stock_scheduling(facts: ServerFacts) -> Iterator[Finding]:
    if facts.has_stock_scheduler:
        text = _(
            "A stock rqscheduler runs beside ours. It stands back while a scheduler of"
            " ours runs, and else releases delayed jobs early, late or twice: stop it."
        )
        yield Finding("rqscheduler", Level.BAD, text)
    if facts.periodic:
        text = ngettext(
            "%(count)s repeating entry that an rq-scheduler client left is held and does"
            " not run: make a schedule of it (manage.py schedules import rq-scheduler).",
            "%(count)s repeating entries that rq-scheduler clients left are held and do"
            " not run: make schedules of them (manage.py schedules import"
            " rq-scheduler).",
            facts.periodic,
        )
        words = {"count": f"{facts.periodic:,}"}
        yield Finding("rq-scheduler", Level.WARNING, text % words)


def _check_version(facts: ServerFacts) -> Iterator[Finding]:
    if facts.version[:2] < OLDEST_REDIS:
        text = _("%(server)s is too old: 6.2 or newer is needed.")
        yield Finding("redis-version", Level.BAD, text % {"server": facts.name})
    elif not _is_safe(facts):
        text = _(
            "%(server)s lets scripts run any code (CVE-2025-49844): update it, unless"
            " your distribution has mended this version."
        )
        yield Finding("redis-version", Level.WARNING, text % {"server": facts.name})


def _is_safe(facts: ServerFacts) -> bool:
    safe = SAFE_RELEASES[facts.product]
    series, patch = facts.version[:2], facts.version[2:3]
    if series in safe:
        return patch >= (safe[series],)
    return series > max(safe)


def _check_kind(facts: ServerFacts) -> Iterator[Finding]:
    if facts.is_replica:
        text = _("REDIS_URL names a replica, which takes no jobs: name its primary.")
        yield Finding("redis-replica", Level.BAD, text)
    if facts.is_cluster:
        text = _(
            "REDIS_URL names a Redis Cluster, whose scripts see one slot's keys only:"
            " name a single server, or one that fails over."
        )
        yield Finding("redis-cluster", Level.BAD, text)


def _check_access(facts: ServerFacts) -> Iterator[Finding]:
    if facts.is_open:
        text = _(
            "Redis listens to other machines and asks for no password: set requirepass,"
            " or bind it to 127.0.0.1."
        )
        yield Finding("redis-open", Level.BAD, text)
    if facts.is_plain:
        text = _(
            "Jobs travel to Redis unencrypted: use rediss:// where others can listen on"
            " the network between."
        )
        yield Finding("redis-plain", Level.HINT, text)
    if facts.most_clients and facts.clients >= CLIENTS_SEEN * facts.most_clients:
        text = _(
            "Redis has %(count)s of %(most)s connections open and will refuse more:"
            " raise maxclients."
        )
        words = {"count": f"{facts.clients:,}", "most": f"{facts.most_clients:,}"}
        yield Finding("redis-clients", Level.WARNING, text % words)


def _check_keeping(facts: ServerFacts) -> Iterator[Finding]:
    if facts.write_fault:
        text = _(
            "Redis cannot write to its disk (%(fault)s): look at space and rights."
        )
        yield Finding("redis-disk", Level.BAD, text % {"fault": facts.write_fault})
    if not facts.has_log:
        text = _(
            "Redis keeps no append-only file, so a restart forgets jobs: CONFIG SET"
            " appendonly yes."
        )
        yield Finding("redis-log", Level.WARNING, text)
    elif facts.fsync == "no":
        text = _(
            "Redis leaves it to the system when its log reaches the disk, so a power cut"
            " costs half a minute of jobs: CONFIG SET appendfsync everysec."
        )
        yield Finding("redis-fsync", Level.WARNING, text)
    if facts.policy != "noeviction":
        text = _(
            "Redis may throw jobs away when its memory is full (%(policy)s): CONFIG SET"
            " maxmemory-policy noeviction."
        )
        level = Level.BAD if facts.has_limit else Level.WARNING
        yield Finding("redis-eviction", level, text % {"policy": facts.policy})


def _check_memory(facts: ServerFacts) -> Iterator[Finding]:
    if not facts.has_limit:
        text = _(
            "Redis has no memory limit: set maxmemory, so that new jobs are refused"
            " before the machine has none left and ends it."
        )
        yield Finding("redis-limit", Level.HINT, text)
    if not facts.most_bytes:
        return
    share = facts.used_bytes / facts.most_bytes
    limits = (FULL_SEEN, FULL_BAD) if facts.has_limit else (MACHINE_SEEN, MACHINE_BAD)
    if share >= limits[0]:
        text = _(
            "Redis uses %(share)s %% of its memory, and new jobs are refused from"
            " %(full)s %% of maxmemory on: give it more, or keep results for a shorter"
            " time."
        )
        words = {"share": f"{share * 100:.0f}", "full": f"{FULL_AT * 100:.0f}"}
        level = Level.BAD if share >= limits[1] else Level.WARNING
        yield Finding("redis-memory", level, text % words)


def _check_clock(facts: ServerFacts) -> Iterator[Finding]:
    ahead = facts.clock_ahead
    if abs(ahead) < SKEW_SEEN:
        return
    text = _(
        "The clocks of this machine and of Redis differ by %(seconds)s s, so delayed"
        " jobs start at wrong moments: let NTP set both."
    )
    level = Level.BAD if abs(ahead) >= SKEW_BAD else Level.WARNING
    yield Finding("clock", level, text % {"seconds": f"{abs(ahead):.1f}"})
