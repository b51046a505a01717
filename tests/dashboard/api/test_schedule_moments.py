from __future__ import annotations

from datetime import datetime

import pytest
from django.utils import timezone

from tasks.models import Schedule
from tasks.models.fire import Verdict
from tests.dashboard.api.conftest import Api, assert_problem
from tests.dashboard.api.test_schedules import NIGHTLY, ONE
from tests.timetable import create_fire, create_fires, create_schedule

pytestmark = pytest.mark.django_db(transaction=True)


def test_fires_are_listed_newest_first_in_pages(api: Api) -> None:
    schedule = create_schedule()
    fires = create_fires(schedule, 3)
    last = create_fire(schedule, verdict=Verdict.SKIPPED, blocked_by="job-1")
    page = api.get(f"{ONE}/fires", limit=2).json()
    assert page["fires"][0]["verdict"] == "skipped"
    assert page["fires"][0]["blocked_by"] == "job-1"
    assert page["fires"][0]["reason"] == "An earlier job of the schedule had not ended."
    rest = api.get(f"{ONE}/fires", limit=2, cursor=page["next"]).json()
    due = [one["due_at"] for one in (*page["fires"], *rest["fires"])]
    expected = [fire.due_at for fire in (last, *reversed(fires))]
    assert due == [f"{moment:%Y-%m-%dT%H:%M:%SZ}" for moment in expected]
    assert rest["next"] is None
    assert_problem(api.get(f"{ONE}/fires", cursor="x"), 422, "invalid-request")


def test_the_next_moments_are_listed(api: Api) -> None:
    create_schedule(now=timezone.now())
    body = api.get(f"{ONE}/next", count=3).json()
    assert (body["schedule"], body["zone"], len(body["next"])) == ("nightly", "UTC", 3)
    assert_problem(api.get(f"{ONE}/next", count=0), 422, "invalid-request")


def test_a_preview_counts_the_collisions_that_it_does_not_name(api: Api) -> None:
    for number in range(12):
        create_schedule(f"s{number:02}", now=timezone.now(), queue="reports")
    wanted = {key: value for key, value in NIGHTLY.items() if key != "name"}
    wanted |= {"zone": "UTC", "queue": "reports", "count": 1}
    shown = api.post("/schedule-preview", wanted).json()["next"][0]
    assert (len(shown["collides_with"]), shown["collides_with_more"]) == (10, 2)


def test_a_preview_writes_nothing_and_refuses_as_a_save_would(
    api: Api, reader: Api
) -> None:
    create_schedule("other", now=timezone.now(), queue="reports")
    wanted = {key: value for key, value in NIGHTLY.items() if key != "name"}
    wanted |= {"zone": "UTC", "queue": "reports", "count": 2}
    body = reader.post("/schedule-preview", wanted).json()
    assert (body["words"], len(body["next"])) == ("Every day at 09:00", 2)
    assert [one["collides_with"] for one in body["next"]] == [["other"]] * 2
    change = {"schedule": "other", "expression": "0 10 * * *"}
    body = api.post("/schedule-preview", change).json()
    assert (body["words"], body["next"][0]["collides_with"]) == (
        "Every day at 10:00",
        [],
    )
    response = api.post("/schedule-preview", {**wanted, "zone": "Mars"})
    assert_problem(response, 422, "invalid-option")
    assert Schedule.objects.count() == 1


def test_all_that_will_run_is_listed(api: Api) -> None:
    schedule = create_schedule(now=timezone.now())
    create_schedule("often", now=timezone.now(), expression="* * * * *")
    body = api.get("/schedule-timeline").json()
    often, nightly = body["lanes"]
    assert datetime.fromisoformat(nightly["at"][0]) == schedule.next_at
    assert (often["at"], len(often["counts"])) == ([], 25)
    assert sum(body["counts"]) == often["runs"] + nightly["runs"]
    week = api.get("/schedule-timeline", span="week").json()
    assert len(week["stretches"]) == 29
    assert_problem(api.get("/schedule-timeline", span="year"), 422, "invalid-request")
