"""What a benchmark costs Redis, from the server's own counters."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from tasks.broker.client import get_client
from tasks.broker.scripts import FOLDER, script

#: Calls from this many microseconds on are looked at; none may hold Redis over 2,000.
SLOW_FROM = 1_000

#: Calls of the benchmark itself.
OWN_CALLS = {"SLOWLOG", "CONFIG", "INFO", "FLUSHALL"}


@dataclass(frozen=True)
class Reading:
    """The counters at one moment."""

    at: float
    cpu: float
    commands: int
    #: Requests as they came over sockets: a pipeline of commands is one.
    reads: int

    @classmethod
    def now(cls) -> Reading:
        info: Any = get_client().info("everything")
        calls = (
            stats["calls"]
            for name, stats in info.items()
            if name.startswith("cmdstat_")
        )
        return cls(
            time.monotonic(),
            info["used_cpu_user"] + info["used_cpu_sys"],
            sum(calls),
            info["total_reads_processed"],
        )


@dataclass(frozen=True)
class Load:
    """What a number of jobs cost between two readings."""

    #: The share of one core that Redis used.
    share: float
    cpu_us_per_job: float
    commands_per_job: float
    reads_per_job: float

    @classmethod
    def between(cls, first: Reading, last: Reading, jobs: int) -> Load:
        cpu = last.cpu - first.cpu
        return cls(
            cpu / (last.at - first.at),
            cpu / jobs * 1e6,
            (last.commands - first.commands) / jobs,
            (last.reads - first.reads) / jobs,
        )


def watch_slow_calls() -> None:
    """Begin to note each call that takes long; what was noted before is forgotten."""
    client = get_client()
    client.config_set("slowlog-log-slower-than", SLOW_FROM)
    client.config_set("slowlog-max-len", 4096)
    client.slowlog_reset()
    client.config_resetstat()


@dataclass(frozen=True)
class SlowCalls:
    """How long single calls held Redis since `watch_slow_calls`.

    By the server's clock on the wall, so that a neighbour on its core counts too.
    """

    #: The longest one, in ms; 0 for none over SLOW_FROM.
    worst_ms: float
    #: Its script, or its first word.
    worst_call: str
    over_2_ms: int
    #: 99.9th percentile of script calls, in ms; None where the server has none.
    scripts_p999_ms: float | None

    @classmethod
    def seen(cls) -> SlowCalls:
        noted: Any = get_client().slowlog_get(4096)
        calls = [(entry["duration"] / 1e3, _name(entry["command"])) for entry in noted]
        calls = [call for call in calls if call[1] not in OWN_CALLS]
        worst_ms, worst_call = max(calls, default=(0.0, ""))
        over = sum(took > 2 for took, _call in calls)
        return cls(worst_ms, worst_call, over, _scripts_p999())


def _name(command: bytes) -> str:
    first, *others = command.decode("utf-8", "replace").split(" ", 2)
    if first != "EVALSHA":
        return first
    scripts = {script(path.stem).sha: path.stem for path in FOLDER.glob("*.lua")}
    return scripts.get(others[0], first)


def _scripts_p999() -> float | None:
    stats: Any = get_client().info("latencystats")
    scripts = stats.get("latency_percentiles_usec_evalsha")
    if not isinstance(scripts, dict):
        return None
    return float(scripts.get("p99.9", 0)) / 1e3


def used_memory() -> int:
    info: Any = get_client().info("memory")
    return int(info["used_memory"])
