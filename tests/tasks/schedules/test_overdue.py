"""Who is told of a schedule that is overdue, and how often."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection, connections
from django.test.utils import CaptureQueriesContext

from tasks.broker import upkeep
from tasks.broker.events import EventReader
from tasks.errors import BrokerUnavailable
from tasks.models import Schedule
from tasks.recording import Recorder
from tasks.scheduler import Scheduler
from tasks.schedules import overdue
from tasks.schedules.fires import Firing
from tasks.schedules.overdue import LOOK_EVERY, OVERDUE_AFTER, OverdueWatch
from tasks.signals import schedule_caught_up, schedule_overdue
from tests.timetable import DAY, NOW, create_schedule

pytestmark = pytest.mark.django_db

#: When the schedules of tests are due first, and when they are overdue.
DUE = NOW + timedelta(hours=1)
LATE = DUE + OVERDUE_AFTER + timedelta(seconds=1)


@dataclass
class Told:
    """What receivers were told, in order."""

    overdue: list[dict[str, Any]] = field(default_factory=list)
    caught_up: list[dict[str, Any]] = field(default_factory=list)

    def note_overdue(self, sender: type, schedule: str, **facts: Any) -> None:
        assert sender is Schedule
        self.overdue.append({"schedule": schedule, **_without_signal(facts)})

    def note_caught_up(self, sender: type, schedule: str, **facts: Any) -> None:
        assert sender is Schedule
        self.caught_up.append({"schedule": schedule, **_without_signal(facts)})


def _without_signal(facts: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if name != "signal"}


@pytest.fixture
def told() -> Iterator[Told]:
    noted = Told()
    schedule_overdue.connect(noted.note_overdue)
    schedule_caught_up.connect(noted.note_caught_up)
    yield noted
    schedule_overdue.disconnect(noted.note_overdue)
    schedule_caught_up.disconnect(noted.note_caught_up)


def actions(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.action for one in caplog.records if hasattr(one, "action")]


def test_it_is_told_once_however_many_look(
    told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    create_schedule(jitter=0)
    assert overdue.note_overdue(DUE + OVERDUE_AFTER) == 0
    assert overdue.note_overdue(LATE) == 1
    assert overdue.note_overdue(LATE) == overdue.note_overdue(LATE + DAY) == 0
    facts = {"schedule": "nightly", "due_at": DUE, "overdue_for": LATE - DUE}
    assert told.overdue == [facts]
    assert actions(caplog) == ["schedule_overdue"]
    (entry,) = caplog.records
    assert facts.items() <= vars(entry).items()


def test_a_row_that_another_has_taken_meanwhile_is_not_told(told: Told) -> None:
    create_schedule("a")
    create_schedule("b")
    mine = overdue._newly_overdue(LATE)
    next(mine)  # both were read
    Schedule.objects.update(told_overdue_at=DUE)  # as another process does
    assert list(mine) == []


def test_the_next_moment_is_told_anew(told: Told) -> None:
    create_schedule()
    overdue.note_overdue(LATE)
    Firing().step(LATE)
    overdue.note_overdue(LATE + DAY)
    assert [one["due_at"] for one in told.overdue] == [DUE, DUE + DAY]


def test_that_it_was_decided_after_all_is_told_once(
    told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "tasks")
    create_schedule()
    overdue.note_overdue(LATE)
    Firing().step(LATE)
    assert overdue.note_overdue(LATE) == 1
    assert overdue.note_overdue(LATE) == 0
    assert told.caught_up == [{"schedule": "nightly", "due_at": DUE}]
    assert actions(caplog) == ["schedule_overdue", "schedule_caught_up"]
    assert Schedule.objects.get().told_overdue_at is None


def test_one_that_is_disabled_or_in_time_is_not_told(told: Told) -> None:
    create_schedule("off", enabled=False)
    create_schedule("in time")
    Firing().step(DUE)
    overdue.note_overdue(LATE)
    assert told.overdue == []


def test_a_receiver_that_raises_is_logged_and_stops_nobody(
    told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    def explode(**_facts: object) -> None:
        raise RuntimeError("no mail today")

    schedule_overdue.connect(explode)
    try:
        create_schedule("a")
        create_schedule("b")
        overdue.note_overdue(LATE)
    finally:
        schedule_overdue.disconnect(explode)
    assert {one["schedule"] for one in told.overdue} == {"a", "b"}
    assert "no mail today" in caplog.text


def test_with_nothing_overdue_it_costs_two_questions_and_no_write() -> None:
    create_schedule()
    with CaptureQueriesContext(
        connection,
    ) as asked:
        overdue.note_overdue(NOW)
    assert [one["sql"].split()[0] for one in asked] == ["SELECT", "SELECT"]


# Who looks.


def test_a_process_looks_ten_seconds_after_its_start_and_then_so_often(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks: list[object] = []
    monkeypatch.setattr(overdue, "note_overdue", looks.append)
    ticks = iter([50, 59.9, 60, 61, 69.9, 70])
    watch = OverdueWatch(lambda: next(ticks), lambda: LATE)
    seen = []
    for _look in range(6):
        watch.step()
        seen.append(len(looks))
    assert seen == [0, 0, 1, 1, 1, 2]
    assert LOOK_EVERY == 10


def test_a_scheduler_that_cannot_fire_tells(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_schedule()
    ticks = [50.0]
    scheduler = Scheduler(clock=lambda: ticks[0], now=lambda: LATE)
    monkeypatch.setattr(scheduler._firing, "step", lambda now: now)
    scheduler.step()
    ticks[0] += LOOK_EVERY
    scheduler.step()
    assert len(told.overdue) == 1


class TestRecorder:
    """It is told where no scheduler runs."""

    @pytest.fixture
    def ticks(self) -> list[float]:
        return [50.0]

    @pytest.fixture
    def recorder(self, ticks: list[float], monkeypatch: pytest.MonkeyPatch) -> Recorder:
        monkeypatch.setattr(connections, "close_all", lambda: None)
        made = Recorder(EventReader("r1"), clock=lambda: ticks[0])
        made._watch.now = lambda: LATE
        made.step(wait=0)
        ticks[0] += LOOK_EVERY
        return made

    def test_a_recorder_tells(self, told: Told, recorder: Recorder) -> None:
        create_schedule()
        assert recorder.step(wait=0) == 0
        assert len(told.overdue) == 1

    def test_it_tells_while_redis_is_away(
        self, told: Told, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(_kind: str) -> None:
            raise BrokerUnavailable("gone")

        monkeypatch.setattr(upkeep, "note_liveness", refuse)
        create_schedule()
        assert recorder.step(wait=0) is None
        assert len(told.overdue) == 1

    def test_a_look_that_fails_holds_up_one_step_only(
        self, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(_now: object) -> int:
            raise OperationalError("locked")

        monkeypatch.setattr(overdue, "note_overdue", refuse)
        assert recorder.step(wait=0) is None
        assert recorder.step(wait=0) == 0
