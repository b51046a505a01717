"""The calendars: days off and make-up working days that schedules keep to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.dates import WEEKDAYS
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from dashboard.access import ActorRequest, access
from dashboard.redirects import see_other
from dashboard.rendering import render_page
from tasks.errors import CalendarNotFound, InvalidOption, PermissionMissing, TasksError
from tasks.schedules import keeping
from tasks.schedules.calendar_reports import (
    get_calendar,
    read_calendar_row,
    read_calendars,
)
from tasks.schedules.calendars import MOST_BYTES, Days
from tasks.text import name_problem


@dataclass(frozen=True)
class Day:
    """One day that a calendar names."""

    day: date
    works: bool
    label: str


@dataclass(frozen=True)
class Year:
    """The days that a calendar names in a year, in order."""

    number: int
    days: Sequence[Day]

    @property
    def off(self) -> int:
        return sum(not day.works for day in self.days)

    @property
    def work(self) -> int:
        return sum(day.works for day in self.days)


@require_safe
@access("view")
def list_calendars(request: ActorRequest) -> HttpResponse:
    return _render_list(request)


@require_safe
@access("view")
def show_calendar(request: ActorRequest, name: str) -> HttpResponse:
    try:
        calendar = get_calendar(name)
    except CalendarNotFound as error:
        raise Http404(str(error)) from error
    row = read_calendar_row(calendar)
    context = {
        "calendar": calendar,
        "row": row,
        "years": list(_years(row.days)),
        "weekends": ", ".join(str(WEEKDAYS[day]) for day in sorted(row.days.weekends)),
        "may_manage": request.actor.may("schedule.manage"),
    }
    return render_page(request, "dashboard/calendars/detail.html", context, partials=())


def _years(days: Days) -> Iterable[Year]:
    """Yield what is named, the newest year first."""
    named = [Day(day, works=False, label=label) for day, label in days.off.items()]
    named += [Day(day, works=True, label=label) for day, label in days.work.items()]
    named.sort(key=lambda one: one.day)
    years = groupby(named, key=lambda one: one.day.year)
    return reversed([Year(number, list(group)) for number, group in years])


@require_POST
@access("schedule.manage")
def add(request: ActorRequest) -> HttpResponse:
    """Keep the days of the file that was sent, in place of those of that name."""
    name = request.POST.get("name", "").strip()
    file = request.FILES.get("file")
    if file is None:
        return _render_list(request, name, _("Choose a file."))
    # One byte more than allowed is enough to be refused with the reason.
    data = file.read(MOST_BYTES + 1)
    try:
        calendar = keeping.save_calendar(request.actor, name, data)
    except InvalidOption as error:
        labels = {"name": _("Name"), "calendar": _("File")}
        label = labels.get(error.option, error.option)
        return _render_list(request, name, name_problem(label, error.problem))
    messages.success(
        request, _("Calendar %(name)s is saved.") % {"name": calendar.name}
    )
    return see_other(reverse("calendars-detail", args=[calendar.name]))


@require_POST
@access("schedule.manage")
def delete(request: ActorRequest, name: str) -> HttpResponse:
    try:
        keeping.delete_calendar(request.actor, name)
    except PermissionMissing:
        raise
    except TasksError as error:
        messages.warning(request, str(error))
    else:
        messages.success(request, _("Calendar %(name)s is deleted.") % {"name": name})
    return see_other(reverse("calendars-list"))


def _render_list(
    request: ActorRequest, name: str = "", problem: str = ""
) -> HttpResponse:
    context = {
        "calendars": read_calendars(),
        "today": timezone.localdate(),
        "may_manage": request.actor.may("schedule.manage"),
        "name": name,
        "problem": problem,
    }
    return render_page(
        request,
        "dashboard/calendars/list.html",
        context,
        partials=(),
        status=422 if problem else None,
    )
