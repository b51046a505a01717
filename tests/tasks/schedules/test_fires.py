"""What becomes of due moments; time is a parameter everywhere."""

from __future__ import annotations

import logging
import uuid
from datetime import timedelta
from typing import Any

import pytest

from tasks.models import Fire, Job, Schedule
from tasks.models.fire import Verdict
from tasks.models.schedule import Kind
from tasks.schedules import fires as engine
from tasks.schedules.drafts import job_id_of, make_draft
from tasks.schedules.fires import GATHER_FOR, HOLD_LONG, LOOK_AGAIN, SOON, Firing
from tasks.schedules.moments import jitter_of
from tasks.schedules.writing import write
from tests.timetable import DAY, NOW, create_calendar, create_schedule

pytestmark = pytest.mark.django_db

#: When the schedules of tests are due first.
DUE = NOW + timedelta(hours=1)

SECOND = timedelta(seconds=1)


def read(schedule: Schedule) -> Schedule:
    return Schedule.objects.get(pk=schedule.pk)


def verdicts(schedule: Schedule) -> list[str]:
    rows = Fire.objects.filter(schedule=schedule).order_by("due_at")
    return list(rows.values_list("verdict", flat=True))


# In time.


def test_a_due_moment_becomes_one_fire_and_one_job() -> None:
    schedule = create_schedule(queue="reports", tags=["night"], timeout=30)
    Firing().step(DUE)
    fire, job = Fire.objects.get(), Job.objects.get()
    assert (fire.due_at, fire.verdict, fire.decided_at) == (DUE, Verdict.RAN, DUE)
    assert fire.job_key == job.id == job_id_of(schedule.id, DUE)
    assert (job.task, job.kwargs, job.queue) == (schedule.task, {"a": 1}, "reports")
    assert (job.tags, job.timeout, job.created_at) == (["night"], 30, DUE)
    assert job.submitted_by == "schedule · nightly"


def test_the_schedule_moves_on_with_its_fire() -> None:
    schedule = create_schedule()
    Firing().step(DUE)
    row = read(schedule)
    assert (row.cursor, row.next_due_at, row.fired) == (DUE, DUE + DAY, 1)
    assert row.next_at == row.look_at == DUE + DAY


def test_nothing_is_decided_before_it_is_due() -> None:
    create_schedule()
    Firing().step(DUE - timedelta(milliseconds=1))
    assert not Fire.objects.exists()


def test_it_says_exactly_when_to_look_again() -> None:
    create_schedule()
    early = DUE - timedelta(milliseconds=300)
    assert Firing().step(early) == DUE
    assert Firing().step(DUE - timedelta(hours=1)) == DUE - timedelta(hours=1) + SECOND


def test_between_looks_it_asks_nobody(django_assert_num_queries: Any) -> None:
    create_schedule()
    firing = Firing()
    firing.step(NOW)
    with django_assert_num_queries(0):
        firing.step(NOW + LOOK_AGAIN / 2)


def test_a_schedule_that_somebody_else_made_is_seen_within_a_second() -> None:
    firing = Firing()
    firing.step(DUE - SECOND)
    create_schedule()
    firing.step(DUE)
    assert Fire.objects.count() == 1


def test_a_clock_that_is_put_back_stops_nothing() -> None:
    create_schedule()
    firing = Firing()
    firing.step(DUE + 3 * DAY)
    create_schedule("other")
    assert firing.step(DUE) <= DUE + LOOK_AGAIN
    firing.step(DUE + LOOK_AGAIN)
    assert Fire.objects.filter(schedule__name="other").count() == 1


def test_jitter_puts_off_the_act_and_not_the_moment() -> None:
    schedule = create_schedule(jitter=600, id=uuid.UUID(int=7))
    share = jitter_of(schedule)
    assert timedelta() < share < timedelta(seconds=600)
    Firing().step(DUE + share - timedelta(milliseconds=1))
    assert not Fire.objects.exists()
    Firing().step(DUE + share)
    assert Fire.objects.get().due_at == DUE
    assert read(schedule).next_at == DUE + DAY + share


def test_what_is_decided_within_the_grace_has_run_in_time() -> None:
    schedule = create_schedule(grace=30)
    Firing().step(DUE + timedelta(seconds=30))
    assert verdicts(schedule) == [Verdict.RAN]


def test_many_due_at_one_moment_are_decided_in_portions() -> None:
    for number in range(130):
        create_schedule(f"s{number}")
    firing = Firing()
    firing.step(DUE - SECOND)
    assert firing.step(DUE) == DUE
    assert Job.objects.count() == 100
    assert firing.step(DUE) > DUE
    assert Job.objects.count() == 130
    assert not Job.objects.exclude(due_at=None).exists()


def test_moments_that_follow_closely_are_gathered() -> None:
    for number in range(5):
        at = DUE + number * GATHER_FOR / 4
        create_schedule(f"s{number}", kind=Kind.ONCE, at=at, expression="")
    firing = Firing()
    assert firing.step(DUE - GATHER_FOR) == DUE
    assert firing.step(DUE) == DUE + GATHER_FOR
    assert Fire.objects.count() == 1
    firing.step(DUE + GATHER_FOR / 2)
    assert Fire.objects.count() == 1
    firing.step(DUE + GATHER_FOR)
    assert Fire.objects.count() == 5


# How often, and until when.


def test_it_ends_after_so_many_runs() -> None:
    schedule = create_schedule(most_fires=2, kind=Kind.EVERY, every=1, expression="")
    for second in range(5):
        Firing().step(NOW + second * SECOND)
    assert verdicts(schedule) == [Verdict.RAN] * 2
    row = read(schedule)
    assert (row.fired, row.next_at, row.look_at) == (2, None, None)


def test_several_at_once_do_not_pass_the_number_of_runs() -> None:
    schedule = create_schedule(most_fires=3, kind=Kind.EVERY, every=1, expression="")
    Firing().step(NOW + 10 * SECOND)
    assert verdicts(schedule) == [Verdict.RAN] * 3
    assert read(schedule).cursor == NOW + 3 * SECOND


def test_it_begins_and_ends_when_it_says() -> None:
    schedule = create_schedule(
        kind=Kind.EVERY,
        every=10,
        expression="",
        starts_at=NOW + 20 * SECOND,
        ends_at=NOW + 45 * SECOND,
    )
    assert read(schedule).next_due_at == NOW + 20 * SECOND
    Firing().step(NOW + 50 * SECOND)
    dues = Fire.objects.order_by("due_at").values_list("due_at", flat=True)
    assert list(dues) == [NOW + n * SECOND for n in (20, 30, 40)]
    assert read(schedule).next_at is None


def test_once_is_once() -> None:
    schedule = create_schedule(kind=Kind.ONCE, at=DUE, expression="")
    Firing().step(DUE)
    Firing().step(DUE + DAY)
    assert verdicts(schedule) == [Verdict.RAN]
    assert read(schedule).next_at is None


# Days off.


def test_a_day_off_gets_its_row_when_its_time_passes() -> None:
    calendar = create_calendar(off=["2026-03-10"])
    schedule = create_schedule(calendar=calendar)
    assert schedule.next_due_at == DUE + DAY
    assert schedule.look_at == DUE
    Firing().step(DUE)
    fire = Fire.objects.get()
    assert (fire.due_at, fire.verdict, fire.reason) == (DUE, "excluded", "day_off")
    row = read(schedule)
    assert (row.cursor, row.next_due_at, row.look_at) == (DUE, DUE + DAY, DUE + DAY)


def test_a_moved_moment_says_where_it_went_and_whence_it_came() -> None:
    calendar = create_calendar(off=["2026-03-10"])
    create_schedule(calendar=calendar, on_day_off="next", expression="0 9 10 * *")
    Firing().step(DUE)
    Firing().step(DUE + DAY)
    off, ran = Fire.objects.order_by("due_at")
    assert (off.verdict, off.reason) == (Verdict.EXCLUDED, "moved")
    assert off.facts == {"moved_to": (DUE + DAY).isoformat()}
    assert (ran.due_at, ran.nominal_at, ran.verdict) == (DUE + DAY, DUE, Verdict.RAN)


def test_moments_on_a_day_off_are_noted_once_a_minute() -> None:
    calendar = create_calendar(off=["2026-03-10"])
    schedule = create_schedule(
        calendar=calendar, kind=Kind.EVERY, every=1, expression=""
    )
    assert schedule.look_at == NOW + 60 * SECOND
    Firing().step(NOW + 60 * SECOND)
    assert verdicts(schedule) == [Verdict.EXCLUDED] * 60


# Others were first.


def test_a_draft_is_dropped_when_another_scheduler_was_first() -> None:
    stale = make_draft(create_schedule(), DUE, NOW)
    Firing().step(DUE)
    assert write([stale], DUE) == 0
    assert (Fire.objects.count(), Job.objects.count()) == (1, 1)


@pytest.mark.parametrize("change", [{"version": 2}, {"enabled": False}])
def test_a_draft_is_dropped_when_the_schedule_was_changed(
    change: dict[str, Any],
) -> None:
    stale = make_draft(create_schedule(), DUE, NOW)
    Schedule.objects.update(**change)
    assert write([stale], DUE) == 0
    assert not Job.objects.exists()


def test_of_two_drafts_the_one_that_stands_is_written() -> None:
    drafts = [make_draft(create_schedule(name), DUE, NOW) for name in ("a", "b")]
    Schedule.objects.filter(name="a").update(version=2)
    assert write(drafts, DUE) == 1
    assert Fire.objects.get().schedule.name == "b"


def test_with_nothing_won_it_looks_again_soon(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    create_schedule()
    monkeypatch.setattr(engine, "write", lambda *_given: 0)
    assert Firing().step(DUE) == DUE + SOON


# Broken ones stop nobody.


def test_what_nobody_foresaw_is_logged_and_let_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def explode(schedule: Schedule, *given: Any) -> Any:
        if schedule.name == "bad":
            raise RuntimeError("odd")
        return make_draft(schedule, *given)

    bad, good = create_schedule("bad"), create_schedule("good")
    firing = Firing()
    with monkeypatch.context() as patched, caplog.at_level(logging.ERROR):
        patched.setattr(engine, "make_draft", explode)
        assert firing.step(DUE) > DUE
        firing.step(DUE + SECOND)
    assert (verdicts(bad), verdicts(good)) == ([], [Verdict.RAN])
    held = [r for r in caplog.records if getattr(r, "action", "") == "schedule_held"]
    assert len(held) == 1
    firing.step(DUE + HOLD_LONG)
    assert verdicts(bad) == [Verdict.RAN]
