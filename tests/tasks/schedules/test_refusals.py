"""Schedules whose jobs cannot be made: each moment says why, and the others run."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, OperationalError, connection

from tasks.broker.client import get_client
from tasks.broker.memory import gauge
from tasks.models import Fire, Job, Schedule
from tasks.models.fire import Verdict
from tasks.schedules import fires, writing
from tasks.schedules.drafts import TAKEOVER
from tasks.schedules.fires import Firing
from tests.timetable import DAY, NOW, create_schedule

pytestmark = pytest.mark.django_db

DUE = NOW + timedelta(hours=1)

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


def only_fire(name: str) -> Fire:
    return Fire.objects.get(schedule__name=name)


@pytest.mark.parametrize(
    ("fields", "reason", "facts"),
    [
        ({"kwargs": {"c": 1}}, "arguments", {}),
        ({"kwargs": {"a": "many"}}, "arguments", {}),
        ({"queue": "two words"}, "option", {"option": "queue"}),
        ({"timeout": -7}, "option", {"option": "timeout"}),
        (
            {"task": "greet", "kwargs": {"name": "x" * 300_000}},
            "size",
            {"limit": 256 * 1024},
        ),
    ],
)
def test_a_refused_moment_says_why_and_the_others_run(
    fields: dict[str, Any], reason: str, facts: dict[str, Any]
) -> None:
    create_schedule("bad", **fields)
    create_schedule("good")
    Firing().step(DUE)
    fire = only_fire("bad")
    assert (fire.verdict, fire.reason, fire.job_key) == ("refused", reason, "")
    assert facts.items() <= fire.facts.items()
    assert fire.facts["message"]
    assert only_fire("good").verdict == Verdict.RAN
    assert Job.objects.count() == 1


def test_a_task_that_another_scheduler_may_know_is_left_to_it_for_a_while() -> None:
    schedule = create_schedule(task="gone.task")
    firing = Firing()
    for later in range(5):
        firing.step(DUE + later * SECOND)
        assert not Fire.objects.exists()
    firing.step(DUE + TAKEOVER)
    fire = only_fire(schedule.name)
    assert (fire.verdict, fire.reason) == ("refused", "task")
    assert fire.facts["task"] == "gone.task"


def test_others_get_that_time_too_where_a_scheduler_starts_late() -> None:
    create_schedule(task="gone.task")
    firing = Firing()
    firing.step(DUE + MINUTE)
    assert not Fire.objects.exists()
    firing.step(DUE + MINUTE + TAKEOVER)
    assert Fire.objects.get().verdict == "refused"


def test_a_refused_schedule_goes_on_and_counts_no_run() -> None:
    schedule = create_schedule(kwargs={"c": 1}, most_fires=1)
    Firing().step(DUE)
    schedule.refresh_from_db()
    assert (schedule.next_due_at, schedule.fired) == (DUE + DAY, 0)


def test_a_zone_that_is_gone_refuses_the_promised_moment() -> None:
    bad = create_schedule("bad")
    create_schedule("good")
    Schedule.objects.filter(pk=bad.pk).update(zone="Nowhere/Land")
    firing = Firing()
    firing.step(DUE)
    firing.step(DUE + MINUTE)
    fire = only_fire("bad")
    assert (fire.verdict, fire.reason, fire.due_at) == ("refused", "rule", DUE)
    assert fire.facts["option"] == "zone"
    assert only_fire("good").verdict == Verdict.RAN
    bad.refresh_from_db()
    assert (bad.cursor, bad.next_due_at, bad.next_at) == (DUE, None, None)
    assert bad.look_at == DUE + 2 * MINUTE


def test_a_rule_that_works_again_goes_on_where_it_ended() -> None:
    schedule = create_schedule()
    Schedule.objects.update(zone="Nowhere/Land")
    Firing().step(DUE)
    Schedule.objects.update(zone="UTC")
    Firing().step(DUE + DAY + MINUTE)
    newest = Fire.objects.order_by("due_at").last()
    assert newest is not None
    assert (newest.due_at, newest.verdict) == (DUE + DAY, Verdict.RAN)
    schedule.refresh_from_db()
    assert schedule.next_due_at == DUE + 2 * DAY


def test_what_a_database_refuses_stays_due_and_stops_no_other(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bad = create_schedule("bad", queue="bad")
    for number in range(5):
        create_schedule(f"good{number}")
    hand_in = writing.hand_in

    def refuse(jobs: Any) -> None:
        if any(job.queue == "bad" for job in jobs):
            raise IntegrityError("odd")
        hand_in(jobs)

    monkeypatch.setattr(writing, "hand_in", refuse)
    Firing().step(DUE)
    assert Job.objects.count() == Fire.objects.count() == 5
    bad.refresh_from_db()
    assert (bad.next_due_at, bad.fired) == (DUE, 0)
    assert "bad cannot be decided" in caplog.text


def test_a_job_that_is_there_already_is_not_made_again() -> None:
    schedule = create_schedule()
    firing = Firing()
    firing.step(DUE)
    before = Job.objects.get()
    Fire.objects.all().delete()
    Schedule.objects.update(cursor=NOW, look_at=DUE, next_at=DUE, next_due_at=DUE)
    Firing().step(DUE + SECOND)
    assert Job.objects.get().created_at == before.created_at
    fire = only_fire(schedule.name)
    assert (fire.job_key, fire.reason) == (before.id, "exists")


# Nothing can be decided now.


def test_while_redis_is_full_nothing_is_decided(
    full_redis: None, caplog: pytest.LogCaptureFixture
) -> None:
    create_schedule()
    firing = Firing()
    assert firing.step(DUE) == DUE + SECOND
    firing.step(DUE + SECOND)
    assert not Fire.objects.exists()
    assert caplog.text.count("schedules wait") == 1
    get_client().config_set("maxmemory", 0)
    gauge.forget()
    firing.step(DUE + 2 * SECOND)
    assert Fire.objects.get().verdict == Verdict.RAN


def test_while_redis_is_full_what_needs_no_job_is_decided(full_redis: None) -> None:
    create_schedule(misfire="skip")
    Firing().step(DUE + DAY - SECOND)
    assert Fire.objects.get().verdict == Verdict.MISSED


@pytest.mark.django_db(transaction=True)
def test_a_database_that_is_away_is_no_schedule_s_fault() -> None:
    create_schedule()
    firing = Firing()

    def refuse(execute: Any, sql: str, *given: Any) -> Any:
        if sql.startswith("INSERT"):
            raise OperationalError("gone")
        return execute(sql, *given)

    with connection.execute_wrapper(refuse), pytest.raises(OperationalError):
        firing.step(DUE)
    firing.step(DUE)
    assert Fire.objects.get().verdict == Verdict.RAN


def test_after_an_outage_of_the_database_what_was_missed_is_spread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    create_schedule(kind="every", every=1, expression="")
    firing = Firing()
    firing.step(NOW)

    def refuse(*_given: Any) -> int:
        raise OperationalError("gone")

    with monkeypatch.context() as patched:
        patched.setattr(fires, "write", refuse)
        for second in range(1, 20):
            with pytest.raises(OperationalError):
                firing.step(NOW + second * SECOND)
    firing.step(NOW + 20 * SECOND)
    assert Job.objects.exclude(due_at=None).count() == 14
