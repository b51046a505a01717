"""What stands beside the form of a schedule, and running one with other arguments."""

from __future__ import annotations

import pytest
from django.test import Client
from django.utils import timezone

from tasks.models import Job, Schedule
from tests.dashboard.schedules import (
    FILLED,
    find,
    inputs,
    look,
    make_schedule,
    sent,
    words,
)
from tests.dashboard.soup import Soup

pytestmark = pytest.mark.django_db(transaction=True)

PREVIEW = "/schedules/-/preview/"
NEXT_YEAR = timezone.now().year + 1


def previewed(client: Client, **data: str) -> str:
    response = client.get(PREVIEW, FILLED | data)
    assert response.status_code == 200
    assert response["Cache-Control"] == "no-store"
    soup = Soup(response.content)
    assert soup.find("html") is None
    return words(soup)


def test_the_preview_is_in_both_zones(operator: Client) -> None:
    operator.cookies["taskyard_zone"] = "America/New_York"
    text = previewed(operator)
    assert "America/New_York, where you are" in text
    assert "At 09:00, Monday to Friday" in text


def test_the_preview_notes_the_change_of_clocks(operator: Client) -> None:
    text = previewed(
        operator,
        **{
            "set-expression": "30 2 * * 0",
            "set-zone": "Europe/Berlin",
            "set-starts_at": f"{NEXT_YEAR}-03-01T00:00",
        },
    )
    assert "does not exist that day" in text


def test_the_preview_says_what_is_wrong_by_the_inputs_name(operator: Client) -> None:
    assert previewed(operator, **{"set-expression": "x"}).startswith("Expression: ")
    assert "Jitter" not in previewed(operator)
    assert "must be a number" in previewed(operator, **{"set-grace": "x"})


def test_the_preview_names_what_it_would_collide_with(operator: Client) -> None:
    make_schedule("other", expression="0 1 * * *", zone="UTC")
    assert "other" in previewed(operator, **{"set-expression": "0 9 * * *"})


def test_a_schedule_does_not_collide_with_itself(operator: Client) -> None:
    make_schedule()
    edited = {"schedule": "nightly", "set-expression": "0 9 * * *"}
    assert "in the same minute" not in previewed(operator, **edited)


# Running one with other arguments.


def test_other_arguments_run_once(operator: Client) -> None:
    make_schedule()
    form = find(look(operator, "/schedules/nightly/arguments/"), "form", id="run")
    assert inputs(form)["arg-a"] == "1"
    operator.post("/schedules/nightly/run/", inputs(form) | {"arg-a": "41"})
    assert Job.objects.get().kwargs["a"] == 41
    assert Schedule.objects.get().kwargs == {"a": 1}


def test_arguments_that_do_not_fit_come_back_marked(operator: Client) -> None:
    make_schedule()
    data = {"with": "arguments", "arg-a": "many"}
    soup = sent(operator, "/schedules/nightly/run/", 422, **data)
    assert soup.find("p", id="arg-a-problem")
    assert not Job.objects.exists()


def test_own_arguments_that_no_longer_fit_lead_to_the_form(operator: Client) -> None:
    make_schedule()
    Schedule.objects.update(kwargs={"a": "many"})
    response = operator.post("/schedules/nightly/run/")
    assert response["Location"] == "/schedules/nightly/arguments/"
    assert not Job.objects.exists()
