"""RQ's `Queue`, and its acts on jobs of ours in every state."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rq import Queue
from rq.exceptions import InvalidJobOperation
from rq.job import Job, cancel_job
from rq.serializers import JSONSerializer

from tasks.broker import keys
from tests.conftest import wait_until
from tests.contract.stock import beside, fetch, push_waiter, queue
from tests.engine import (
    claim,
    claim_all,
    client,
    kinds,
    make_due,
    move,
    push_job,
    run_next,
    settle,
    status,
    waiting,
)
from tests.tasks.worker.running import run_until


def delayed(job_id: str) -> str:
    return push_job(job_id, due_at=datetime.now(UTC) + timedelta(hours=1))


def run_the_rest(*job_ids: str) -> None:
    run_until(
        lambda: all(status(job_id) == "finished" for job_id in job_ids), children=1
    )


def test_a_queue_of_ours_reads_as_rq_s_own() -> None:
    ids = [push_job(name) for name in ("a", "b", "c")]
    push_job("front", at_front=True)
    push_job("elsewhere", queue="mail")
    found = Queue.all(connection=client(), serializer=JSONSerializer)
    assert sorted(each.name for each in found) == ["default", "mail"]
    default = queue()
    assert (default.count, len(default), default.is_empty()) == (4, 4, False)
    assert default.job_ids == default.get_job_ids() == ["front", *ids]
    assert default.get_job_ids(1, 2) == ["a", "b"]
    assert [job.id for job in default.jobs] == ["front", *ids]
    assert [default.get_job_position(name) for name in ("front", "c")] == [0, 3]
    job = default.fetch_job("a")
    assert job is not None
    assert job.id == "a"
    assert default.fetch_job("elsewhere") is None


def test_a_removed_job_does_not_run() -> None:
    push_job("a")
    push_job("b")
    queue().remove("a")
    run_the_rest("b")
    assert status("a") == "queued"
    assert waiting() == []


def test_emptying_a_queue_takes_its_jobs_away() -> None:
    push_job("a")
    push_job("b")
    assert queue().empty() == 2
    assert (queue().count, Job.exists("a", client())) == (0, False)
    assert claim_all().jobs == []
    push_job("c")
    run_the_rest("c")


def test_a_deleted_queue_comes_back_with_its_next_job() -> None:
    push_job("a", queue="mail")
    queue("mail").delete()
    assert Queue.all(connection=client()) == []
    push_job("b", queue="mail")
    assert [each.name for each in Queue.all(connection=client())] == ["mail"]
    assert queue("mail").job_ids == ["b"]


def test_compacting_drops_ids_without_a_job() -> None:
    push_job("a")
    push_job("b")
    client().delete(keys.job("a"))
    queue().compact()
    assert queue().job_ids == ["b"]


def test_a_waiting_job_is_canceled() -> None:
    push_job("a")
    push_job("b")
    cancel_job("a", client(), JSONSerializer)
    assert (fetch("a").is_canceled, queue().job_ids) == (True, ["b"])
    assert queue().canceled_job_registry.get_job_ids() == ["a"]
    with pytest.raises(InvalidJobOperation):
        fetch("a").cancel()
    run_the_rest("b")
    assert fetch("a").is_canceled


def test_a_delayed_job_is_canceled_or_deleted() -> None:
    delayed("canceled")
    delayed("deleted")
    fetch("canceled").cancel()
    fetch("deleted").delete()
    for job_id in ("canceled", "deleted"):
        client().zadd(keys.DELAYED, {job_id: 1})
    move()
    assert (waiting(), status("canceled"), status("deleted")) == ([], "canceled", "")


def test_a_deferred_job_is_canceled_or_deleted() -> None:
    push_job("parent")
    push_job("canceled", depends_on=["parent"])
    push_job("deleted", depends_on=["parent"])
    push_job("kept", depends_on=["parent"])
    fetch("canceled").cancel()
    fetch("deleted").delete()
    assert queue().deferred_job_registry.get_job_ids() == ["kept"]
    run_the_rest("parent", "kept")
    assert (status("canceled"), status("deleted")) == ("canceled", "")


def test_canceling_with_its_dependents_releases_them() -> None:
    push_job("parent")
    push_job("child", depends_on=["parent"], allow_failure=True)
    fetch("parent").cancel(enqueue_dependents=True)
    assert status("parent") == "canceled"
    run_the_rest("child")


def test_a_running_job_that_is_canceled_stays_canceled(tmp_path: Path) -> None:
    push_job("a")
    job = claim()
    fetch("a").cancel()
    assert settle(job) == "superseded"
    assert status("a") == "canceled"
    assert queue().canceled_job_registry.get_job_ids() == ["a"]
    assert queue().finished_job_registry.get_job_ids() == []
    assert kinds("a")[-2:] == ["superseded", "canceled"]


def test_an_ended_job_is_deleted_with_what_belongs_to_it() -> None:
    push_job("a")
    run_next("fail")
    fetch("a").delete()
    assert not Job.exists("a", client())
    assert queue().failed_job_registry.get_job_ids() == []


def test_deleting_a_parent_may_delete_its_dependents() -> None:
    push_job("parent")
    push_job("child", depends_on=["parent"])
    fetch("parent").delete(delete_dependents=True)
    assert (status("parent"), status("child")) == ("", "")
    assert queue().deferred_job_registry.get_job_ids() == []


def test_rq_reads_both_ends_of_a_dependency(tmp_path: Path) -> None:
    push_waiter("parent", tmp_path / "go")
    push_job("child", depends_on=["parent"])
    child = fetch("child")
    assert child.is_deferred
    assert child.dependency is not None
    assert child.dependency.id == "parent"
    assert child.dependency_ids == ["parent"]
    assert [job.id for job in child.fetch_dependencies()] == ["parent"]
    assert not child.dependencies_are_met()
    assert fetch("parent").dependent_ids == ["child"]

    def finish() -> None:
        (tmp_path / "go").touch()
        wait_until(lambda: status("child") == "finished")

    beside(finish, children=1)
    assert fetch("child").dependencies_are_met()


def test_a_delayed_job_of_a_stock_client_becomes_ours_when_due() -> None:
    later = queue().enqueue_in(timedelta(hours=1), "tests.sample.add", 1)
    assert queue().scheduled_job_registry.get_job_ids() == [later.id]
    make_due(later.id, keys.scheduled("default"))
    move()
    assert queue().job_ids == [later.id]
    run_the_rest(later.id)
