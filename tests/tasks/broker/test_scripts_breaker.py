"""What a claim does with jobs whose task has an open breaker."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from rq import Queue
from rq.job import Job as RQJob
from rq.registry import ScheduledJobRegistry
from rq.serializers import JSONSerializer

from tasks import actions
from tasks.broker import keys
from tasks.broker.attempts import ClaimAnswer, HeldBack, Hold
from tasks.broker.breakers import read_holder
from tasks.broker.client import get_client
from tasks.models import Attempt, Job
from tasks.policy import cli_actor
from tasks.states import State
from tests.comparing import agree, compare
from tests.engine import (
    claim,
    claim_all,
    client,
    kinds,
    make_due,
    move,
    push_job,
    record_all,
    settle,
    status,
    waiting,
)
from tests.sample import add

ADD = "tests.sample.add"


def hold(task: str = ADD, path: str = ADD, *, lets: str = "none") -> Hold:
    slots = {"first": 60, "others": 61, "step": 0.5}
    return Hold(task, path, **slots, lets=lets, later=90)


def claim_held(*holds: Hold, **options: int) -> ClaimAnswer:
    return claim_all(holds=holds or (hold(),), **options)


def slots(queue: str = "default") -> list[tuple[str, float]]:
    found = client().zrange(keys.scheduled(queue), 0, -1, withscores=True)
    return [(job_id.decode(), due) for job_id, due in found]


def test_jobs_of_the_task_wait_for_their_slots_and_others_start() -> None:
    for job_id in "abc":
        push_job(job_id)
    push_job("other", task="tests.sample.halve", path="tests.sample.halve")
    now = timezone.now().timestamp()
    answer = claim_held()
    assert [job.id for job in answer.jobs] == ["other"]
    assert answer.held_back == [HeldBack(3, let_one_through=False)]
    found = slots()
    assert [job_id for job_id, _due in found] == ["a", "b", "c"]
    dues = [due for _job_id, due in found]
    assert dues[0] == pytest.approx(now + 60, abs=5)
    assert [due - dues[0] for due in dues] == pytest.approx([0, 1, 1.5])
    assert (waiting(), status("a")) == ([], "scheduled")


def test_no_attempt_begins() -> None:
    push_job("a", retries=2)
    claim_held()
    assert kinds("a") == ["pushed", "heldback"]
    fields = client().hgetall(keys.job("a"))
    assert fields[b"retries_left"] == b"2"
    unknown = {b"ty:exec", b"ty:attempts", b"started_at", b"worker_name"}
    assert not unknown & fields.keys()
    for key in (keys.lease("default"), keys.wip("default"), keys.executions("a")):
        assert not client().exists(key)


def test_rq_reads_it_as_scheduled() -> None:
    push_job("a")
    claim_held()
    registry = ScheduledJobRegistry(
        "default", connection=get_client(), serializer=JSONSerializer
    )
    assert registry.get_job_ids() == ["a"]


def test_it_comes_back_when_its_slot_does_and_may_be_held_back_again() -> None:
    push_job("a")
    for _look in range(3):
        claim_held()
        make_due("a", keys.scheduled("default"))
        move()
        assert waiting() == ["a"]
    job = claim()
    assert job.attempt == 1
    assert settle(job) == "finished"


def test_one_job_is_let_through_at_most() -> None:
    for job_id in "abc":
        push_job(job_id)
    answer = claim_held(hold(lets="any"))
    assert [job.id for job in answer.jobs] == ["a"]
    assert answer.held_back == [HeldBack(2, let_one_through=True)]


def test_where_it_must_have_a_retry_left_the_others_wait() -> None:
    push_job("last")
    push_job("first", retries=1)
    answer = claim_held(hold(lets="retry"))
    assert [job.id for job in answer.jobs] == ["first"]
    assert answer.held_back == [HeldBack(1, let_one_through=True)]


def test_those_at_their_last_try_wait_longer_where_no_other_came() -> None:
    now = timezone.now().timestamp()
    for job_id in "ab":
        push_job(job_id)
    claim_held(hold(lets="retry"))
    push_job("first", retries=1)
    push_job("c")
    claim_held(hold(lets="retry"))
    dues = {job_id: due - now for job_id, due in slots()}
    assert dues == pytest.approx({"a": 90, "b": 91, "c": 60}, abs=5)


def test_nothing_is_let_through_where_there_is_no_slot_for_it() -> None:
    push_job("a")
    answer = claim_held(hold(lets="any"), sync=0)
    assert answer.held_back == [HeldBack(0, let_one_through=False)]
    assert waiting() == ["a"]


def test_what_is_held_back_needs_no_slot() -> None:
    push_job("a")
    push_job("b", task="tests.sample.add_async", path="x.y", kind="async")
    answer = claim_held(sync=0)
    assert [job.id for job in answer.jobs] == ["b"]
    assert [job_id for job_id, _due in slots()] == ["a"]


@pytest.mark.parametrize("description", ["", "Add them up"])
@pytest.mark.parametrize("name", [ADD, "sum"])
def test_a_job_is_known_by_its_task(name: str, description: str) -> None:
    push_job("a", task=name, path=ADD, description=description)
    assert claim_held(hold(name)).held_back == [HeldBack(1, let_one_through=False)]


def test_each_breaker_has_its_own_slots() -> None:
    push_job("a")
    push_job("b", task="tests.sample.halve", path="tests.sample.halve")
    half = Hold("tests.sample.halve", "tests.sample.halve", 9, 9, 1, "none")
    one = HeldBack(1, let_one_through=False)
    assert claim_held(half, hold()).held_back == [one, one]
    assert [job_id for job_id, _due in slots()] == ["b", "a"]


def enqueue_stock(job_id: str) -> None:
    queue = Queue("default", connection=get_client(), serializer=JSONSerializer)
    queue.enqueue(add, 1, job_id=job_id)


@pytest.mark.django_db
def test_a_stock_clients_job_of_the_task_is_adopted_as_it_is_held_back() -> None:
    enqueue_stock("a")
    claim_held(hold("sum"))
    record_all()
    job = Job.objects.get(pk="a")
    assert (job.state, job.task, job.args) == (State.SCHEDULED, ADD, [1])
    make_due("a", keys.scheduled("default"))
    move()
    settle(claim())
    record_all()
    job.refresh_from_db()
    assert (job.state, job.attempt_count) == (State.FINISHED, 1)


@pytest.mark.django_db
def test_the_ledger_says_scheduled_and_until_when_and_gains_no_attempt() -> None:
    push_job("a")
    for _look in range(3):
        claim_held()
        record_all()
        job = Job.objects.get(pk="a")
        assert (job.state, job.attempt_count) == (State.SCHEDULED, 0)
        assert job.due_at is not None
        left = job.due_at - timezone.now()
        assert timedelta(seconds=50) < left < timedelta(seconds=70)
        make_due("a", keys.scheduled("default"))
        move()
        record_all()
        assert Job.objects.get(pk="a").state == State.QUEUED
    assert not Attempt.objects.exists()


@pytest.mark.django_db
def test_a_job_that_is_held_back_can_be_canceled() -> None:
    push_job("a")
    claim_held()
    record_all()
    actions.cancel(cli_actor(), "a")
    assert (status("a"), slots()) == ("canceled", [])


def test_a_ttl_goes_on_while_a_job_is_held_back() -> None:
    push_job("a")
    client().expire(keys.job("a"), 100)
    claim_held()
    assert 0 < client().ttl(keys.job("a")) <= 100


def test_a_job_that_cannot_be_held_back_fails_with_the_reason() -> None:
    client().set(keys.scheduled("default"), "no zset")
    push_job("a")
    push_job("b", task="tests.sample.halve", path="tests.sample.halve")
    assert [job.id for job in claim_held().jobs] == ["b"]
    assert (waiting(), status("a"), kinds("a")[-1]) == ([], "failed", "failed")


def test_a_claim_holds_many_back_and_leaves_the_rest_to_the_next() -> None:
    for number in range(300):
        push_job(f"a{number:03}")
    answer = claim_held(most=40)
    held = answer.held_back[0].jobs
    assert 100 <= held <= 140
    assert len(waiting()) == 300 - held


def test_a_page_knows_who_holds_it_back_until_it_goes_on() -> None:
    push_job("a")
    assert read_holder("a") is None
    claim_held()
    found = read_holder("a")
    assert found is not None
    assert (found.worker, found.until.timestamp()) == ("w1", slots()[0][1])


def test_rq_fetches_it() -> None:
    push_job("a")
    claim_held()
    job = RQJob.fetch("a", connection=get_client(), serializer=JSONSerializer)
    assert job.get_status() == "scheduled"


@pytest.mark.django_db(transaction=True)
def test_when_redis_lost_it_it_waits_for_its_slot_again() -> None:
    push_job("a")
    claim_held()
    ((_job, due),) = slots()
    agree()
    client().flushdb()
    compare()
    assert (status("a"), waiting()) == ("scheduled", [])
    assert client().zscore(keys.DELAYED, "a") == pytest.approx(due, abs=0.01)
