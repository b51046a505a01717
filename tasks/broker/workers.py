"""Single workers in Redis: what one says of itself, and what it is told."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tasks.broker import keys
from tasks.broker.breakers import OpenBreaker, parse_breakers
from tasks.broker.client import broker_errors, get_client
from tasks.broker.wire import parse_date

#: A worker beats every 5 s; after three missed beats it counts as lost.
LOST_AFTER = timedelta(seconds=15)

#: Seconds of lag from which a worker's loop counts as slow.
SLOW_LOOP = 0.25

#: Stock RQ workers beat when idle only every 405 s at worst.
STOCK_LOST_AFTER = timedelta(seconds=480)


@dataclass(frozen=True)
class WorkerInfo:
    name: str
    host: str
    pid: int
    queues: tuple[str, ...]
    #: idle, busy or suspended.
    state: str
    born_at: datetime | None
    last_heartbeat: datetime | None
    version: str
    concurrency: int
    running: int
    current_job_id: str | None
    successful: int
    failed: int
    rss_bytes: int
    #: Seconds by which sleeps on the loop ended late: the worst and the mean since the
    #: last beat, and the worst of the last minute.
    loop_lag: float = 0.0
    loop_lag_mean: float = 0.0
    loop_lag_minute: float = 0.0
    #: Since when the loop has not come round, and the job that keeps it, where known.
    blocked_since: datetime | None = None
    blocked_job_id: str | None = None
    blocked_task: str = ""
    #: Since when it takes no job, because it was told to be quiet.
    quiet_since: datetime | None = None
    #: Seconds by which its host's clock is ahead of Redis'.
    clock_ahead: float = 0.0
    #: The name of this start of its process, where a supervisor gave it one.
    start: str = ""
    #: Tasks whose jobs it holds back, but for one at a time.
    breakers: tuple[OpenBreaker, ...] = ()

    @property
    def is_slow(self) -> bool:
        """Whether what runs on the loop was held up visibly within the last minute."""
        return self.loop_lag_minute >= SLOW_LOOP

    @property
    def is_ours(self) -> bool:
        return self.version.startswith("taskyard ")

    @property
    def is_quiet(self) -> bool:
        return self.quiet_since is not None

    def is_alive(self, now: datetime) -> bool:
        if self.last_heartbeat is None:
            return False
        limit = LOST_AFTER if self.is_ours else STOCK_LOST_AFTER
        return now - self.last_heartbeat <= limit


def parse_worker(key: bytes, raw: Mapping[bytes, bytes]) -> WorkerInfo:
    """Return what a worker's hash says."""
    fields = {_text(name): _text(value) for name, value in raw.items()}
    queues = fields.get("queues", "")
    told = parse_date(fields.get("last_heartbeat", ""))
    # Ours are dated by Redis: a worker whose clock is wrong must not look lost.
    seen = _moment(_number(fields, "ty:seen")) or told
    return WorkerInfo(
        name=_text(key).removeprefix(keys.worker("")),
        host=fields.get("hostname", ""),
        pid=int(_number(fields, "pid")),
        queues=tuple(queue for queue in queues.split(",") if queue),
        state=fields.get("state", ""),
        born_at=parse_date(fields.get("birth", "")),
        last_heartbeat=seen,
        version=fields.get("version", ""),
        concurrency=int(_number(fields, "ty:concurrency", 1)),
        running=int(_number(fields, "ty:running")),
        current_job_id=fields.get("current_job") or None,
        successful=int(_number(fields, "successful_job_count")),
        failed=int(_number(fields, "failed_job_count")),
        rss_bytes=int(_number(fields, "ty:rss")),
        loop_lag=_number(fields, "ty:loop_lag"),
        loop_lag_mean=_number(fields, "ty:loop_lag_mean"),
        loop_lag_minute=_number(fields, "ty:loop_lag_minute"),
        blocked_since=_moment(_number(fields, "ty:blocked_since")),
        blocked_job_id=fields.get("ty:blocked_job") or None,
        blocked_task=fields.get("ty:blocked_task", ""),
        quiet_since=_moment(_number(fields, "ty:quiet")),
        clock_ahead=(told - seen).total_seconds() if told and seen else 0.0,
        start=fields.get("ty:start", ""),
        breakers=parse_breakers(fields.get("ty:breakers", "")),
    )


def find_worker(name: str) -> tuple[WorkerInfo | None, datetime]:
    """Return a registered worker, and the time by Redis. Raises BrokerUnavailable."""
    key = keys.worker(name)
    with broker_errors(), get_client().pipeline(transaction=False) as pipeline:
        pipeline.sismember(keys.WORKERS, key)
        pipeline.hgetall(key)
        pipeline.time()
        is_registered, fields, (seconds, micros) = pipeline.execute()
    now = datetime.fromtimestamp(seconds + micros / 1e6, UTC)
    is_known = is_registered and fields
    return (parse_worker(key.encode(), fields) if is_known else None), now


def worker_names() -> list[str]:
    """Return the names of all registered workers. Raises BrokerUnavailable."""
    with broker_errors():
        members: Any = get_client().smembers(keys.WORKERS)
    return sorted(_text(member).removeprefix(keys.worker("")) for member in members)


def tell_worker(name: str, command: str) -> bool:
    """Tell a worker to be quiet, to wake or to stop; say whether it listens.

    Stopping is a command of RQ's own, on the channel of one worker; the others are
    ours, on the channel that all of ours hear. Raises BrokerUnavailable.
    """
    own = keys.worker_commands(name)
    with broker_errors(), get_client().pipeline(transaction=False) as pipeline:
        pipeline.pubsub_numsub(own)
        if command == "stop":
            pipeline.publish(own, json.dumps({"command": "shutdown"}))
        else:
            said = json.dumps({"command": command, "worker": name})
            pipeline.publish(keys.CONTROL, said)
        ((_channel, listeners),), _heard = pipeline.execute()
    return bool(listeners)


def tell_all_workers(command: str) -> int:
    """Tell every worker of ours to be quiet or to wake; returns how many heard it.

    Raises BrokerUnavailable.
    """
    with broker_errors():
        heard: Any = get_client().publish(
            keys.CONTROL, json.dumps({"command": command})
        )
    return int(heard)


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def _moment(seconds: float) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, UTC) if seconds else None
    except (ValueError, OverflowError, OSError):
        return None


def _number(fields: Mapping[str, str], name: str, default: float = 0) -> float:
    try:
        number = float(fields.get(name) or default)
    except ValueError:
        return default
    return number if math.isfinite(number) else default
