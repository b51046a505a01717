"""RQ 2.12's defects that lose, delay or hide work, tried on ours (the list: docs)."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from rq import Queue
from rq.serializers import JSONSerializer

from tasks.broker import keys, upkeep
from tasks.broker.embedded import EmbeddedServer
from tasks.broker.engine import Engine
from tasks.scheduler import Scheduler
from tasks.worker import lease
from tasks.worker.loop import Worker as OurWorker
from tests.conftest import wait_until
from tests.contract.stock import push_async, queue, worker_named, workers
from tests.engine import (
    claim,
    claim_all,
    client,
    end_leases,
    push_job,
    record_all,
    status,
    take_back,
    waiting,
)
from tests.integration.conftest import START, Fleet, Process
from tests.tasks.worker.running import run_until, run_worker, until


@pytest.fixture
def _old_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis counts as running for long: nothing is taken back right after its start."""
    monkeypatch.setattr(upkeep, "server_is_young", lambda: False)


def test_d01_a_worker_of_two_queues_that_dies_at_the_claim_loses_nothing() -> None:
    push_job("a", queue="one")
    push_job("b", queue="two")

    async def wait_as_a_worker_does() -> None:
        engine = Engine("w1", "host", ["one", "two"])
        assert await asyncio.gather(*map(engine.wait_for_work, engine.queues))
        await engine.close()

    asyncio.run(wait_as_a_worker_does())
    assert (waiting("one"), waiting("two")) == (["a"], ["b"]), "waiting takes nothing"
    claimed = claim_all(
        "one", "two"
    ).jobs  # and the worker is gone before it reads this
    for job in claimed:
        assert client().zscore(keys.lease(job.queue), job.member)
        assert client().zscore(keys.wip(job.queue), job.member)
        end_leases(job.queue)
        assert take_back(job.queue) == [job.id]
    assert (waiting("one"), waiting("two")) == (["a"], ["b"])


@pytest.mark.django_db
@pytest.mark.usefixtures("_old_server")
def test_d02_what_a_dead_worker_held_is_back_within_seconds() -> None:
    """The lease ends 15 s after the last beat, and the sweep comes by every 2 s."""
    now = [1_000.0]
    scheduler = Scheduler(clock=lambda: now[0])
    push_job("a")
    claim()
    scheduler.step()
    assert waiting() == []
    end_leases()
    now[0] += 2
    scheduler.step()
    assert waiting() == ["a"]


@dataclass
class Schedulers:
    """Two schedulers on a Redis of their own, and a stock client's queue there."""

    server: EmbeddedServer
    processes: list[Process]
    queue: Queue

    def runs_in(self, seconds: int) -> Callable[[], Any]:
        """Have a job due in `seconds`, and return how to ask whether it is queued."""
        later = timedelta(seconds=seconds)
        job = self.queue.enqueue_in(later, "tests.sample.add", 1)
        return lambda: job.id in self.queue.job_ids


@pytest.fixture(scope="module")
def schedulers() -> Iterator[Schedulers]:
    folder = Path(tempfile.mkdtemp(prefix="ty-"))  # short enough for a socket
    server = EmbeddedServer(folder)
    server.start()
    fleet = Fleet(REDIS_URL=server.url, TASKYARD_DATA=str(folder))
    fleet.run("manage.py", "migrate", "--verbosity", "0")
    processes = [fleet.manage("scheduler") for _number in range(2)]
    connection = redis.Redis.from_url(server.url)
    wait_until(lambda: connection.hlen(keys.LIVENESS) == 2, START)
    yield Schedulers(
        server, processes, Queue(connection=connection, serializer=JSONSerializer)
    )
    connection.close()
    fleet.end()
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.integration
def test_d03_the_other_scheduler_goes_on_at_once(schedulers: Schedulers) -> None:
    """There is no lock to wait for."""
    is_queued = schedulers.runs_in(1)
    schedulers.processes[0].kill()
    schedulers.processes[0].wait()
    wait_until(is_queued, 20)


@pytest.mark.integration
def test_d04_a_scheduler_outlives_an_outage_of_redis(schedulers: Schedulers) -> None:
    living = schedulers.processes[1]
    schedulers.server.stop()
    with pytest.raises(redis.ConnectionError):
        schedulers.runs_in(1)
    schedulers.server.start()
    wait_until(schedulers.runs_in(1))
    assert living.poll() is None


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_old_server")
def test_d09_a_malformed_job_ends_alone() -> None:
    for job_id in ("bad date", "no data", "no JSON"):
        push_job(job_id)
    client().hset(keys.job("bad date"), "created_at", "yesterday")
    client().hdel(keys.job("no data"), "data")
    client().hset(keys.job("no JSON"), mapping={"data": b"\x80garbage", "timeout": "x"})
    client().rpush(keys.queue("default"), "not there")
    client().set(keys.job("a text"), "no hash")
    client().rpush(keys.queue("default"), "a text")
    push_job("good")
    run_until(lambda: status("good") == "finished", children=1)
    assert (status("bad date"), status("no data")) == ("finished", "failed")
    assert (status("no JSON"), waiting()) == ("failed", [])
    client().zadd(keys.wip("default"), {"bad date:gone": 1})
    Scheduler().step()
    record_all()


def test_d16_an_idle_worker_comes_back_into_rq_s_lists(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lease, "RENEW_EVERY", 0.05)

    async def script(_worker: OurWorker) -> None:
        await until(workers)
        client().flushall()
        client().script_flush()
        await until(workers)
        push_async("a", "add_async")
        await until(lambda: status("a") == "finished")

    run_worker(script)


@pytest.mark.integration
def test_d17_a_fixed_name_serves_again_right_after_kill_9(
    fleet: Fleet, tmp_path: Path
) -> None:
    first = fleet.worker("--children", "0", name="fixed")
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    second = fleet.manage("worker", "--name", "fixed", "--children", "0")
    wait_until(lambda: worker_named("fixed").pid == second.pid, START)
    push_async("a", "add_async")
    wait_until(lambda: status("a") == "finished", START)
    assert [worker.name for worker in workers()] == ["fixed"]
    assert queue().finished_job_registry.get_job_ids() == ["a"]
