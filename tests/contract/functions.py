"""Functions that stock clients enqueue: they know RQ and nothing of Taskyard."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis
from rq import Queue, Retry, get_current_job
from rq.job import Job


def this_job() -> Job:
    job = get_current_job()
    assert job is not None
    return job


def multiply(a: int, b: int = 1) -> int:
    return a * b


async def multiply_async(a: int, b: int = 1) -> int:
    await asyncio.sleep(0)
    return a * b


def nothing() -> None:
    """Return nothing."""


def note(name: str) -> None:
    """Add `name` to what was noted, in the order of the runs."""
    this_job().connection.rpush("noted", name)


def wait_for(key: str) -> str:
    """Run until a key exists, so that a test decides when it ends."""
    connection = this_job().connection
    while not connection.exists(key):
        time.sleep(0.01)
    return "seen"


def sleep(seconds: float) -> None:
    time.sleep(seconds)


async def sleep_async(seconds: float) -> None:
    await asyncio.sleep(seconds)


def fail(text: str = "no luck") -> None:
    raise ValueError(text)


async def fail_async(text: str = "no luck") -> None:
    raise ValueError(text)


def fail_times(times: int) -> int:
    """Fail so many times, then return the number of the run."""
    runs = count_runs()
    if runs <= times:
        raise ValueError(f"run {runs}")
    return runs


def note_run(name: str) -> None:
    """Note the number of the run, and fail the first time."""
    runs = count_runs()
    note(f"{name} {runs}")
    if runs == 1:
        raise ValueError("the first run")


def count_runs() -> int:
    return int(this_job().connection.incr(f"runs:{this_job().id}"))


def ask_again(times: int, most: int, interval: int = 0) -> Any:
    """Return a Retry so many times, then the number of the run."""
    runs = count_runs()
    return Retry(max=most, interval=interval) if runs <= times else runs


async def ask_again_async(times: int, most: int) -> Any:
    return ask_again(times, most)


def die(*args: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def leave() -> None:
    os._exit(3)


def add_to_meta(name: str, value: Any) -> dict[str, Any]:
    job = this_job()
    job.meta[name] = value
    job.save_meta()
    return job.get_meta()


async def add_to_meta_async(name: str, value: Any) -> dict[str, Any]:
    return add_to_meta(name, value)


def leave_in_meta(name: str, value: Any) -> None:
    """Change the job's meta and leave it to a later call to save it."""
    this_job().meta[name] = value
    this_job().save_meta()


def own_id() -> str:
    return this_job().id


def run_inner() -> list[Any]:
    """Run a job inside this one; return whose job it was before, within and after."""
    before = own_id()
    queue = Queue("inner", is_async=False, connection=this_job().connection)
    inner = queue.enqueue(own_id)
    return [before, inner.return_value(), own_id()]


# What only pickle can carry.


@dataclass(frozen=True)
class Point:
    x: int
    y: int

    def moved(self, by: int) -> Point:
        return Point(self.x + by, self.y)


class Unpickled:
    """Writes down which process unpickles it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return _note_reader, (self.path,)


def _note_reader(path: Path) -> Unpickled:
    with path.open("a") as file:
        file.write(f"{os.getpid()}\n")
    return Unpickled(path)


def mirror(point: Point) -> Point:
    return Point(point.y, point.x)


async def mirror_async(point: Point) -> Point:
    await asyncio.sleep(0)
    return mirror(point)


# Callbacks: (job, connection, ...), whatever else RQ gives them.


def tell(job: Job, connection: redis.Redis, result: Any) -> None:
    connection.rpush(f"told:{job.id}", f"success {result!r}")


def tell_failure(
    job: Job, connection: redis.Redis, kind: Any, value: Any, trace: Any
) -> None:
    connection.rpush(f"told:{job.id}", f"failure {kind.__name__} {value}")


def tell_stop(job: Job, connection: redis.Redis) -> None:
    connection.rpush(f"told:{job.id}", f"stop {job.meta['owner']}")


def tell_job(job: Job, connection: redis.Redis, *about: Any) -> None:
    known = job.get_status(refresh=False).value, job.ended_at > job.started_at
    connection.rpush(f"told:{job.id}", f"{known}")


def tell_meta(job: Job, connection: redis.Redis, result: Any) -> None:
    job.meta["seen"] = result
    job.save_meta()


def refuse(job: Job, connection: redis.Redis, *about: Any) -> None:
    raise RuntimeError("the callback broke")


def dawdle(job: Job, connection: redis.Redis, *about: Any) -> None:
    connection.rpush(f"told:{job.id}", "began")
    for _moment in range(1000):
        time.sleep(0.01)
    connection.rpush(f"told:{job.id}", "ended")


# What only a worker of ours can run: all of them are in flight together.

_arrived: dict[str, int] = {}
_all_there: dict[str, asyncio.Event] = {}


async def meet(party: str, size: int, number: int) -> list[str]:
    """Wait for all others of a party; tell whose job this was before and after."""
    before = own_id()
    all_there = _all_there.setdefault(party, asyncio.Event())
    _arrived[party] = _arrived.get(party, 0) + 1
    if _arrived[party] == size:
        all_there.set()
    await all_there.wait()
    for _turn in range(number % 3):
        await asyncio.sleep(0)
    add_to_meta("number", number)
    return [before, own_id()]
