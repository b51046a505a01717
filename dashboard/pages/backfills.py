"""Backfills: running moments of a schedule's past after all, after a dry run."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from dashboard.access import ActorRequest, access
from dashboard.backfill_form import BackfillForm, fill, make_form, with_problem
from dashboard.pages.schedules import find_schedule
from dashboard.redirects import see_other
from dashboard.rendering import render_page
from tasks.errors import InvalidOption, PermissionMissing, TasksError
from tasks.models import Backfill, Schedule
from tasks.policy import Actor
from tasks.schedules import backfill
from tasks.schedules.errors import BackfillNotFound

Turn = Callable[[Actor, int], Backfill]


@require_safe
@access("view")
def ask(request: ActorRequest, name: str) -> HttpResponse:
    """Show the form; once it is filled, what a backfill by it would run."""
    request.actor.require("schedule.manage")
    schedule = find_schedule(name)
    form = make_form(schedule, timezone.now())
    if request.GET:
        form = fill(form, schedule, request.GET)
    return _render(request, schedule, form)


@require_POST
@access("schedule.manage")
def start(request: ActorRequest, name: str) -> HttpResponse:
    schedule = find_schedule(name)
    form = fill(make_form(schedule, timezone.now()), schedule, request.POST)
    if form.has_problems:
        return _render(request, schedule, form, status=422)
    try:
        made = backfill.create(request.actor, schedule, **form.values)
    except InvalidOption as error:
        return _render(request, schedule, with_problem(form, error), status=422)
    said = _("Backfill %(number)s has begun.") % {"number": made.pk}
    messages.success(request, said)
    return see_other(reverse("schedules-detail", args=[name]) + "#backfills")


@require_POST
@access("schedule.manage")
def pause(request: ActorRequest, number: str) -> HttpResponse:
    said = _("Backfill %(number)s is paused; the jobs it has submitted go on.")
    return _turn(request, number, backfill.pause, said)


@require_POST
@access("schedule.manage")
def go_on(request: ActorRequest, number: str) -> HttpResponse:
    return _turn(request, number, backfill.go_on, _("Backfill %(number)s goes on."))


@require_POST
@access("schedule.manage")
def abort(request: ActorRequest, number: str) -> HttpResponse:
    said = _("Backfill %(number)s is aborted; its jobs that wait are canceled.")
    return _turn(request, number, backfill.abort, said)


def _turn(request: ActorRequest, number: str, turn: Turn, said: str) -> HttpResponse:
    """Do one act and go back to the schedule whose backfill it is."""
    pk = _number(number)
    try:
        schedule = turn(request.actor, pk).schedule
    except BackfillNotFound as error:
        raise Http404(str(error)) from error
    except PermissionMissing:
        raise
    except TasksError as error:
        messages.warning(request, str(error))
        schedule = Schedule.objects.get(backfills=pk)
    else:
        messages.success(request, said % {"number": pk})
    return see_other(schedule.get_absolute_url() + "#backfills")


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise Http404(_("There is no backfill %(number)s.") % {"number": text})
    return int(text)


def _render(
    request: ActorRequest,
    schedule: Schedule,
    form: BackfillForm,
    *,
    status: int | None = None,
) -> HttpResponse:
    context = {"schedule": schedule, "form": form}
    return render_page(
        request,
        "dashboard/schedules/backfill.html",
        context,
        partials=(),
        status=status,
    )
