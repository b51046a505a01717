from __future__ import annotations

from typing import Any

import pytest

from tasks.registry import registry
from tasks.schedules.checks import problem_of
from tests.timetable import DAY, NOW, create_calendar, create_schedule

pytestmark = pytest.mark.django_db

GREET: dict[str, Any] = {"task": "greet", "kwargs": {"name": "x"}}


def test_one_that_can_run_has_no_problem() -> None:
    calendar = create_calendar()
    assert problem_of(create_schedule(calendar=calendar, **GREET), NOW) == ""


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"task": "gret"}, "Task gret is not registered. Did you mean greet?"),
        ({"task": "shop.gone"}, "Name the module that registers it in TASKYARD_TASKS"),
        ({"kwargs": {}}, "name: is required"),
        ({"kwargs": {"name": "x", "aloud": True}}, "aloud: is not an argument"),
        ({"queue": "a b"}, "queue: "),
        ({"timeout": -7}, "timeout: "),
        ({"declared": {"calendar": "cn"}}, "There is no calendar cn."),
    ],
)
def test_what_the_code_changed_beneath_it_is_told(
    fields: dict[str, Any], words: str
) -> None:
    assert words in problem_of(create_schedule(**{**GREET, **fields}), NOW)


def test_a_type_that_raises_what_it_likes_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_facts: object) -> None:
        raise RuntimeError("no luck")

    schedule = create_schedule(**GREET)
    monkeypatch.setattr(registry.get("greet").signature, "bind", fail)
    assert "RuntimeError: no luck" in problem_of(schedule, NOW)


def test_a_zone_that_the_machine_has_lost_is_told() -> None:
    schedule = create_schedule(**GREET)
    schedule.zone = "Europe/Atlantis"
    assert "there is no time zone 'Europe/Atlantis'" in problem_of(schedule, NOW)


def test_a_calendar_that_left_no_working_day_is_told() -> None:
    schedule = create_schedule(calendar=create_calendar(), **GREET)
    assert schedule.calendar is not None
    schedule.calendar.days["off"] = [f"{NOW + n * DAY:%Y-%m-%d}" for n in range(99)]
    assert "has no working day" in problem_of(schedule, NOW)


def test_one_whose_moments_are_over_is_no_problem() -> None:
    at = NOW.replace(year=2025)
    schedule = create_schedule(kind="once", expression="", at=at, **GREET)
    assert problem_of(schedule, NOW) == ""
