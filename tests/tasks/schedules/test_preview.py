from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tasks.errors import InvalidArguments, InvalidOption
from tasks.models import Schedule
from tasks.schedules.preview import preview
from tests.timetable import NOW, create_schedule

pytestmark = pytest.mark.django_db

NIGHTLY: dict[str, Any] = {"task": "greet", "expression": "30 2 * * *"}


def look(count: int = 5, schedule: Schedule | None = None, **values: Any) -> Any:
    return preview(values, count, schedule=schedule, now=NOW)


def test_the_next_moments_come_with_what_clocks_do_to_them() -> None:
    shown = look(20, zone="Europe/Berlin", **NIGHTLY)
    assert (shown.zone, len(shown.moments)) == ("Europe/Berlin", 20)
    notes = {moment.due_at: moment.note for moment in shown.moments if moment.note}
    assert list(notes) == [datetime(2026, 3, 29, 1, tzinfo=UTC)]
    assert "does not exist that day" in next(iter(notes.values()))


def test_others_on_the_same_queue_in_the_same_minute_are_named() -> None:
    create_schedule("mail", task="greet", kwargs={"name": "x"}, expression="30 2 * * *")
    create_schedule("sums", expression="30 2 * * *")
    first = look(1, **NIGHTLY).moments[0]
    assert first.collides_with == ("mail",)


def test_one_does_not_collide_with_itself() -> None:
    own = create_schedule(task="greet", kwargs={"name": "x"}, expression="30 2 * * *")
    assert look(1, own, grace=5).moments[0].collides_with == ()


def test_nothing_is_written() -> None:
    own = create_schedule(task="greet", kwargs={"name": "x"})
    look(1, own, expression="30 2 * * *")
    own.refresh_from_db()
    assert (own.expression, Schedule.objects.count()) == ("0 9 * * *", 1)


def test_what_would_be_refused_is_refused() -> None:
    with pytest.raises(InvalidOption, match="never fires"):
        look(task="greet", expression="0 0 31 2 *")
    with pytest.raises(InvalidArguments):
        look(kwargs={"nme": "x"}, **NIGHTLY)


def test_one_that_follows_its_own_end_has_no_moments_yet() -> None:
    shown = look(task="greet", kind="after", every=60)
    assert shown.moments == ()
    assert "so long after each end" in shown.notes[0]
