from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from tasks.models import Audit, Schedule
from tests.dashboard.schedules import find, make_fire, make_schedule, words
from tests.dashboard.soup import Soup

pytestmark = pytest.mark.django_db(transaction=True)

LIST = "/schedules/"
ONE = "/schedules/nightly/"


def look(client: Client, url: str = LIST) -> Soup:
    response = client.get(url)
    assert response.status_code == 200
    return Soup(response.content)


def said(client: Client, url: str, **data: Any) -> str:
    """Send a form and return the message on the page that follows."""
    response = client.post(url, data, follow=True)
    assert response.status_code == 200
    return find(Soup(response.content), "p", role="status").text


def test_run_now_leads_to_the_job(operator: Client) -> None:
    make_schedule()
    response = operator.post(f"{ONE}run/")
    entry = Audit.objects.get(verb="schedule.run")
    assert (response.status_code, response["Location"]) == (
        303,
        f"/jobs/{entry.result}/",
    )
    assert Schedule.objects.get().fired == 0


def test_disable_and_enable_lead_back_to_where_they_were_pressed(
    operator: Client,
) -> None:
    make_schedule()
    button = find(
        find(look(operator), "tr", id="schedule-nightly"),
        "button",
        formaction=lambda to: "disable" in to,
    )
    response = operator.post(button.attrs["formaction"])
    assert response["Location"] == LIST
    assert not Schedule.objects.get().enabled
    assert "disabled" in find(look(operator), "tr", id="schedule-nightly").text
    assert said(operator, f"{ONE}enable/") == "Schedule nightly is enabled."
    assert Schedule.objects.get().enabled


def test_delete_takes_the_schedule_and_leads_to_the_list(operator: Client) -> None:
    make_fire(make_schedule())
    assert said(operator, f"{ONE}delete/") == "Schedule nightly is deleted."
    assert not Schedule.objects.exists()


def test_one_that_the_code_declares_offers_no_deletion(operator: Client) -> None:
    schedule = make_schedule()
    Schedule.objects.update(declared={"task": schedule.task, "queue": ""})
    assert look(operator, ONE).find("details", id="confirm-delete") is None
    assert "the code declares it" in said(operator, f"{ONE}delete/")
    assert Schedule.objects.exists()


def test_a_change_stands_beside_the_code_and_is_reset(operator: Client) -> None:
    make_schedule(queue="mine")
    mark = {"by": "mara", "at": timezone.now().isoformat()}
    Schedule.objects.update(declared={"queue": "codes"}, overrides={"queue": mark})
    table = find(look(operator, ONE), "table", **{"class": "compare"})
    assert "Queue codes mine mara" in words(table)
    button = find(table, "button", name="field")
    text = said(operator, button.attrs["formaction"], field=button.attrs["value"])
    assert text.startswith("What was reset")
    assert Schedule.objects.get().queue == "codes"
    assert "All settings are as the code says." in look(operator, ONE).text


def test_what_the_code_took_on_is_told_as_the_same(operator: Client) -> None:
    make_schedule(queue="mine")
    mark = {"by": "mara", "at": timezone.now().isoformat()}
    Schedule.objects.update(declared={"queue": "mine"}, overrides={"queue": mark})
    table = find(look(operator, ONE), "table", **{"class": "compare"})
    assert "Queue mine the same mara" in words(table)
    assert find(table, "button", name="field").attrs["value"] == "queue"


def test_what_cannot_be_done_is_a_message(operator: Client) -> None:
    assert "There is no schedule gone." in said(operator, "/schedules/gone/disable/")


def test_nobody_is_sent_away_by_a_link(operator: Client) -> None:
    make_schedule()
    url = f"{ONE}disable/?next=https://evil.example/"
    assert operator.post(url)["Location"] == ONE
