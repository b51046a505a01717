"""RQ 2.12's defects at the end of a job, tried on ours (the list: docs)."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from rq.job import Callback
from rq.registry import StartedJobRegistry
from rq.results import Result

from tasks.broker import keys, upkeep
from tasks.broker.jobs import cancel, retry
from tasks.broker.snapshot import read_snapshot
from tasks.models import Job
from tasks.scheduler import Scheduler
from tasks.worker import lease
from tasks.worker.loop import Worker as OurWorker
from tests.contract.stock import fetch, push_waiter, queue
from tests.engine import (
    claim,
    client,
    end_leases,
    events,
    kinds,
    push_job,
    record_all,
    run_next,
    settle,
    status,
    take_back,
    waiting,
)
from tests.tasks.worker.running import run_until, run_worker, until

HOUR = 3600.0


@pytest.fixture
def _old_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis counts as running for long: nothing is taken back right after its start."""
    monkeypatch.setattr(upkeep, "server_is_young", lambda: False)


def started() -> StartedJobRegistry:
    return StartedJobRegistry(queue=queue())


def test_d05_a_finished_job_never_becomes_a_failed_one() -> None:
    """A stock client writes to the job while it ends: RQ then leaves its wip entry."""
    push_job("a", retries=1)
    job = claim()
    queue().enqueue("tests.sample.add", 1, job_id="child", depends_on="a")
    assert settle(job, result="1") == "finished"
    started().cleanup(time.time() + HOUR)
    assert (status("a"), waiting()) == ("finished", ["child"])
    assert started().get_job_ids() == []
    assert settle(job) == "superseded", "the same end, sent again"
    assert len(fetch("a").results()) == 1


@pytest.mark.django_db
@pytest.mark.usefixtures("_old_server")
def test_d08_a_callback_that_raises_stops_nobody() -> None:
    raising = Callback("tests.sample.fail")  # called with a job and a connection
    for name in ("abandoned", "failing"):
        queue().enqueue("tests.sample.fail", job_id=name, on_failure=raising)
    job = claim()
    end_leases()
    client().zadd(keys.wip("default"), {job.member: 1})
    scheduler = Scheduler()
    scheduler.step()
    assert waiting() == ["abandoned", "failing"]
    push_job("next")
    run_until(lambda: status("next") == "finished", children=1)
    assert (status("abandoned"), status("failing")) == ("failed", "failed")


@pytest.mark.django_db
@pytest.mark.usefixtures("_old_server")
def test_d10_a_clock_that_is_ahead_ends_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    queue().enqueue("tests.sample.add", 1, job_id="ended", result_ttl=200)
    run_next()
    push_job("a")
    job = claim()
    ahead = time.time() + 300
    monkeypatch.setattr(time, "time", lambda: ahead)
    Scheduler(clock=lambda: ahead).step()
    assert (status("a"), waiting()) == ("started", [])
    assert queue().finished_job_registry.get_job_ids(cleanup=False) == ["ended"]
    assert settle(job) == "finished"


def test_d11_only_one_of_two_copies_writes_its_end() -> None:
    push_job("a", retries=1)
    orphan = claim()
    end_leases()
    assert take_back("default") == ["a"]
    again = claim(worker="w2")
    assert settle(orphan, result='"late"') == "superseded"
    assert status("a") == "started"
    assert settle(again, worker="w2", result='"good"') == "finished"
    assert settle(orphan, result='"later"') == "superseded"
    (result,) = fetch("a").results()
    assert (result.type, result.return_value) == (Result.Type.SUCCESSFUL, "good")
    assert kinds("a").count("superseded") == 2


def everything() -> dict[bytes, Any]:
    found = client()
    return {key: found.dump(key) for key in found.keys("*")}


@pytest.mark.django_db
def test_d12_our_pages_change_nothing_and_call_nobody(
    admin_client: Client,
) -> None:
    """RQ's counts fail what looks abandoned and call its on_failure, in a web process."""
    stock = queue().enqueue(
        "tests.sample.add", job_id="a", on_failure=Callback("tests.sample.fail")
    )
    stock.set_status("started")
    client().lrem(keys.queue("default"), 0, "a")
    client().zadd(keys.wip("default"), {"a:gone": 1})
    before = everything()
    asyncio.run(asyncio.to_thread(read_snapshot))
    for path in ("/", "/jobs/", "/queues/", "/workers/"):
        assert admin_client.get(path).status_code == 200
    assert everything() == before


def test_d14_a_running_job_that_is_canceled_ends_and_stays_canceled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "RENEW_EVERY", 0.05)
    push_waiter("a", tmp_path / "never")

    async def script(worker: OurWorker) -> None:
        await until(lambda: status("a") == "started")
        await asyncio.to_thread(fetch("a").cancel)
        await until(lambda: not worker.crew.running)
        await worker.settler.drained()

    run_worker(script)
    assert status("a") == "canceled"
    assert queue().canceled_job_registry.get_job_ids() == ["a"]
    assert queue().finished_job_registry.get_job_ids() == []
    assert (waiting(), started().get_job_ids()) == ([], [])


def test_d14_a_running_job_that_is_deleted_stays_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "RENEW_EVERY", 0.05)
    push_waiter("a", tmp_path / "never")

    async def script(worker: OurWorker) -> None:
        await until(lambda: status("a") == "started")
        await asyncio.to_thread(fetch("a").delete)
        await until(lambda: not worker.crew.running)
        await worker.settler.drained()

    run_worker(script)
    left = [key for key in client().keys("rq:*") if b"a" in key.split(b":")]
    assert left == []
    assert client().zcard(keys.lease("default")) == 0


def test_d14_a_canceled_job_whose_worker_dies_does_not_run_again() -> None:
    push_job("a")
    claim()
    fetch("a").cancel()
    end_leases()
    assert take_back("default") == []
    assert (status("a"), waiting()) == ("canceled", [])
    assert (events()[-1]["kind"], events()[-1]["state"]) == ("lost", "canceled")


@pytest.mark.django_db(transaction=True)
def test_d14_the_ledger_hears_what_an_rq_client_did_to_a_running_job() -> None:
    push_job("canceled")
    push_job("abandoned")
    canceled, abandoned = claim(), claim()
    fetch("canceled").cancel()
    started().cleanup(time.time() + HOUR)
    assert [settle(canceled), settle(abandoned)] == ["superseded"] * 2
    record_all()
    states = {
        name: Job.objects.get(pk=name).state for name in ("canceled", "abandoned")
    }
    assert states == {"canceled": "canceled", "abandoned": "failed"}


def test_d14_a_child_of_a_canceled_parent_follows_when_the_parent_is_retried() -> None:
    push_job("parent")
    push_job("child", depends_on=["parent"])
    push_job("anyway", depends_on=["parent"], allow_failure=True)
    assert cancel("parent", "me") == (True, "queued")
    assert (status("child"), status("anyway")) == ("deferred", "queued")
    assert retry("parent", "me") == (True, "queued")
    run_until(lambda: status("child") == "finished", children=1)
