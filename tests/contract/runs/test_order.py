"""When a job may run: with others, later, after others."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from rq import Queue, Retry
from rq.group import Group
from rq.job import Dependency, Job, JobStatus

from tests.conftest import wait_until
from tests.contract import functions
from tests.contract.running import Runner, registries_of
from tests.engine import client

pytestmark = pytest.mark.integration


# Many at once, and groups.


def test_enqueue_many(runner: Runner) -> None:
    prepare = Queue.prepare_data
    jobs = runner.queue.enqueue_many(
        [
            prepare(functions.wait_for, ("go",), job_id="first", meta={"a": 1}),
            prepare(functions.multiply, (4,), {"b": 5}, result_ttl=60, description="x"),
            prepare(functions.fail_times, (1,), retry=Retry(max=1)),
            prepare(functions.note, ("after",), depends_on="first"),
        ]
    )
    client().set("go", 1)
    ended = {job.id: runner.wait(job, JobStatus.FINISHED) for job in jobs}
    values = [job.return_value() for job in ended.values()]
    assert sorted(map(str, values)) == ["2", "20", "None", "seen"]
    assert client().lrange("noted", 0, -1) == [b"after"]
    assert ended["first"].meta == {"a": 1}


def test_a_group_made_of_many(runner: Runner) -> None:
    group = Group.create(connection=client())
    data = [Queue.prepare_data(functions.multiply, (n,)) for n in range(3)]
    jobs = group.enqueue_many(runner.queue, data)
    for job in jobs:
        ended = runner.wait(job)
        assert ended.group_id == group.name
    assert {job.id for job in group.get_jobs()} == {job.id for job in jobs}
    assert [found.name for found in Group.all(client())] == [group.name]


def test_a_group_forgets_a_job_that_is_gone(runner: Runner) -> None:
    group = Group.create(connection=client())
    data = [
        Queue.prepare_data(functions.multiply, (2,)),
        Queue.prepare_data(functions.multiply, (2,), result_ttl=0),
    ]
    kept, gone = group.enqueue_many(runner.queue, data)
    runner.wait(kept)
    wait_until(lambda: not Job.exists(gone.id, client()))
    assert [job.id for job in group.get_jobs()] == [kept.id]


# Later.


@pytest.mark.parametrize("is_front", [False, True])
def test_enqueue_in_and_at(runner: Runner, is_front: bool) -> None:
    soon = runner.queue.enqueue_in(
        timedelta(hours=1), functions.note, "in", at_front=is_front, job_timeout=9
    )
    at = datetime.now(UTC) + timedelta(hours=1)
    later = runner.queue.enqueue_at(at, functions.note, "at")
    registry = runner.queue.scheduled_job_registry
    assert abs(registry.get_scheduled_time(later) - at) < timedelta(seconds=1)
    assert registries_of(soon, runner.queue) == {"scheduled"}
    runner.release(soon)
    ended = runner.wait(soon, JobStatus.FINISHED)
    assert ended.timeout == 9
    assert runner.fetch(later).is_scheduled
    runner.release(later)
    runner.wait(later, JobStatus.FINISHED)
    assert client().lrange("noted", 0, -1) == [b"in", b"at"]


def test_a_canceled_moment_does_not_come(runner: Runner) -> None:
    job = runner.queue.enqueue_in(timedelta(hours=1), functions.note, "never")
    job.cancel()
    assert registries_of(job, runner.queue) == {"canceled"}
    assert runner.run(functions.multiply, 1).is_finished
    assert client().llen("noted") == 0


# After others.


def test_a_child_follows_its_parents(runner: Runner) -> None:
    first = runner.enqueue(functions.wait_for, "go")
    second = runner.enqueue(functions.note, "second")
    child = runner.enqueue(functions.note, "child", depends_on=[first, second.id])
    assert child.get_status() == JobStatus.DEFERRED
    assert registries_of(child, runner.queue) == {"deferred"}
    client().set("go", 1)
    ended = runner.wait(child, JobStatus.FINISHED)
    assert client().lrange("noted", 0, -1) == [b"second", b"child"]
    assert {parent.id for parent in ended.fetch_dependencies()} == {first.id, second.id}


def test_a_child_of_a_finished_parent_runs_at_once(runner: Runner) -> None:
    parent = runner.run(functions.nothing)
    assert runner.run(functions.multiply, 2, depends_on=parent).is_finished


def test_a_child_of_a_failed_parent_waits(runner: Runner) -> None:
    gate = runner.enqueue(functions.wait_for, "gate")
    parent = runner.enqueue(functions.fail, depends_on=gate)
    child = runner.enqueue(functions.note, "child", depends_on=parent)
    client().set("gate", "open")
    assert runner.wait(parent, JobStatus.FAILED)
    assert child.get_status() == JobStatus.DEFERRED
    assert registries_of(child, runner.queue) == {"deferred"}


def test_requeueing_a_failed_parent_releases_its_child(runner: Runner) -> None:
    parent = runner.enqueue(functions.fail_times, 1)
    child = runner.enqueue(functions.note, "child", depends_on=parent)
    runner.wait(parent, JobStatus.FAILED).requeue()
    assert runner.wait(child, JobStatus.FINISHED)
    assert runner.fetch(parent).is_finished


def test_allow_failure(runner: Runner) -> None:
    gate = runner.enqueue(functions.wait_for, "gate")
    parent = runner.enqueue(functions.fail, depends_on=gate)
    after = Dependency(jobs=[parent], allow_failure=True)
    child = runner.enqueue(functions.note, "child", depends_on=after)
    client().set("gate", "open")
    assert runner.wait(child, JobStatus.FINISHED)
    assert runner.fetch(parent).is_failed


def test_allow_failure_of_a_parent_that_was_stopped(runner: Runner) -> None:
    parent = runner.enqueue(functions.sleep, 60)
    after = Dependency(jobs=[parent], allow_failure=True)
    child = runner.enqueue(functions.note, "child", depends_on=after)
    runner.stop(parent)
    assert runner.run(functions.nothing).is_finished
    # A stock worker leaves it waiting for ever.
    expected = JobStatus.FINISHED if runner.is_ours else JobStatus.DEFERRED
    assert runner.wait(child, expected)


def test_a_dependency_at_the_front(runner: Runner) -> None:
    def child() -> Job:
        after = Dependency(jobs=[parent], enqueue_at_front=True)
        return runner.enqueue(functions.note, "child", depends_on=after)

    parent = Job.create(
        functions.note, ["parent"], connection=client(), serializer=runner.serializer
    )
    ran = runner.behind_a_gate(
        lambda: runner.queue.enqueue_job(parent), *runner.others(), child
    )
    assert ran.index("child") < ran.index("last")


def test_a_child_in_a_queue_of_another_name(runner: Runner) -> None:
    gate = runner.enqueue(functions.wait_for, "gate")
    elsewhere = Queue("elsewhere", connection=client(), serializer=runner.serializer)
    child = elsewhere.enqueue(functions.note, "child", depends_on=gate)
    client().set("gate", "open")
    runner.wait(gate)
    wait_until(lambda: elsewhere.job_ids == [child.id])
    assert child.get_status() == JobStatus.QUEUED
