from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client

from tasks.models.fire import Verdict
from tasks.states import State
from tests.dashboard.soup import Soup
from tests.factories import create_job
from tests.timetable import NOW, create_backfill, create_fire, create_schedule

pytestmark = pytest.mark.django_db


def origin(client: Client, job_id: str) -> str:
    response = client.get(f"/jobs/{job_id}/")
    assert response.status_code == 200
    found = [p.text for p in Soup(response.content).find_all("p") if "Fired" in p.text]
    return " ".join(found[0].split()) if found else ""


def test_a_job_says_which_schedule_fired_it_and_when_it_was_due(
    viewer: Client,
) -> None:
    schedule = create_schedule("每天 <b>", zone="Asia/Shanghai")
    fire = create_fire(schedule, state=State.FINISHED)
    assert origin(viewer, fire.job_key) == (
        "Fired by schedule 每天 <b>, due Tue 2026-03-10 16:00 (Asia/Shanghai)"
    )


def test_it_says_how_late_it_was(viewer: Client) -> None:
    fire = create_fire(
        create_schedule(),
        verdict=Verdict.LATE,
        state=State.FINISHED,
        decided_at=NOW + timedelta(minutes=5),
    )
    assert origin(viewer, fire.job_key).endswith("(UTC) · 5 m late")


def test_it_names_the_backfill(viewer: Client) -> None:
    schedule = create_schedule()
    backfill = create_backfill(schedule)
    fire = create_fire(schedule, state=State.FINISHED, backfill=backfill)
    assert origin(viewer, fire.job_key).endswith(f"(UTC) · backfill {backfill.pk}")


def test_other_jobs_say_nothing(viewer: Client) -> None:
    assert origin(viewer, create_job(state=State.FINISHED).id) == ""
