from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tasks.models import Schedule
from tasks.models.fire import Verdict
from tasks.states import State
from tests.dashboard.schedules import find, make_fire, make_schedule, words
from tests.dashboard.soup import Soup
from tests.factories import create_job
from tests.snapshots import make_snapshot, make_worker

pytestmark = pytest.mark.django_db(transaction=True)

LIST = "/schedules/"


@pytest.fixture(autouse=True)
def _one_worker(show_snapshot: Any) -> None:
    show_snapshot(make_snapshot(workers=[make_worker("w7")]))


def look(client: Client, url: str = LIST, **headers: str) -> Soup:
    response = client.get(url, headers=headers)
    assert response.status_code == 200
    return Soup(response.content)


def row(client: Client, name: str = "nightly") -> str:
    return words(find(look(client), "tr", id=f"schedule-{name}"))


def test_a_row_says_what_runs_when_and_where(viewer: Client) -> None:
    make_schedule()
    text = row(viewer)
    for part in ("nightly", "add(a=1)", "Every day at 09:00", "0 9 * * *"):
        assert part in text
    assert "Asia/Shanghai" in text
    assert "default w7" in text
    assert "in " in text
    assert "09:00" in text


def test_a_queue_without_worker_is_told(viewer: Client) -> None:
    make_schedule(queue="lonely")
    assert "lonely no live worker" in row(viewer)


def test_one_that_is_overdue_is_marked_here_and_in_the_rail(viewer: Client) -> None:
    make_schedule()
    rail = find(look(viewer), "a", id="nav-schedules-list")
    assert words(rail) == "Schedules1"
    assert rail.find("span", **{"class": "n bad"}) is None
    late = timezone.now() - timedelta(minutes=5, seconds=1)
    Schedule.objects.update(next_at=late, next_due_at=late, look_at=late)
    assert "overdue for 5 m" in row(viewer)
    rail = find(look(viewer), "a", id="nav-schedules-list")
    assert rail.find("span", **{"class": "n bad"}) is not None


def test_the_strip_tells_each_result_with_its_reason(viewer: Client) -> None:
    schedule = make_schedule()
    job = create_job(state=State.FAILED)
    make_fire(schedule, days=0, job_key=job.id)
    make_fire(schedule, days=1, verdict=Verdict.SKIPPED, blocked_by="j1")
    make_fire(schedule, days=2, verdict=Verdict.MISSED)
    bars = find(look(viewer), "span", **{"class": "strip"}).find_all("i")
    assert [bar.attrs["class"] for bar in bars] == ["job bad", "none mut", "gap bad"]
    assert bars[0].attrs["title"].startswith("2026-03-02 09:00:00 CST · Failed")
    assert "An earlier job of the schedule had not ended." in bars[1].attrs["title"]


def test_words_filter_and_so_do_chips(viewer: Client) -> None:
    make_schedule("nightly")
    make_schedule("weekly", enabled=False)
    soup = look(viewer, "/schedules/?q=WEEK")
    assert [one.id for one in soup.find_all("tr", id=lambda id: "-" in id)] == [
        "schedule-weekly"
    ]
    off = find(soup, "a", id="chip-disabled").attrs["href"]
    assert off == "?q=WEEK&kind=disabled"
    assert "weekly" in words(find(look(viewer, f"/schedules/{off}"), "table"))
    assert "No schedule matches" in words(
        find(look(viewer, "/schedules/?kind=overdue"), "div", id="live")
    )


def listed(soup: Soup) -> list[str]:
    rows = find(soup, "table", **{"class": "schedules"}).find_all("tr")[1:]
    return [row.id.removeprefix("schedule-") for row in rows]


def link(soup: Soup, rel: str) -> str:
    href: str = find(soup, "a", rel=rel).attrs["href"]
    return f"{LIST}{href}"


@pytest.mark.parametrize("sort", ["name", "next"])
def test_pages_lead_on_and_back_in_each_order(
    viewer: Client, monkeypatch: pytest.MonkeyPatch, sort: str
) -> None:
    monkeypatch.setattr("dashboard.schedule_list.PAGE_SIZE", 2)
    now = timezone.now()
    for name, hours in {"a": 9, "b": 7, "c": 8, "d": 7, "e": 6}.items():
        make_schedule(name)
        at = now + timedelta(hours=hours)
        Schedule.objects.filter(name=name).update(next_at=at)
    make_schedule("off", enabled=False)
    wanted = [["a", "b"], ["c", "d"], ["e", "off"]]
    if sort == "next":
        wanted = [["e", "b"], ["d", "c"], ["a", "off"]]
    first = look(viewer, f"{LIST}?sort={sort}")
    second = look(viewer, link(first, "next"))
    third = look(viewer, link(second, "next"))
    assert [listed(page) for page in (first, second, third)] == wanted
    assert third.find("a", rel="next") is None
    assert listed(look(viewer, link(third, "prev"))) == wanted[1]
    again = look(viewer, link(second, "prev"))
    assert listed(again) == wanted[0]
    assert again.find("a", rel="prev") is None


def test_the_order_stands_in_the_address_with_the_filters(viewer: Client) -> None:
    make_schedule()
    soup = look(viewer, f"{LIST}?q=night&sort=next")
    head = find(soup, "a", id="sort-name")
    assert head.attrs["href"] == "?q=night"
    assert find(soup, "a", id="chip-enabled").attrs["href"] == (
        "?q=night&kind=enabled&sort=next"
    )
    assert find(soup, "input", name="sort").attrs["value"] == "next"
    (sorted_by,) = soup.find_all("th", **{"aria-sort": "ascending"})
    assert sorted_by.text == "Next run"


@pytest.mark.parametrize(
    "query",
    [
        "after=zzz",
        "before=a",
        "sort=next&after=x y",
        "sort=next&before=0001-01-01T00:00%2B14:00 x",
        "sort=up&before=\0",
        "after=%20",
    ],
)
def test_a_page_that_is_none_is_the_first(viewer: Client, query: str) -> None:
    make_schedule()
    assert listed(look(viewer, f"{LIST}?{query}")) == ["nightly"]


def test_a_filter_from_elsewhere_is_told_and_kept(viewer: Client) -> None:
    make_schedule(queue="lonely")
    soup = look(viewer, f"{LIST}?queue=lonely")
    assert "Only schedules whose jobs go to queue lonely." in soup.text
    assert find(soup, "input", name="queue").attrs["value"] == "lonely"


def test_the_list_costs_the_same_for_more_schedules(
    viewer: Client, django_assert_num_queries: Any
) -> None:
    make_fire(make_schedule("first"))
    with CaptureQueriesContext(connection) as few:
        look(viewer)
    for number in range(5):
        make_fire(make_schedule(f"s{number}"))
    with django_assert_num_queries(len(few)):
        look(viewer)


def test_an_empty_list_says_how_to_begin(operator: Client) -> None:
    live_part = find(look(operator), "div", id="live")
    assert "There is no schedule yet." in live_part.text
    assert live_part.find("a", href="/schedules/-/new/")


def test_without_redis_the_page_is_there_and_claims_no_missing_worker(
    viewer: Client, redis_out: None
) -> None:
    make_schedule()
    response = viewer.get(LIST)
    assert response.status_code == 503
    assert b"nightly" in response.content
    assert b"no live worker" not in response.content
