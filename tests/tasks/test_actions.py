from __future__ import annotations

from collections.abc import Callable

import pytest

from tasks.actions import (
    cancel,
    legal_verbs,
    mark_failed,
    retry,
    run_again,
    stop,
)
from tasks.broker import jobs as broker_jobs
from tasks.broker import keys
from tasks.errors import (
    BrokerUnavailable,
    InvalidArguments,
    JobNotFound,
    PermissionMissing,
    TransitionNotAllowed,
    WorkerUnreachable,
)
from tasks.models import Audit, Job
from tasks.policy import CODE, Actor
from tasks.states import SET_ASIDE, State
from tasks.submission import submit
from tests.engine import (
    claim,
    client,
    end_leases,
    kinds,
    record_all,
    run_next,
    status,
    take_back,
    waiting,
)
from tests.factories import create_job
from tests.sample import add

pytestmark = pytest.mark.django_db(transaction=True)

MARA = Actor("mara", "web")
NOBODY = Actor("eve", "web", frozenset())

Act = Callable[[Actor, str], Job]


def submitted(end: str = "", **options: object) -> str:
    """Submit a job and bring it to the end named; returns its id."""
    job_id = submit(add, [1], **options).id
    if end == "start":
        claim()
    elif end:
        run_next(end, str(options.get("queue", "default")))
    record_all()
    return job_id


def audited() -> list[tuple[str, str, str, str]]:
    return list(Audit.objects.values_list("actor", "via", "verb", "target"))


@pytest.mark.parametrize("act", [cancel, stop, retry, mark_failed, run_again])
def test_who_may_not_is_refused_and_nothing_is_written(act: Act) -> None:
    job_id = submitted("fail")
    with pytest.raises(PermissionMissing):
        act(NOBODY, job_id)
    assert audited() == []
    assert status(job_id) == "failed"


@pytest.mark.parametrize("act", [cancel, stop, retry, mark_failed, run_again])
def test_a_job_that_is_not_there_is_said_so(act: Act) -> None:
    with pytest.raises(JobNotFound):
        act(MARA, "nobody")


@pytest.mark.parametrize(
    ("end", "verbs"),
    [
        ("", ("cancel",)),
        ("start", ("stop",)),
        ("finish", ("run_again",)),
        ("fail", ("retry", "run_again")),
        ("stop", ("retry", "run_again")),
    ],
)
def test_the_legal_verbs_are_those_that_work(end: str, verbs: tuple[str, ...]) -> None:
    job_id = submitted(end)
    assert legal_verbs(Job.objects.get(pk=job_id)) == verbs
    acts: dict[str, Act] = {"cancel": cancel, "stop": stop, "retry": retry}
    for verb in acts.keys() - set(verbs):
        with pytest.raises(TransitionNotAllowed) as caught:
            acts[verb](MARA, job_id)
        state = Job.objects.get(pk=job_id).state
        assert (caught.value.verb, caught.value.state) == (verb, state)
    assert audited() == []


def test_a_job_that_cannot_be_read_cannot_be_retried() -> None:
    job = create_job(state=State.FAILED, unreadable="pickled", task="gone")
    assert legal_verbs(job) == ()


# Cancel.


def test_cancel_takes_a_waiting_job_out_and_is_audited() -> None:
    job_id = submitted()
    job = cancel(MARA, job_id)
    assert (job.state, waiting()) == ("canceled", [])
    assert job.ended_at is not None
    assert audited() == [("mara", "web", "cancel", job_id)]
    record_all()
    assert Job.objects.get().state == "canceled"


def test_cancel_works_before_the_push_was_recorded() -> None:
    job_id = submit(add, [1]).id
    assert cancel(MARA, job_id).state == "canceled"
    record_all()
    assert Job.objects.get().state == "canceled"


def test_cancel_of_a_job_that_was_never_pushed_keeps_it_from_being_pushed() -> None:
    job_id = submit(add, [1]).id
    client().flushdb()
    assert cancel(MARA, job_id).state == "canceled"
    assert not Job.objects.waiting().exists()


def test_a_worker_that_was_faster_wins_over_cancel() -> None:
    job_id = submitted()
    claim()
    with pytest.raises(TransitionNotAllowed) as caught:
        cancel(MARA, job_id)
    expected = f"Job {job_id} is started now, so it cannot be changed by cancel."
    assert str(caught.value) == expected
    assert audited() == []


# Stop.


def listen_as(worker: str) -> object:
    pubsub = client().pubsub()
    pubsub.subscribe(keys.worker_commands(worker))
    pubsub.get_message(timeout=1)
    return pubsub


def test_stop_tells_the_worker_in_rq_s_words() -> None:
    job_id = submitted("start")
    pubsub = listen_as("w1")
    stop(MARA, job_id)
    message = pubsub.get_message(timeout=1)  # type: ignore[attr-defined]
    pubsub.close()  # type: ignore[attr-defined]
    assert (
        message["data"] == f'{{"command": "stop-job", "job_id": "{job_id}"}}'.encode()
    )
    assert audited() == [("mara", "web", "stop", job_id)]


def test_stop_without_a_worker_that_hears_says_so() -> None:
    job_id = submitted("start")
    with pytest.raises(WorkerUnreachable, match="No worker answers"):
        stop(MARA, job_id)
    assert audited() == []


# Retry.


@pytest.mark.parametrize("end", ["fail", "stop"])
def test_retry_queues_the_same_job_and_is_audited(end: str) -> None:
    job_id = submitted(end)
    job = retry(MARA, job_id)
    assert (job.id, job.state, job.ended_at) == (job_id, "queued", None)
    assert waiting() == [job_id]
    assert audited() == [("mara", "web", "retry", job_id)]
    run_next()
    record_all()
    assert Job.objects.get().state == "finished"
    assert Job.objects.get().attempt_count == 2


@pytest.mark.parametrize(
    ("deaths", "wish", "state"), [(1, "hold", "lost"), (3, "", "quarantined")]
)
def test_a_lost_or_quarantined_job_begins_anew(
    deaths: int, wish: str, state: str
) -> None:
    job_id = submitted()
    client().hset(keys.job(job_id), "ty:on_lost", wish)
    for _number in range(deaths):
        claim()
        end_leases()
        take_back()
    record_all()
    assert Job.objects.get().state == state
    assert retry(MARA, job_id).state == "queued"
    assert not client().hexists(keys.job(job_id), "ty:deaths")
    run_next()
    record_all()
    assert Job.objects.get().state == "finished"


def test_a_canceled_job_can_be_retried() -> None:
    job_id = submitted()
    cancel(MARA, job_id)
    record_all()
    assert retry(MARA, job_id).state == "queued"


def test_a_job_that_redis_forgot_is_retried_from_its_row() -> None:
    job_id = submitted("fail", tags=["x"], retries=0)
    before = Job.objects.get()
    client().flushdb()
    assert retry(MARA, job_id).state == "queued"
    assert waiting() == [job_id]
    record_all()
    after = Job.objects.get()
    assert after.seq > before.seq
    assert claim().attempt == before.attempt_count + 1
    record_all()
    assert Job.objects.get().state == "started"


def test_retry_again_while_it_waits_is_refused() -> None:
    job_id = submitted("fail")
    retry(MARA, job_id)
    with pytest.raises(TransitionNotAllowed):
        retry(MARA, job_id)
    assert len(audited()) == 1


def test_without_redis_nothing_is_audited(monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = submitted("fail")

    def refuse(*_args: object) -> None:
        raise BrokerUnavailable("gone")

    monkeypatch.setattr(broker_jobs, "retry", refuse)
    with pytest.raises(BrokerUnavailable):
        retry(MARA, job_id)
    assert audited() == []


# Run again.


@pytest.mark.parametrize("state", sorted(SET_ASIDE))
def test_a_job_set_aside_is_marked_as_failed_once(state: State) -> None:
    job = create_job(state=state)
    assert "mark_failed" in legal_verbs(job)
    assert mark_failed(MARA, job.id).state == State.FAILED
    assert [entry.verb for entry in Audit.objects.filter(target=job.id)] == [
        "mark_failed"
    ]
    with pytest.raises(TransitionNotAllowed):
        mark_failed(MARA, job.id)


@pytest.mark.parametrize("state", sorted(set(State) - SET_ASIDE))
def test_no_other_job_is_marked_as_failed(state: State) -> None:
    job = create_job(state=state)
    assert "mark_failed" not in legal_verbs(job)
    with pytest.raises(TransitionNotAllowed):
        mark_failed(MARA, job.id)
    job.refresh_from_db()
    assert job.state == state
    assert not Audit.objects.exists()


def test_run_again_is_a_new_job_like_the_first() -> None:
    job_id = submitted("finish", queue="fast", tags=["x"], timeout=7, retries=3)
    again = run_again(MARA, job_id)
    assert again.id != job_id
    assert (again.queue, again.tags, again.timeout) == ("fast", ["x"], 7)
    assert (again.retries, again.kwargs) == (3, {"a": 1})
    assert again.submitted_by == "web · mara"
    assert Audit.objects.get().result == again.id


def test_run_again_with_other_arguments_checks_them() -> None:
    job_id = submitted("finish")
    assert run_again(MARA, job_id, {"a": "5"}).kwargs == {"a": 5}
    with pytest.raises(InvalidArguments):
        run_again(MARA, job_id, {"a": "x"})


def test_the_event_of_an_act_names_the_actor() -> None:
    job_id = submitted()
    cancel(MARA, job_id)
    assert kinds(job_id) == ["canceled"]
    assert CODE.name != "mara"
