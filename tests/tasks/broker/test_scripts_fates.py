"""What becomes of a job whose worker was lost, as its task wishes."""

from __future__ import annotations

import pytest
from rq.job import Job as RqJob
from rq.registry import FailedJobRegistry
from rq.serializers import JSONSerializer

from tasks.broker import jobs as broker_jobs
from tasks.broker import keys
from tasks.broker.losses import sweep
from tasks.broker.push import push
from tasks.broker.scripts import invoke
from tasks.broker.wire import Envelope
from tests.engine import (
    claim,
    client,
    end_leases,
    events,
    push_job,
    settle,
    status,
    take_back,
    waiting,
)


def lose(job_id: str = "a", **fields: object) -> None:
    """Have a job's worker be silent for longer than its lease."""
    push_job(job_id, **fields)
    claim()
    end_leases()
    take_back()


@pytest.mark.parametrize(("wish", "state"), [("fail", "failed"), ("hold", "lost")])
def test_what_must_not_run_twice_does_not(wish: str, state: str) -> None:
    push_job("a", on_worker_lost=wish, retries=3)
    claim(worker="w7")
    end_leases()
    [loss] = sweep("default")
    assert (loss.job_id, loss.state, loss.worker) == ("a", state, "w7")
    assert (waiting(), status("a")) == ([], "failed")
    event = events()[-1]
    assert (event["kind"], event["state"], event["error"]) == (
        *("lost", state),
        "WorkerLost",
    )
    assert event.number("started")


def test_to_rq_it_is_a_failed_job_with_a_reason() -> None:
    lose(on_worker_lost="hold")
    job = RqJob.fetch("a", connection=client(), serializer=JSONSerializer)
    assert job.is_failed
    assert job.ended_at
    assert "stopped answering" in str(job._exc_info)
    result = job.latest_result()
    assert result
    assert "WorkerLost" in (result.exc_string or "")
    registry = FailedJobRegistry("default", connection=client())
    assert registry.get_job_ids(cleanup=False) == ["a"]
    assert 0 < client().ttl(keys.job("a")) <= 7 * 24 * 3600


def test_whoever_waits_for_its_result_hears_of_it() -> None:
    lose(on_worker_lost="fail")
    outcome = broker_jobs.wait_for_outcome("a", 1, lambda: True)
    assert outcome
    assert (outcome.state, outcome.traceback.split(":")[0]) == ("failed", "WorkerLost")


def test_its_children_that_accept_failures_may_follow() -> None:
    push_job("a", on_worker_lost="fail")
    push_job("b", depends_on=["a"], allow_failure=True)
    push_job("c", depends_on=["a"])
    claim()
    end_leases()
    take_back()
    assert client().smembers(keys.RELEASES) == {b"a"}
    invoke(client(), "release", (), (50,))
    assert (waiting(), status("c")) == (["b"], "deferred")


def test_a_held_job_runs_when_somebody_says_so() -> None:
    lose(on_worker_lost="hold")
    assert broker_jobs.retry("a", "mara") == (True, "queued")
    settle(claim())
    assert status("a") == "finished"
    assert client().zcard(keys.failed("default")) == 0


def test_the_wish_goes_into_the_hash_only_where_it_is_one() -> None:
    call: dict[str, str] = {"task": "x", "path": "x", "queue": "default"}
    wishes = {"a": "requeue", "b": "hold", "c": "fail"}
    push([Envelope(id=i, on_worker_lost=wish, **call) for i, wish in wishes.items()])
    told = [client().hget(keys.job(job_id), "ty:on_lost") for job_id in wishes]
    assert told == [None, b"hold", b"fail"]


def test_a_job_that_is_not_to_be_kept_is_gone_and_its_end_is_told() -> None:
    push_job("a", on_worker_lost="fail")
    client().hset(keys.job("a"), "failure_ttl", 0)
    claim()
    end_leases()
    take_back()
    assert not client().exists(keys.job("a"))
    told = events()[-1]
    assert (told.kind, told.state, told.seq) == ("lost", "failed", 3)
