"""The doctor's checks of Redis; `examine` runs these and all the others."""

from __future__ import annotations

from collections.abc import Iterator

from tasks.broker.inspection import ServerFacts, read_server_facts
from tasks.broker.snapshot import read_snapshot
from tasks.checks import (
    Finding,
    Level,
    check_data_folder,
    check_database,
    check_settings,
    examine_processes,
)
from tasks.errors import BrokerUnavailable
from tasks.text import gettext as _

#: The core works from here on.
OLDEST_REDIS = (6, 2)

#: The first release of each series without CVE-2025-49844 (a script may run any code);
#: series that are newer than all of these never had it.
SAFE_RELEASES = {
    "Redis": {(6, 2): 20, (7, 2): 11, (7, 4): 6, (8, 0): 4, (8, 2): 2},
    "Valkey": {(7, 2): 11, (8, 0): 6, (8, 1): 4},
}

#: Seconds by which the clocks may differ.
SKEW_SEEN = 1.0
SKEW_BAD = 5.0

#: Shares of the memory that may be used.
FULL_SEEN = 0.75
FULL_BAD = 0.92


def examine() -> Iterator[Finding]:
    """Look at everything; a Redis that is away is one finding, not the end."""
    yield from check_database()
    yield from check_settings()
    yield from check_data_folder()
    try:
        yield from check_server(read_server_facts())
        yield from examine_processes(read_snapshot())
    except BrokerUnavailable as error:
        text = _("%(reason)s. Start it, or look at REDIS_URL.")
        yield Finding("redis", Level.BAD, text % {"reason": str(error).rstrip(".")})


def check_server(facts: ServerFacts) -> Iterator[Finding]:
    """Is the server one that jobs are safe in?"""
    text = _("%(server)s answers in %(ms)s ms.")
    words = {"server": facts.name, "ms": f"{facts.answered_in * 1000:.1f}"}
    yield Finding("redis", Level.OK, text % words)
    yield from _check_version(facts)
    yield from _check_keeping(facts)
    yield from _check_memory(facts)
    yield from _check_clock(facts)
    if facts.is_open:
        text = _(
            "Redis listens to other machines and asks for no password: set requirepass,"
            " or bind it to 127.0.0.1."
        )
        yield Finding("redis-open", Level.BAD, text)
    if facts.has_stock_scheduler:
        text = _(
            "A stock rqscheduler runs beside ours and takes delayed jobs away from it:"
            " stop it."
        )
        yield Finding("rqscheduler", Level.BAD, text)


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
    if facts.policy != "noeviction":
        text = _(
            "Redis may throw jobs away when its memory is full (%(policy)s): CONFIG SET"
            " maxmemory-policy noeviction."
        )
        level = Level.BAD if facts.has_limit else Level.WARNING
        yield Finding("redis-eviction", level, text % {"policy": facts.policy})


def _check_memory(facts: ServerFacts) -> Iterator[Finding]:
    if not facts.most_bytes:
        return
    share = facts.used_bytes / facts.most_bytes
    if share >= FULL_SEEN:
        text = _(
            "Redis uses %(share)s %% of its memory and will refuse jobs when it is"
            " full: give it more, or keep results for a shorter time."
        )
        level = Level.BAD if share >= FULL_BAD else Level.WARNING
        yield Finding("redis-memory", level, text % {"share": f"{share * 100:.0f}"})


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
