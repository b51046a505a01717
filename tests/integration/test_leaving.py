"""Workers that leave: by order or out of reach of Redis, none loses or repeats a job."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.faults.proxy import Proxy
from tasks.broker import keys
from tasks.broker.engine import LEASE_FOR
from tests.conftest import wait_until
from tests.engine import client, events, kinds, push_job, status, waiting
from tests.integration.conftest import START, Fleet, is_running

pytestmark = pytest.mark.integration

#: Workers that one after the other are replaced under load.
ROLLS = 6

#: Seconds without a sign after which a coroutine has ended.
SILENT_AFTER = 0.5

NOTE, NOTE_ASYNC = "tests.sample.note", "tests.sample.note_async"
WAIT_FOR, WAIT_FOR_ASYNC = "tests.sample.wait_for", "tests.sample.wait_for_async"


def push_task(job_id: str, task: str, path: Path) -> str:
    kind = "async" if task.endswith("async") else "sync"
    kwargs = {"path": str(path)}
    return push_job(job_id, task=task, path=task, kind=kind, kwargs=kwargs)


def push_notes(number: int, noted: Path) -> list[str]:
    """Push short jobs, functions and coroutines, that each write down their id."""
    first = [push_task(f"{number}-s{n}", NOTE, noted) for n in range(60)]
    return first + [push_task(f"{number}-a{n}", NOTE_ASYNC, noted) for n in range(60)]


def kinds_of_all() -> dict[str, list[str]]:
    told: defaultdict[str, list[str]] = defaultdict(list)
    for event in events():
        told[event["id"]].append(event.kind)
    return told


def test_rolling_workers_under_load_loses_and_repeats_nothing(
    fleet: Fleet, folder: Path
) -> None:
    noted, never = folder / "noted", folder / "never"
    options = ("--children", "2", "--grace", "2")
    ids: list[str] = []
    running = [fleet.worker(*options, name=f"w{number}") for number in range(2)]
    push_task("long", WAIT_FOR, never)
    push_task("long-async", WAIT_FOR_ASYNC, never)
    for number in range(2, 2 + ROLLS):
        ids += push_notes(number, noted)
        running.append(fleet.worker(*options, name=f"w{number}"))
        ids += push_notes(-number, noted)
        leaving = running.pop(0)
        leaving.send_signal(signal.SIGTERM)
        assert leaving.wait(START) == 0
    wait_until(lambda: all(status(job_id) == "finished" for job_id in ids), START)
    assert Counter(noted.read_text().split()) == Counter(ids)
    told = kinds_of_all()
    for job_id in ids:
        assert told[job_id] == ["pushed", "started", "finished"]
    for job_id in ("long", "long-async"):
        assert "handedback" in told[job_id]
        assert "lost" not in told[job_id]
        assert client().hget(keys.job(job_id), "ty:attempts") == b"1"


def test_a_signal_makes_a_worker_quiet(fleet: Fleet, folder: Path) -> None:
    go = folder / "go"
    worker = fleet.worker("--children", "1")
    push_task("a", WAIT_FOR, go)
    wait_until(lambda: status("a") == "started", START)
    worker.send_signal(signal.SIGUSR1)
    wait_until(lambda: client().hget(keys.worker("w1"), "ty:quiet"))
    push_task("b", WAIT_FOR, go)
    go.touch()
    wait_until(lambda: status("a") == "finished")
    assert waiting() == ["b"]
    assert worker.poll() is None


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with Proxy(os.environ["REDIS_URL"]) as made:
        yield made


def is_humming(path: Path) -> bool:
    return time.time() - path.stat().st_mtime < SILENT_AFTER


def test_a_worker_out_of_reach_of_redis_ends_its_jobs_before_their_leases_end(
    hogs_fleet: Fleet, folder: Path, proxy: Proxy
) -> None:
    hummed, written = folder / "hummed", folder / "pid"
    hogs_fleet.worker("--children", "1", REDIS_URL=proxy.url)
    push_task("async", "tests.hogs.hum_async", hummed)
    push_task("sync", "tests.sample.start_process", written)
    pid = int(wait_until(lambda: written.exists() and written.read_text(), START))
    wait_until(hummed.exists)
    proxy.silence()
    began = time.monotonic()
    wait_until(lambda: not (is_running(pid) or is_humming(hummed)), LEASE_FOR + 5)
    assert time.monotonic() - began - SILENT_AFTER < LEASE_FOR
    assert status("async") == status("sync") == "started"
    proxy.mend()
    for job_id in ("async", "sync"):
        wait_until(lambda job_id=job_id: "handedback" in kinds(job_id))
        wait_until(lambda job_id=job_id: status(job_id) == "started", START)
        assert client().hget(keys.job(job_id), "ty:attempts") == b"1"


def test_a_worker_that_leaves_without_redis_leaves_its_ends_to_the_next(
    fleet: Fleet, folder: Path, proxy: Proxy
) -> None:
    go = folder / "go"
    worker = fleet.worker("--children", "1", "--grace", "5", REDIS_URL=proxy.url)
    push_task("ends", WAIT_FOR, go)
    push_task("runs", WAIT_FOR_ASYNC, folder / "never")
    wait_until(lambda: status("ends") == status("runs") == "started", START)
    proxy.reset()
    go.touch()
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(START) == 0
    assert status("ends") == status("runs") == "started"
    assert len(list((folder / "spool").iterdir())) == 1
    fleet.worker("--children", "0", "--concurrency", "0", name="w2")
    wait_until(
        lambda: (status("ends"), status("runs")) == ("finished", "queued"), START
    )
    finished = [one for one in events() if one.kind == "finished"]
    assert [one["worker"] for one in finished] == ["w1"]
    wait_until(lambda: not list((folder / "spool").iterdir()))


def test_a_worker_hears_its_commands_again_after_a_silence(
    fleet: Fleet, proxy: Proxy
) -> None:
    """No packet tells it that the connection on which they come is dead."""
    fleet.worker("--children", "0", REDIS_URL=proxy.url)
    channel = keys.worker_commands("w1")
    wait_until(lambda: client().pubsub_numsub(channel)[0][1])
    proxy.silence()
    proxy.mend()

    def is_quiet_when_told() -> object:
        client().publish(channel, '{"command": "quiet"}')
        return client().hget(keys.worker("w1"), "ty:quiet")

    wait_until(is_quiet_when_told)
