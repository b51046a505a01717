from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from dashboard import live
from dashboard.hub import Watch
from tasks.models import Fire, Schedule
from tasks.models.fire import Verdict
from tasks.schedules import definitions
from tasks.states import State
from tests.dashboard.schedules import MARA, find, make_fire, make_schedule
from tests.dashboard.soup import Soup
from tests.factories import create_job
from tests.snapshots import make_snapshot, make_worker

pytestmark = pytest.mark.django_db(transaction=True)

LIST = "/schedules/"
ONE = "/schedules/nightly/"
MARKUP = "<img src=x onerror=alert(1)>"
LIVE = {"HX-Request": "true", "HX-Target": "div#live"}


@pytest.fixture(autouse=True)
def _one_worker(show_snapshot: Any) -> None:
    show_snapshot(make_snapshot(workers=[make_worker("w7")]))


def look(client: Client, url: str = LIST, **headers: str) -> Soup:
    response = client.get(url, headers=headers)
    assert response.status_code == 200
    return Soup(response.content)


def test_a_viewer_is_offered_nothing(viewer: Client) -> None:
    make_schedule()
    for url in (LIST, ONE):
        soup = look(viewer, url)
        assert soup.find("button", form="act") is None
        assert soup.find("a", href="/schedules/-/new/") is None
        assert soup.find("a", href=f"{ONE}edit/") is None


def test_the_next_five_are_told_in_both_zones(viewer: Client) -> None:
    make_schedule()
    viewer.cookies["taskyard_zone"] = "Europe/Berlin"
    table = find(look(viewer, ONE), "table", **{"class": "moments"})
    head, *rows = table.find_all("tr")
    assert "Asia/Shanghai" in head.text
    assert "Europe/Berlin, where you are" in head.text
    assert len(rows) == 5
    for one in rows:
        there, here = one.find_all("time")[:2]
        assert there.text.endswith("09:00")
        assert here.text[-5:] in ("02:00", "03:00")


def test_a_zone_that_is_none_counts_as_utc(viewer: Client) -> None:
    make_schedule()
    viewer.cookies["taskyard_zone"] = "Mars/Olympus"
    assert "UTC, where you are" in look(viewer, ONE).text


def test_one_column_is_enough_in_the_schedules_own_zone(viewer: Client) -> None:
    make_schedule()
    viewer.cookies["taskyard_zone"] = "Asia/Shanghai"
    assert "where you are" not in look(viewer, ONE).text


def test_the_live_part_is_rendered_in_the_zone_of_its_watcher() -> None:
    make_schedule()
    view = frozenset({"tasks.view_job"})
    rendered = live.render_watch(Watch(ONE, "", "en", view, "Europe/Berlin"))
    assert "Europe/Berlin, where you are" in (rendered or "")


def test_a_change_of_clocks_is_noted(viewer: Client) -> None:
    year = timezone.now().year + 1
    make_schedule(
        expression="30 2 * * 0", zone="Europe/Berlin", starts_at=f"{year}-03-01T00:00"
    )
    assert "does not exist that day" in look(viewer, ONE).text


def test_others_in_the_same_minute_are_named(viewer: Client) -> None:
    make_schedule("other", expression="0 1 * * *", zone="UTC")
    make_schedule()
    soup = look(viewer, ONE)
    assert soup.find("a", href="/schedules/other/")
    assert "In the same minute" in soup.text


def test_fires_say_their_job_lateness_and_reason(viewer: Client) -> None:
    schedule = make_schedule()
    job = create_job(state=State.FINISHED)
    due = make_fire(schedule, job_key=job.id, verdict=Verdict.LATE).due_at
    Fire.objects.update(decided_at=due + timedelta(minutes=10))
    make_fire(schedule, days=1, verdict=Verdict.SKIPPED, blocked_by=job.id)
    newest, oldest = find(look(viewer, ONE), "section", id="fires").find_all("tr")[1:]
    assert "Skipped" in newest.text
    assert newest.find("a", href=f"/jobs/{job.id}/")
    assert "10 m" in oldest.text
    assert "No scheduler decided it in time." in oldest.text


def test_older_fires_are_a_link_away_and_hold_still(viewer: Client) -> None:
    schedule = make_schedule()
    for day in range(55):
        make_fire(schedule, days=day)
    older = find(look(viewer, ONE), "a", rel="next").attrs["href"]
    soup = look(viewer, ONE + older)
    assert len(find(soup, "section", id="fires").find_all("tr")) == 6
    assert look(viewer, ONE + older, **LIVE).find("html") is not None


@pytest.mark.parametrize("moment", ["x", "2026-01-01", "0001-01-01T00:00%2B14:00"])
def test_fires_before_no_moment_are_the_newest(viewer: Client, moment: str) -> None:
    make_fire(make_schedule())
    soup = look(viewer, f"{ONE}?before={moment}")
    assert len(find(soup, "section", id="fires").find_all("tr")) == 2


def test_a_task_that_is_gone_is_flagged(operator: Client) -> None:
    make_schedule()
    Schedule.objects.update(task="nobody.knows")
    soup = look(operator, ONE)
    assert "nobody.knows is not registered" in find(soup, "div", id="problem").text
    assert soup.find("button", formaction=f"{ONE}run/") is None
    assert (
        "nobody.knows is not registered"
        in find(look(operator), "tr", id="problem-of-nightly").text
    )


def test_a_name_of_any_letters_has_its_page(viewer: Client) -> None:
    make_schedule("日报 für alle.v2")
    url = find(look(viewer), "a", title="日报 für alle.v2").attrs["href"]
    assert url == f"/schedules/{quote('日报 für alle.v2')}/"
    assert "日报 für alle.v2" in find(look(viewer, url), "h1").text


def test_an_unknown_name_is_a_404_page_with_the_nearest(viewer: Client) -> None:
    make_schedule()
    response = viewer.get("/schedules/nigthly/")
    assert response.status_code == 404
    assert b"Did you mean nightly?" in response.content


def test_the_page_costs_the_same_for_more_fires(
    viewer: Client, django_assert_num_queries: Any
) -> None:
    schedule = make_schedule()
    make_fire(schedule, job_key=create_job(state=State.FINISHED).id)
    with CaptureQueriesContext(connection) as few:
        look(viewer, ONE)
    for day in range(1, 9):
        make_fire(schedule, days=day, job_key=create_job(state=State.FINISHED).id)
    with django_assert_num_queries(len(few)):
        look(viewer, ONE)


def test_markup_is_inert_in_every_field(operator: Client) -> None:
    schedule = make_schedule()
    make_fire(
        schedule,
        verdict=Verdict.REFUSED,
        blocked_by=MARKUP,
        facts={"message": MARKUP},
        job_key="",
    )
    Schedule.objects.update(
        kwargs={"a": MARKUP},
        queue=MARKUP,
        tags=[MARKUP],
        declared={"queue": MARKUP},
        overrides={"queue": {"by": MARKUP, "at": timezone.now().isoformat()}},
        created_by=MARKUP,
    )
    for url in (LIST, ONE, f"{ONE}edit/", "/schedules/-/timeline/"):
        assert MARKUP.encode() not in operator.get(url).content


def test_the_overview_shows_what_runs_next(viewer: Client) -> None:
    schedule = make_schedule("soon", kind="every", every=60)
    make_schedule("later", kind="every", every=86_400)
    make_schedule("never", enabled=False)
    make_fire(schedule, verdict=Verdict.MISSED)
    rows = find(look(viewer, "/"), "div", **{"aria-labelledby": "coming-title"})
    names = [one.text for one in rows.find_all("a")]
    assert names == ["soon", "later"]
    assert "Missed" in find(rows, "tr", id="coming-soon").text


def test_the_history_names_fields_as_the_form_does(viewer: Client) -> None:
    make_schedule()
    definitions.change(MARA, "nightly", {"kwargs": {"a": 2}, "expression": "0 8 * * *"})
    history = find(look(viewer, ONE), "ul", **{"class": "history"}).text
    assert "Named arguments" in history
    assert "Expression: 0 9 * * * → 0 8 * * *" in history
