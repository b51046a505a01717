from __future__ import annotations

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from tasks.models import Calendar
from tests.dashboard.schedules import find, make_schedule, words
from tests.dashboard.soup import Soup
from tests.timetable import create_calendar

pytestmark = pytest.mark.django_db(transaction=True)

LIST = "/schedules/-/calendars/"
ADD = f"{LIST}+add/"
CHINA = {
    "off": [{"date": "2026-10-01", "label": "国庆节"}, "2026-10-02"],
    "work": [{"date": "2026-10-10", "label": "国庆节调休"}],
}


def upload(client: Client, name: str = "中国", data: object = CHINA) -> Soup:
    content = data if isinstance(data, bytes) else json.dumps(data).encode()
    file = SimpleUploadedFile("days.json", content)
    response = client.post(ADD, {"name": name, "file": file}, follow=True)
    return Soup(response.content)


def look(client: Client, url: str = LIST) -> Soup:
    response = client.get(url)
    assert response.status_code == 200
    return Soup(response.content)


def test_a_file_becomes_a_calendar_whose_days_are_listed(operator: Client) -> None:
    soup = upload(operator)
    assert "中国" in find(soup, "h1").text
    year = find(soup, "section", **{"aria-labelledby": "year-2026"})
    assert "2 days off, 1 make-up day" in words(year)
    free, worked = (year.find_all("li", **{"class": kind}) for kind in ("free", "work"))
    assert [words(one) for one in free] == ["Thu 2026-10-01 国庆节", "Fri 2026-10-02"]
    assert [words(one) for one in worked] == ["Sat 2026-10-10 worked · 国庆节调休"]
    assert "Saturday, Sunday" in soup.text


def test_the_list_says_how_long_a_calendar_reaches_and_who_keeps_to_it(
    operator: Client,
) -> None:
    upload(operator)
    make_schedule(calendar="中国")
    cells = find(look(operator), "tr", id="calendar-中国").find_all("td")
    assert [one.text for one in cells[:4]] == ["2", "1", "2026-10-10", "1"]


def test_the_same_name_replaces_the_days(operator: Client) -> None:
    upload(operator)
    upload(operator, data={"off": ["2026-01-01"]})
    row = find(look(operator), "tr", id="calendar-中国")
    assert row.find_all("td")[0].text == "1"


@pytest.mark.parametrize("data", [b"<html>", b"{", b"\xff", b"x" * (1 << 20) + b"x"])
def test_a_file_that_is_no_calendar_is_refused_with_the_reason(
    operator: Client, data: bytes
) -> None:
    soup = upload(operator, data=data)
    assert "Nothing was saved." in find(soup, "div", id="problems").text
    assert find(soup, "input", name="name").attrs["value"] == "中国"
    assert not Calendar.objects.exists()


def test_without_a_file_nothing_is_saved(operator: Client) -> None:
    response = operator.post(ADD, {"name": "x"})
    assert response.status_code == 422
    assert b"Choose a file." in response.content


def test_one_that_schedules_keep_to_is_not_deleted(operator: Client) -> None:
    upload(operator)
    make_schedule(calendar="中国")
    soup = look(operator, f"{LIST}中国/")
    assert soup.find("details", id="confirm-delete") is None
    assert "It can be deleted once no schedule keeps to it." in soup.text
    operator.post(f"{LIST}中国/delete/")
    assert Calendar.objects.exists()


def test_the_schedules_that_keep_to_it_are_a_link_away(viewer: Client) -> None:
    create_calendar("中国 2026")
    make_schedule("kept", calendar="中国 2026")
    make_schedule("other")
    calendar = look(viewer, f"{LIST}中国 2026/")
    users = find(calendar, "a", href=lambda url: "?calendar=" in url)
    assert users.text == "1 schedule keeps to it"
    soup = look(viewer, users.attrs["href"])
    assert [one.id for one in soup.find_all("tr", id=bool)] == ["schedule-kept"]
    assert "Only schedules that keep to calendar 中国 2026." in soup.text


def test_one_that_nobody_needs_is_deleted(operator: Client) -> None:
    upload(operator)
    button = find(look(operator, f"{LIST}中国/"), "button", form="act")
    operator.post(button.attrs["formaction"])
    assert not Calendar.objects.exists()


def test_a_viewer_is_offered_nothing(viewer: Client) -> None:
    assert look(viewer).find("form", id="add") is None


def test_an_unknown_one_is_a_404_page(viewer: Client) -> None:
    assert viewer.get(f"{LIST}none/").status_code == 404


def test_markup_is_inert(operator: Client) -> None:
    markup = "<img src=x onerror=alert(1)>"
    soup = upload(operator, markup, {"off": [{"date": "2026-10-01", "label": markup}]})
    assert soup.find("img") is None
    assert look(operator).find("img") is None
