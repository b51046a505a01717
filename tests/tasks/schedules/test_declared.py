from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import models

from tasks.conf import PROJECT_ROOT
from tasks.errors import ConfigurationError
from tasks.models.schedule import DayOff, Kind, Misfire, Overlap, Schedule
from tasks.registry import Registry, Task, task
from tasks.schedules import choices
from tasks.schedules.declared import (
    Declared,
    after,
    cron,
    declared_of,
    every,
    once,
)
from tests import sample


def only(schedule: object) -> Declared:
    (found,) = declared_of("jobs.nightly", schedule)
    return found


def refusal(schedule: object) -> str:
    with pytest.raises(ConfigurationError) as caught:
        declared_of("jobs.nightly", schedule)
    return str(caught.value)


def test_no_schedule_is_none() -> None:
    assert declared_of("jobs.nightly", None) == ()
    assert declared_of("jobs.nightly", []) == ()


def test_text_is_an_expression_and_a_number_an_interval() -> None:
    assert only("0 9 * * *") == cron("0 9 * * *", name="jobs.nightly")
    assert only(300) == every(300, name="jobs.nightly")
    assert only(timedelta(minutes=5)) == every(300, name="jobs.nightly")


def test_a_list_has_several_schedules_each_with_its_name() -> None:
    first, second = every(60, name="often"), after(3600, name="rarely")
    assert declared_of("jobs.nightly", [first, second]) == (first, second)
    assert (first.kind, second.kind, second.every) == ("every", "after", 3600)


@pytest.mark.parametrize(
    "listed",
    [
        ["0 9 * * *", "0 17 * * *"],
        [every(60, name="often"), 300],
        [every(60, name="often"), every(90, name="often")],
    ],
)
def test_several_schedules_without_names_of_their_own_are_refused(listed: Any) -> None:
    expected = "Task jobs.nightly: schedule: give each of several a name of its own"
    assert refusal(listed) == expected


def test_a_schedule_keeps_what_is_said_of_it() -> None:
    said = cron(
        "0 9 * * *",
        name="morning",
        zone="Asia/Shanghai",
        args=(1,),
        kwargs={"full": True},
        jitter=timedelta(minutes=2),
        misfire="all",
        misfire_age=timedelta(hours=1),
        starts_at=datetime(2026, 12, 1, tzinfo=UTC),
    )
    values = only(said).to_values()
    assert json.loads(json.dumps(values)) == values
    assert values == {
        **cron("0 9 * * *").to_values(),
        "name": "morning",
        "zone": "Asia/Shanghai",
        "args": [1],
        "kwargs": {"full": True},
        "jitter": 120,
        "misfire": "all",
        "misfire_age": 3600,
        "starts_at": "2026-12-01T00:00:00+00:00",
    }


def test_its_values_are_fields_of_a_schedule_with_the_same_defaults() -> None:
    values = cron("0 9 * * *").to_values()
    fields = {one.name: one for one in Schedule._meta.get_fields()}
    assert set(values) <= set(fields)
    usual = Schedule()
    for name in set(values) - {"kind", "name", "expression", "zone", "calendar"}:
        assert values[name] == getattr(usual, name), name


@pytest.mark.parametrize(
    ("words", "model"),
    [
        (choices.KINDS, Kind),
        (choices.ON_DAY_OFF, DayOff),
        (choices.MISFIRES, Misfire),
        (choices.OVERLAPS, Overlap),
    ],
)
def test_the_words_are_those_of_the_ledger(
    words: tuple[str, ...], model: type[models.TextChoices]
) -> None:
    assert list(words) == model.values


def test_one_moment_may_be_a_time_of_its_zone() -> None:
    said = once(datetime(2026, 12, 1, 9), zone="Asia/Shanghai")
    assert only(said).to_values()["at"] == "2026-12-01T01:00:00+00:00"
    assert said.rule().check() is None


@pytest.mark.parametrize(
    ("schedule", "problem"),
    [
        (
            "0 0 31 2 *",
            "expression: never fires: no month that it names has such a day",
        ),
        (0, "every: must lie between 1 s and ten years"),
        (
            True,
            "is True, and neither a cron expression, seconds, nor a list of them",
        ),
        (once(datetime(2026, 1, 1)), "at: must be a moment with its zone, like +00:00"),
        (cron("0 9 * * *", misfire="most"), "misfire: must be one of skip, once, all"),
        (
            cron("0 9 * * *", jitter=-1),
            "jitter: must be seconds, from 0 to 86,400",
        ),
        (
            cron("0 9 * * *", retries=1.5),  # type: ignore[typeddict-item]
            "retries: must be a whole number, 0 or more",
        ),
        (
            cron("0 9 * * *", misfire_most=0),
            "misfire_most: must be a whole number from 1 to 10,000",
        ),
        (
            cron("0 9 * * *", enabled="no"),  # type: ignore[typeddict-item]
            "enabled: must be true or false",
        ),
        (cron("0 9 * * *", args="url"), "args: must be a list"),
        (
            cron("0 9 * * *", kwargs=["url"]),  # type: ignore[typeddict-item]
            "kwargs: must be a mapping of names",
        ),
        (
            cron("0 9 * * *", queue=5),  # type: ignore[typeddict-item]
            "queue: must be text",
        ),
        (
            cron("0 9 * * *", kwargs={"size": float("nan")}),
            "kwargs: NaN is not a number in JSON",
        ),
        (
            once("2026-12-01", zone="UTC"),  # type: ignore[arg-type]
            "at: must be a moment with its zone, like +00:00",
        ),
        (
            once(datetime(2026, 12, 1, 9), zone="Asia/Shangai"),
            "zone: there is no time zone 'Asia/Shangai'; names are such as Europe/Berlin."
            " Did you mean Asia/Shanghai?",
        ),
    ],
)
def test_what_cannot_work_names_the_task(schedule: object, problem: str) -> None:
    assert refusal(schedule) == f"Task jobs.nightly: schedule: {problem}"


@pytest.mark.parametrize("name", ["a/b", "-", "..", " a", "a ", "a" * 201])
def test_a_name_that_fits_no_url_is_refused_with_task_and_schedule(name: str) -> None:
    problem = (
        "name: must be 1 to 200 letters, digits, blanks or . _ ~ -,"
        " the first a letter, a digit or _"
    )
    expected = f"Task jobs.nightly: schedule {name}: {problem}"
    assert refusal(cron("0 9 * * *", name=name)) == expected


def test_one_of_several_is_named() -> None:
    listed = [every(60, name="often"), cron("0 25 * * *", name="late")]
    expected = (
        "Task jobs.nightly: schedule late: expression: hour: 25 lies outside 0 to 23"
    )
    assert refusal(listed) == expected


def test_a_setting_that_there_is_not_is_told_with_the_nearest() -> None:
    with pytest.raises(ConfigurationError) as caught:
        every(60, jiter=5)  # type: ignore[call-arg]
    expected = "every() has no setting jiter; did you mean jitter?"
    assert str(caught.value) == expected


def test_arguments_must_be_json() -> None:
    problem = refusal(cron("0 9 * * *", args=[object()]))
    assert problem.startswith(
        "Task jobs.nightly: schedule: args: Object of type object"
    )


# In @task.


def test_a_task_keeps_its_schedules() -> None:
    assert sample.add.task.schedules == ()
    with pytest.raises(ConfigurationError) as caught:
        task(name="nightly", schedule="0 25 * * *")(sample.add.task.function)
    expected = "Task nightly: schedule: expression: hour: 25 lies outside 0 to 23"
    assert str(caught.value) == expected
    made = Task("nightly", sample.add.task.function, schedules=(every(60),))
    own = Registry()
    own.add(made)
    assert own.get("nightly").schedules[0].every == 60


DECLARES = """
from tasks.registry import registry, task
from tasks.schedules.declared import every

@task(name="nightly", schedule=["0 9 * * 1-5", every(60, name="often")][:1])
def nightly() -> None: ...

print([(one.kind, one.name, one.expression) for one in nightly.task.schedules])
"""


def test_schedules_are_declared_without_settings_of_django() -> None:
    environment = {"PATH": "", "PYTHONPATH": str(PROJECT_ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", DECLARES],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[('cron', 'nightly', '0 9 * * 1-5')]\n"
