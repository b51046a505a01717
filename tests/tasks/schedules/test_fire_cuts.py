"""A scheduler that is killed at any command of a fire: nothing missed, nothing doubled."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from tasks import recovery
from tasks.broker import push as broker_push
from tasks.broker.client import get_client
from tasks.models import Fire, Job, Schedule
from tasks.models.schedule import Misfire, Overlap
from tasks.schedules.fires import Firing
from tests.engine import record_all, waiting
from tests.timetable import NOW, create_schedule

pytestmark = pytest.mark.django_db(transaction=True)

DUE = NOW + timedelta(hours=1)

SECOND = timedelta(seconds=1)

#: More than a fire has, of the database.
MOST_COMMANDS = 40


class Killed(BaseException):
    """What kill -9 is to the process that it ends."""


class Cut:
    """Kills at the n-th command, before or after it."""

    def __init__(self, number: int, *, after: bool) -> None:
        self.left, self.after = number, after

    def __call__(self, execute: Any, *given: Any) -> Any:
        self.left -= 1
        if self.left == 0 and not self.after:
            raise Killed
        answer = execute(*given)
        if self.left == 0:
            raise Killed
        return answer


def fire_until_killed(number: int, *, after: bool) -> bool:
    """Let a scheduler fire until a command; say whether it came so far."""
    cut = Cut(number, after=after)
    try:
        with connection.execute_wrapper(cut):
            Firing().step(DUE)
    except Killed:
        # The connection of a process that is gone; here it is the next one's, too.
        connection.connection.rollback()
        return True
    return False


def assert_exactly_once(schedules: int) -> None:
    assert Fire.objects.count() == Job.objects.count() == schedules
    keys = set(Fire.objects.values_list("job_key", flat=True))
    assert keys == set(Job.objects.values_list("pk", flat=True))
    assert list(Schedule.objects.values_list("fired", flat=True)) == [1] * schedules
    assert not Schedule.objects.exclude(cursor=DUE).exists()


@pytest.mark.parametrize("after", [False, True])
def test_whatever_command_is_the_last_another_one_does_the_rest(
    after: bool,
) -> None:
    cuts = 0
    for number in range(1, MOST_COMMANDS):
        Fire.objects.all().delete()
        Job.objects.all().delete()
        Schedule.objects.all().delete()
        get_client().flushdb()
        create_schedule("a", overlap=Overlap.SKIP)
        create_schedule("b", misfire=Misfire.ALL)
        if not fire_until_killed(number, after=after):
            break
        cuts += 1
        Firing().step(DUE + SECOND)
        assert_exactly_once(2)
        recovery.push_fired(DUE + 3 * SECOND)
        assert set(waiting()) == set(Job.objects.values_list("pk", flat=True))
        assert len(waiting()) == 2
    assert 5 < cuts < MOST_COMMANDS - 1


def test_a_scheduler_killed_before_its_push_has_it_done_by_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def kill(*_given: Any) -> None:
        raise Killed

    create_schedule()
    with monkeypatch.context() as patched:
        patched.setattr(broker_push, "invoke_many", kill)
        with pytest.raises(Killed):
            Firing().step(DUE)
    assert_exactly_once(1)
    assert waiting() == []
    assert recovery.push_fired(DUE + SECOND) == 0
    assert recovery.push_fired(DUE + 2 * SECOND) == 1
    assert waiting() == [Job.objects.get().id]
    assert recovery.push_fired(DUE + 3 * SECOND) == 0


def test_what_was_pushed_is_not_pushed_again() -> None:
    create_schedule()
    Firing().step(DUE)
    record_all()
    assert Job.objects.get().state == "queued"
    assert recovery.push_fired(DUE + 2 * SECOND) == 0
