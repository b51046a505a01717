"""The schedules: what will run, when and where, and what became of what was due."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from dashboard.access import ActorRequest, access
from dashboard.collisions import clashes_of
from dashboard.redirects import see_other, way_back
from dashboard.rendering import render_page
from dashboard.schedule_list import read_list
from dashboard.timeline_view import draw
from dashboard.zones import shows_viewer_zone, viewer_zone, zone_or_utc
from tasks.board import forget_board, read_board
from tasks.broker.snapshot import Snapshot
from tasks.errors import PermissionMissing, ScheduleNotFound, TasksError
from tasks.models import Schedule
from tasks.registry import registry
from tasks.schedules import definitions
from tasks.schedules.comparison import told_apart
from tasks.schedules.fire_reports import read_fires
from tasks.schedules.reports import ScheduleDetail, get_schedule, read_schedule
from tasks.schedules.timeline import DAY, WEEK, read_timeline

#: How far the timeline reaches, by what its address says.
SPANS: dict[str, timedelta] = {"day": DAY, "week": WEEK}


@require_safe
@access("view")
def list_schedules(request: ActorRequest) -> HttpResponse:
    listing = read_list(request.GET, fresh_snapshot(), timezone.now())
    # A further page holds still, as its rows are asked for by name.
    partials = ("live",) if listing.is_first else ()
    context = {"listing": listing, **_rights(request)}
    return render_page(
        request, "dashboard/schedules/list.html", context, partials=partials
    )


@require_safe
@access("view")
@shows_viewer_zone
def show_schedule(request: ActorRequest, name: str) -> HttpResponse:
    """Show one schedule; `?before=` and `?backfill=` choose Fires that hold still."""
    schedule = find_schedule(name)
    detail = read_schedule(schedule, fresh_snapshot(), timezone.now())
    before, backfill = _moment(request.GET.get("before", "")), _number(request)
    is_live = before is None and backfill is None
    fires = (
        detail.fires
        if is_live
        else read_fires(schedule, before=before, backfill_id=backfill)
    )
    context = {
        **_facts(detail),
        "fires": fires,
        "is_newest": is_live,
        "backfill": backfill,
        "viewer_zone": viewer_zone(request),
        **_rights(request),
    }
    return render_page(
        request,
        "dashboard/schedules/detail.html",
        context,
        partials=("live",) if is_live else (),
    )


def _facts(detail: ScheduleDetail) -> dict[str, Any]:
    schedule = detail.schedule
    return {
        "detail": detail,
        "row": detail.row,
        "schedule": schedule,
        "zone": zone_or_utc(schedule.zone),
        "task": registry.find(schedule.task),
        "clashes": clashes_of(detail),
        "changed": told_apart(detail.comparison),
    }


def _rights(request: ActorRequest) -> dict[str, bool]:
    return {
        "may_manage": request.actor.may("schedule.manage"),
        "may_run": request.actor.may("run_now"),
    }


@require_safe
@access("view")
@shows_viewer_zone
def show_timeline(request: ActorRequest) -> HttpResponse:
    """Show all that will run within a day, or with `?span=week` within a week."""
    span = request.GET.get("span", "")
    zone, now = viewer_zone(request), timezone.now()
    # Its hours, and the days of a week, are those of whoever looks.
    with timezone.override(zone):
        timeline = read_timeline(now, SPANS.get(span, DAY))
    context = {
        "chart": draw(timeline, now, zone, fresh_snapshot()),
        "span": span if span in SPANS else "day",
        "viewer_zone": zone,
    }
    return render_page(
        request, "dashboard/schedules/timeline.html", context, partials=()
    )


@require_POST
@access("schedule.manage")
def enable(request: ActorRequest, name: str) -> HttpResponse:
    said = _("Schedule %(name)s is enabled.") % {"name": name}
    return _act(
        request,
        name,
        said,
        lambda: definitions.set_enabled(request.actor, name, enabled=True),
    )


@require_POST
@access("schedule.manage")
def disable(request: ActorRequest, name: str) -> HttpResponse:
    said = _("Schedule %(name)s is disabled; jobs that it has submitted go on.")
    return _act(
        request,
        name,
        said % {"name": name},
        lambda: definitions.set_enabled(request.actor, name, enabled=False),
    )


@require_POST
@access("schedule.manage")
def reset(request: ActorRequest, name: str) -> HttpResponse:
    """Take the code's value of `field` back, or without one all of the code's values."""
    fields = request.POST.getlist("field")
    said = _("Schedule %(name)s is again as its code says.")
    if fields:
        said = _("What was reset in schedule %(name)s is again as its code says.")
    return _act(
        request,
        name,
        said % {"name": name},
        lambda: definitions.reset(request.actor, name, fields),
    )


@require_POST
@access("schedule.manage")
def delete(request: ActorRequest, name: str) -> HttpResponse:
    said = _("Schedule %(name)s is deleted.") % {"name": name}
    there = reverse("schedules-list")
    return _act(
        request,
        name,
        said,
        lambda: definitions.delete(request.actor, name),
        there=there,
    )


def fresh_snapshot() -> Snapshot | None:
    """Return what Redis holds now, None while it does not answer."""
    board = read_board()
    return None if board.outage else board.snapshot


def find_schedule(name: str) -> Schedule:
    """Return the row; Http404 where there is no such schedule."""
    try:
        return get_schedule(name)
    except ScheduleNotFound as error:
        raise Http404(str(error)) from error


def _act(
    request: ActorRequest,
    name: str,
    said: str,
    act: Callable[[], object],
    *,
    there: str = "",
) -> HttpResponse:
    """Do one act and go back, or `there` once it is done."""
    back = way_back(
        request, request.GET.get("next", ""), reverse("schedules-detail", args=[name])
    )
    try:
        act()
    except ScheduleNotFound as error:
        messages.warning(request, str(error))
        return see_other(reverse("schedules-list"))
    except PermissionMissing:
        raise
    except TasksError as error:
        messages.warning(request, str(error))
        return see_other(back)
    messages.success(request, said)
    forget_board()
    return see_other(there or back)


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _number(request: ActorRequest) -> int | None:
    text = request.GET.get("backfill", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
