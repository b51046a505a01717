"""RQ's registries on our data: counts, ids, cleaning, requeueing."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rq.exceptions import InvalidJobOperation, NoSuchJobError
from rq.job import JobStatus, requeue_job
from rq.registry import (
    FailedJobRegistry,
    clean_registries,
)
from rq.serializers import JSONSerializer

from tests.conftest import wait_until
from tests.contract.stock import beside, fetch, fill, ids, queue, registries
from tests.engine import (
    claim,
    client,
    kinds,
    push_job,
    run_next,
    settle,
    status,
    waiting,
)
from tests.tasks.worker.running import run_until


def test_each_registry_lists_and_counts_its_jobs(tmp_path: Path) -> None:
    expected = fill(tmp_path)

    def look() -> None:
        wait_until(lambda: ids(cleanup=False) == expected)
        assert ids() == expected
        for name, registry in registries().items():
            assert registry.count == len(registry) == 1
            assert registry.get_job_count(cleanup=False) == 1
            assert expected[name][0] in registry
            assert "nobody" not in registry
        clean_registries(queue())
        assert ids(cleanup=False) == expected
        (tmp_path / "go").touch()
        wait_until(lambda: status("child") == "finished")

    beside(look, children=1)
    after = ids()
    assert (after["started"], after["deferred"]) == ([], [])
    assert sorted(after["finished"]) == ["child", "good", "waits"]


def test_the_registries_know_when_an_entry_goes() -> None:
    push_job("good")
    run_next()
    push_job("bad")
    run_next("fail")
    push_job("later", retries=1)
    run_next("fail", retry_after=600)
    found = registries()
    now = datetime.now(UTC)
    good = found["finished"].get_expiration_time(fetch("good"))
    assert good - now == pytest.approx(timedelta(seconds=500), abs=timedelta(minutes=1))
    assert found["failed"].get_expiration_time(fetch("bad")) > now
    due = found["scheduled"].get_scheduled_time("later")
    assert due - now == pytest.approx(timedelta(minutes=10), abs=timedelta(minutes=1))
    with pytest.raises(NoSuchJobError):
        found["scheduled"].get_scheduled_time("nobody")


def test_cleaning_forgets_what_expired_and_nothing_else() -> None:
    push_job("good")
    run_next()
    finished = registries()["finished"]
    finished.cleanup(time.time())
    assert finished.get_job_ids() == ["good"]
    finished.cleanup(time.time() + 366 * 24 * 3600)
    assert finished.get_job_ids() == []


def test_cleaning_leaves_a_running_job_of_ours_alone() -> None:
    """Its entry in `rq:wip` ends 90 s ahead, and each beat moves that on."""
    push_job("a")
    job = claim()
    started = registries()["started"]
    started.cleanup(time.time() + 60)
    assert started.get_job_and_execution_ids() == [("a", job.execution)]
    assert settle(job) == "finished"


@pytest.mark.parametrize("act", ["function", "job", "registry", "at front"])
def test_a_failed_job_is_requeued_and_runs(act: str) -> None:
    push_job("a", retries=0)
    run_next("fail")
    push_job("b")
    registry = FailedJobRegistry(queue=queue())
    if act == "function":
        requeue_job("a", client(), JSONSerializer)
    elif act == "job":
        fetch("a").requeue()
    else:
        registry.requeue("a", at_front=act == "at front")
    assert waiting() == (["a", "b"] if act == "at front" else ["b", "a"])
    assert (status("a"), registry.get_job_ids()) == ("queued", [])
    run_until(lambda: status("a") == "finished", children=1)
    job = fetch("a")
    assert job.return_value() == 3
    assert len(job.results()) == 2
    assert kinds("a")[-2:] == ["started", "finished"]
    with pytest.raises(InvalidJobOperation):
        registry.requeue("a")


def test_a_stopped_job_stands_among_the_failed() -> None:
    push_job("a")
    run_next("stop")
    job = fetch("a")
    assert (job.get_status(), job.is_stopped) == (JobStatus.STOPPED, True)
    assert ids()["failed"] == ["a"]
    job.requeue()
    assert status("a") == "queued"
