from __future__ import annotations

import pytest
from django.http import HttpRequest
from django.test import RequestFactory
from django.urls import reverse

from dashboard import live
from dashboard.pages import queues, schedules
from dashboard.zones import viewer_zone, watched_zone
from tasks.policy import Actor


def request_from(rf: RequestFactory, zone: str) -> HttpRequest:
    request = rf.get("/")
    request.COOKIES["taskyard_zone"] = zone
    return request


@pytest.mark.parametrize(
    ("named", "zone"),
    [
        ("Asia/Tokyo", "Asia/Tokyo"),
        ("", "UTC"),
        ("Mars/Olympus", "UTC"),
        ("../../etc/passwd", "UTC"),
    ],
)
def test_the_browser_names_the_zone(rf: RequestFactory, named: str, zone: str) -> None:
    assert viewer_zone(request_from(rf, named)).key == zone


def test_pages_without_such_times_are_rendered_once_for_all_zones(
    rf: RequestFactory,
) -> None:
    request = request_from(rf, "Asia/Tokyo")
    assert watched_zone(request, queues.list_queues) == ""
    assert watched_zone(request, schedules.list_schedules) == ""
    assert watched_zone(request, schedules.show_schedule) == "Asia/Tokyo"


def test_a_stream_watches_in_the_zone_of_its_viewer(rf: RequestFactory) -> None:
    page = reverse("schedules-detail", args=["nightly"])
    request = rf.get("/live/", {"page": page})
    request.COOKIES["taskyard_zone"] = "Asia/Tokyo"
    request.actor = Actor("vera", "web")
    watch = live._watch(request)
    assert watch is not None
    assert watch.zone == "Asia/Tokyo"
