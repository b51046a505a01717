from __future__ import annotations

import re
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.utils import timezone

from dashboard.timeline_view import draw
from tasks.schedules.timeline import WEEK, read_timeline
from tests.dashboard.schedules import find, make_schedule, words
from tests.dashboard.soup import Node, Soup
from tests.snapshots import make_snapshot, make_worker

pytestmark = pytest.mark.django_db(transaction=True)

TIMELINE = "/schedules/-/timeline/"


def look(client: Client, url: str = TIMELINE) -> Soup:
    response = client.get(url)
    assert response.status_code == 200
    return Soup(response.content)


def drawn(lane: Node, kind: str) -> list[str]:
    """Return the strokes of one path of a lane."""
    path = lane.find("path", **{"class": kind})
    return re.findall(r"M[^M]+", path.attrs["d"]) if path else []


def lane(soup: Soup, name: str = "nightly") -> Node:
    return find(soup, "tr", id=f"lane-{name}")


def test_single_runs_are_lines_where_they_are_due(viewer: Client) -> None:
    make_schedule(kind="every", every=6 * 3600)
    row = lane(look(viewer))
    assert drawn(row, "bars") == []
    runs = drawn(row, "runs")
    places = [float(one[1:].split()[0]) for one in runs]
    steps = {round(b - a) for a, b in pairwise(places)}
    assert len(runs) in (4, 5)
    assert steps == {240}  # six of twenty-five hours, of a thousand


def test_many_runs_are_bars_of_what_an_hour_has(viewer: Client) -> None:
    make_schedule(expression="* * * * *")
    row = lane(look(viewer))
    assert drawn(row, "runs") == []
    assert len(drawn(row, "bars")) in (24, 25)
    assert int(row.find_all("td")[0].text.replace(",", "")) > 1_380


def test_a_week_has_seven_mornings(viewer: Client) -> None:
    make_schedule()
    row = lane(look(viewer, f"{TIMELINE}?span=week"))
    assert len(drawn(row, "runs")) in (7, 8)


def test_the_axis_is_of_the_viewers_zone(viewer: Client) -> None:
    viewer.cookies["taskyard_zone"] = "Asia/Kolkata"
    make_schedule()
    soup = look(viewer)
    assert "Times are of Asia/Kolkata." in soup.text
    labels = [
        one.text for one in find(soup, "svg", **{"class": "ticks"}).find_all("text")
    ]
    assert "12:00" in labels
    assert len(labels) in (8, 9)


def test_a_week_is_labelled_by_its_days(viewer: Client) -> None:
    make_schedule()
    soup = look(viewer, f"{TIMELINE}?span=week")
    labels = [
        one.text for one in find(soup, "svg", **{"class": "ticks"}).find_all("text")
    ]
    assert len(labels) in (7, 8)
    assert len({label.split()[0] for label in labels}) == 7


def test_the_rule_stands_beside_the_name(viewer: Client) -> None:
    make_schedule()
    assert "nightly Every day at 09:00" in words(lane(look(viewer)))


def test_what_is_disabled_or_over_is_not_drawn(viewer: Client) -> None:
    make_schedule(enabled=False)
    assert "No enabled schedule runs within this time." in look(viewer).text


def test_a_queue_that_nobody_serves_is_marked(
    viewer: Client, show_snapshot: Any
) -> None:
    show_snapshot(make_snapshot(workers=[make_worker("w7")]))
    make_schedule()
    make_schedule("stuck", queue="lonely")
    soup = look(viewer)
    assert "no live worker takes lonely" in words(lane(soup, "stuck"))
    assert "no live worker" not in words(lane(soup))


def test_without_redis_no_queue_is_marked(viewer: Client, redis_out: None) -> None:
    make_schedule("stuck", queue="lonely")
    assert b"no live worker" not in viewer.get(TIMELINE).content


def test_a_day_that_begins_at_one_has_its_label() -> None:
    cairo = ZoneInfo("Africa/Cairo")
    now = datetime(2026, 4, 22, 10, tzinfo=UTC)
    with timezone.override(cairo):
        found = read_timeline(now, WEEK)
    labels = [tick.label for tick in draw(found, now, cairo, None).ticks]
    assert labels == [
        "Thu 23",
        "Fri 24",
        "Sat 25",
        "Sun 26",
        "Mon 27",
        "Tue 28",
        "Wed 29",
    ]


def test_an_unknown_span_is_a_day(viewer: Client) -> None:
    make_schedule()
    soup = look(viewer, f"{TIMELINE}?span=year")
    current = find(soup, "a", **{"aria-current": "true", "class": "chip"})
    assert current.text == "24 hours"


def test_a_moment_to_come_is_told_in_words_too(viewer: Client) -> None:
    at = datetime(timezone.now().year + 1, 1, 1, tzinfo=UTC)
    make_schedule("far", kind="once", at=at)
    make_schedule()
    soup = look(viewer)
    assert soup.find("tr", id="lane-far") is None
    assert "01:00" in find(lane(soup), "svg", role="img").attrs["aria-label"]
