from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tasks.broker import jobs as broker_jobs
from tasks.errors import BrokerUnavailable
from tasks.models import Audit, Dependency, Fire, Job, Schedule
from tasks.models.fire import Verdict
from tasks.models.schedule import Kind, Misfire, Overlap
from tasks.policy import Actor
from tasks.schedules.drafts import job_id_of
from tasks.schedules.fires import Firing
from tasks.schedules.overlap import Line, Place, Unended, line_of
from tasks.states import State
from tests.engine import claim, record_all, settle, status, waiting
from tests.timetable import DAY, NOW, create_backfill, create_fire, create_schedule

pytestmark = pytest.mark.django_db(transaction=True)

DUE = NOW + timedelta(hours=1)
NEXT = DUE + DAY

RUNS, WAITS = Unended("runs", has_begun=True), Unended("waits")


# Where a job stands.


@pytest.mark.parametrize(
    ("overlap", "jobs", "place"),
    [
        (Overlap.ALLOW, [RUNS, WAITS], Place()),
        (Overlap.SKIP, [], Place()),
        (Overlap.SKIP, [RUNS], Place(blocked_by="runs")),
        (Overlap.SKIP, [RUNS, WAITS], Place(blocked_by="waits")),
        (Overlap.QUEUE_ONE, [], Place()),
        (Overlap.QUEUE_ONE, [RUNS], Place(("runs",))),
        (Overlap.QUEUE_ONE, [WAITS], Place(blocked_by="waits")),
        (Overlap.QUEUE_ONE, [RUNS, WAITS], Place(blocked_by="waits")),
        (Overlap.QUEUE_ALL, [], Place()),
        (Overlap.QUEUE_ALL, [RUNS], Place(("runs",))),
        (Overlap.QUEUE_ALL, [RUNS, WAITS], Place(("runs", "waits"))),
        (Overlap.QUEUE_ALL, [WAITS, Unended("last")], Place(("last",))),
        (Overlap.CANCEL, [RUNS], Place(("runs",))),
        (Overlap.STOP, [RUNS], Place()),
    ],
)
def test_a_new_job_stands_where_the_schedule_says(
    overlap: Overlap, jobs: list[Unended], place: Place
) -> None:
    assert Line(overlap, list(jobs)).place("new") == place


def test_a_job_that_came_is_before_the_next_one() -> None:
    line = Line(Overlap.SKIP)
    assert line.place("first") == Place()
    assert line.place("second") == Place(blocked_by="first")
    assert line.place("third") == Place(blocked_by="first")


def test_jobs_that_come_together_wait_in_one_line() -> None:
    line = Line(Overlap.QUEUE_ALL)
    places = [line.place(name) for name in ("a", "b", "c")]
    assert [place.depends_on for place in places] == [(), ("a",), ("b",)]


# What has not ended.


def test_jobs_that_have_ended_are_in_nobody_s_way() -> None:
    schedule = create_schedule(overlap=Overlap.SKIP)
    for number, state in enumerate((State.FINISHED, State.FAILED, State.LOST)):
        create_fire(schedule, NOW - number * DAY, state=state)
    create_fire(schedule, NOW - 4 * DAY)  # a job that the ledger keeps no more
    assert line_of(schedule).jobs == []


def test_the_oldest_comes_first_and_one_to_be_retried_has_begun() -> None:
    schedule = create_schedule(overlap=Overlap.SKIP)
    newest = create_fire(schedule, NOW, state=State.CREATED).job_key
    retried = create_fire(schedule, NOW - DAY, state=State.SCHEDULED).job_key
    Job.objects.filter(pk=retried).update(attempt_count=1)
    running = create_fire(schedule, NOW - 2 * DAY, state=State.STARTED).job_key
    assert line_of(schedule).jobs == [
        Unended(running, has_begun=True),
        Unended(retried, has_begun=True),
        Unended(newest),
    ]


def test_moments_that_were_skipped_do_not_hide_a_job() -> None:
    schedule = create_schedule(overlap=Overlap.SKIP)
    running = create_fire(schedule, NOW - 200 * DAY, state=State.STARTED).job_key
    for number in range(150):
        create_fire(schedule, NOW - number * DAY, Verdict.SKIPPED)
    assert [job.id for job in line_of(schedule).jobs] == [running]


def test_jobs_of_a_backfill_do_not_count() -> None:
    schedule = create_schedule(overlap=Overlap.SKIP)
    backfill = create_backfill(schedule)
    create_fire(schedule, NOW - DAY, state=State.STARTED, backfill=backfill)
    assert line_of(schedule).jobs == []


def fire_first(overlap: Overlap, **fields: Any) -> Schedule:
    """Fire the first moment of a schedule; its job waits in Redis."""
    schedule = create_schedule(overlap=overlap, **fields)
    Firing().step(DUE)
    record_all()
    return schedule


def start_first() -> Any:
    job = claim()
    record_all()
    return job


def test_redis_knows_of_an_end_that_is_not_recorded() -> None:
    schedule = fire_first(Overlap.SKIP)
    settle(start_first())
    assert Job.objects.get().state == State.STARTED
    assert line_of(schedule).jobs == []


def test_redis_knows_of_a_start_that_is_not_recorded() -> None:
    schedule = fire_first(Overlap.QUEUE_ONE)
    job = claim()
    assert line_of(schedule).jobs == [Unended(job.id, has_begun=True)]


def test_without_redis_the_ledger_says_what_has_not_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_ids: list[str]) -> None:
        raise BrokerUnavailable("gone")

    schedule = fire_first(Overlap.SKIP)
    monkeypatch.setattr(broker_jobs, "known_states", refuse)
    assert len(line_of(schedule).jobs) == 1


# What becomes of the next moment.


def second() -> Fire:
    Firing().step(NEXT)
    return Fire.objects.get(due_at=NEXT)


def first_id(schedule: Schedule) -> str:
    return job_id_of(schedule.id, DUE)


def test_the_next_is_skipped_because_of_the_one_that_goes_on() -> None:
    schedule = fire_first(Overlap.SKIP)
    fire = second()
    assert (fire.verdict, fire.reason, fire.job_key) == ("skipped", "overlap", "")
    assert fire.blocked_by == first_id(schedule)
    assert Job.objects.count() == 1


def test_the_next_runs_once_the_first_has_ended() -> None:
    fire_first(Overlap.SKIP)
    settle(start_first())
    record_all()
    assert second().verdict == Verdict.RAN


@pytest.mark.parametrize("verb", ["finish", "fail"])
def test_the_next_waits_for_the_end_however_that_is(verb: str) -> None:
    schedule = fire_first(Overlap.QUEUE_ALL)
    first = start_first()
    fire = second()
    edge = Dependency.objects.get()
    assert (edge.child, edge.parent) == (fire.job_key, first_id(schedule))
    assert status(fire.job_key) == "deferred"
    settle(first, verb)
    assert waiting() == [fire.job_key]


def test_one_waits_and_no_other() -> None:
    fire_first(Overlap.QUEUE_ONE)
    start_first()
    waits = second()
    Firing().step(NEXT + DAY)
    third = Fire.objects.get(due_at=NEXT + DAY)
    assert (waits.verdict, third.verdict) == (Verdict.RAN, Verdict.SKIPPED)
    assert third.blocked_by == waits.job_key


def test_one_that_waits_is_canceled_for_the_next() -> None:
    schedule = fire_first(Overlap.CANCEL)
    fire = second()
    assert status(first_id(schedule)) == "canceled"
    assert waiting() == [fire.job_key]
    audit = Audit.objects.get()
    assert (audit.actor, audit.via, audit.verb) == ("nightly", "schedule", "cancel")


@pytest.mark.parametrize(
    ("overlap", "state"), [(Overlap.CANCEL, "deferred"), (Overlap.STOP, "queued")]
)
def test_one_that_runs_is_asked_to_end(
    overlap: Overlap, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(
        broker_jobs, "request_stop", lambda job_id: bool(asked.append(job_id) or True)
    )
    schedule = fire_first(overlap)
    start_first()
    fire = second()
    assert asked == [first_id(schedule)]
    assert status(fire.job_key) == state


def test_a_worker_that_does_not_hear_holds_up_no_moment() -> None:
    fire_first(Overlap.STOP)
    start_first()
    assert second().verdict == Verdict.RAN


def test_without_redis_a_moment_that_ends_another_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_given: str) -> None:
        raise BrokerUnavailable("gone")

    fire_first(Overlap.STOP)
    create_schedule("other", now=DUE)
    firing = Firing()
    with monkeypatch.context() as patched:
        patched.setattr(broker_jobs, "cancel", refuse)
        firing.step(NEXT)
    assert Fire.objects.filter(due_at=NEXT).get().schedule.name == "other"
    firing.step(NEXT + timedelta(seconds=1))
    assert Fire.objects.filter(due_at=NEXT).count() == 2


@pytest.mark.parametrize(
    ("overlap", "expected"),
    [
        (Overlap.SKIP, ["late", "skipped", "skipped"]),
        (Overlap.QUEUE_ONE, ["late", "skipped", "skipped"]),
        (Overlap.QUEUE_ALL, ["late", "late", "late"]),
        (Overlap.CANCEL, ["skipped", "skipped", "late"]),
        (Overlap.STOP, ["skipped", "skipped", "late"]),
    ],
)
def test_several_that_come_together_overlap_each_other(
    overlap: Overlap, expected: list[str]
) -> None:
    create_schedule(overlap=overlap, misfire=Misfire.ALL)
    Firing().step(DUE + 2 * DAY + timedelta(hours=1))
    fires = list(Fire.objects.order_by("due_at"))
    assert [fire.verdict for fire in fires] == expected
    if overlap in (Overlap.CANCEL, Overlap.STOP):
        assert {fire.blocked_by for fire in fires[:2]} == {fires[2].job_key}
        assert fires[0].reason == "superseded"


def test_a_line_of_jobs_that_catch_up_runs_one_after_the_other() -> None:
    create_schedule(overlap=Overlap.QUEUE_ALL, kind=Kind.EVERY, every=1, expression="")
    Firing().step(NOW + timedelta(seconds=3))
    ids = list(Fire.objects.order_by("due_at").values_list("job_key", flat=True))
    assert waiting() == ids[:1]
    for job_id in ids:
        job = claim()
        assert job.id == job_id
        settle(job)


def test_ending_what_has_ended_does_nothing() -> None:
    schedule = fire_first(Overlap.STOP)
    settle(start_first())
    line = Line(Overlap.STOP, [Unended(first_id(schedule), has_begun=True)])
    line.clear(Actor("nightly", "schedule"))
    assert line.jobs == []
