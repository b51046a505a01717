"""The time zone of whoever looks: the browser names it in a cookie, else it is UTC."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from django.http import HttpRequest

from tasks.schedules.zones import zone_names

ZONE_COOKIE = "taskyard_zone"

UTC = ZoneInfo("UTC")

View = TypeVar("View", bound=Callable[..., Any])


def viewer_zone(request: HttpRequest) -> ZoneInfo:
    return zone_or_utc(request.COOKIES.get(ZONE_COOKIE, ""))


def zone_or_utc(name: str) -> ZoneInfo:
    """Return the zone of that name, UTC where this machine has none."""
    return ZoneInfo(name) if name in zone_names() else UTC


def shows_viewer_zone(view: View) -> View:
    """Mark a view that writes times in the viewer's zone; live, it renders for each."""
    view.shows_viewer_zone = True  # type: ignore[attr-defined]
    return view


def watched_zone(request: HttpRequest, view: Callable[..., Any]) -> str:
    """Return the zone in which a live page is rendered, "" where it shows no such time."""
    if not getattr(view, "shows_viewer_zone", False):
        return ""
    return viewer_zone(request).key
