"""Making and changing schedules, seeing beforehand when they fire, running one now."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from dashboard.access import ActorRequest, access
from dashboard.form_input import mark_problems, read_form
from dashboard.forms import Field, make_fields
from dashboard.pages.schedules import find_schedule
from dashboard.redirects import see_other
from dashboard.rendering import VARY, render_page
from dashboard.schedule_form import (
    ScheduleForm,
    change_by,
    create_by,
    look_ahead,
    make_edit_form,
    make_new_form,
)
from dashboard.schedule_outlook import look_at_settings
from dashboard.task_view import arguments_of
from dashboard.zones import viewer_zone
from tasks.board import forget_board
from tasks.errors import InvalidArguments, PermissionMissing, TasksError
from tasks.models import Schedule
from tasks.registry import Task, registry
from tasks.schedules import definitions
from tasks.schedules.zones import zone_names

#: The button of the form that saves nothing.
PREVIEW = "preview"


@require_safe
@access("view")
def new(request: ActorRequest) -> HttpResponse:
    """Show the form of a new schedule of `?task=`, or the choice of a task."""
    request.actor.require("schedule.manage")
    task = registry.find(request.GET.get("task", ""))
    form = make_new_form(task, viewer_zone(request)) if task else None
    return _render(request, form, task)


@require_POST
@access("schedule.manage")
def create(request: ActorRequest) -> HttpResponse:
    task = registry.find(request.POST.get("task", ""))
    if task is None:
        return _render(request, None, None, status=422)
    form = make_new_form(task, viewer_zone(request))
    if PREVIEW in request.POST:
        return _render(request, look_ahead(form, request.POST), task)
    form, schedule = create_by(form, request.POST, request.actor)
    if schedule is None:
        return _render(request, form, task, status=422)
    said = _("Schedule %(name)s is made.") % {"name": schedule.name}
    return _saved(request, schedule, said)


@require_safe
@access("view")
def edit(request: ActorRequest, name: str) -> HttpResponse:
    request.actor.require("schedule.manage")
    form = make_edit_form(find_schedule(name))
    return _render(request, look_ahead(form, _as_posted(form)), form.task)


@require_POST
@access("schedule.manage")
def change(request: ActorRequest, name: str) -> HttpResponse:
    schedule = find_schedule(name)
    if PREVIEW in request.POST:
        form = look_ahead(make_edit_form(schedule), request.POST)
        return _render(request, form, form.task)
    form, changed = change_by(schedule, request.POST, request.actor)
    if changed is None:
        return _render(request, form, form.task, status=422)
    said = _("Schedule %(name)s is changed.") % {"name": name}
    if changed.version == schedule.version:
        said = _("Nothing differs, so nothing was changed.")
    return _saved(request, changed, said)


@require_safe
@access("view")
def preview(request: ActorRequest) -> HttpResponse:
    """Answer with the fragment that says what the settings of the form would do."""
    context = {
        "outlook": look_at_settings(request.GET),
        "viewer_zone": viewer_zone(request),
    }
    response = render(request, "dashboard/schedules/_preview.html", context)
    response["Cache-Control"] = "no-store"
    response["Vary"] = ", ".join(VARY)
    return response


@require_safe
@access("view")
def ask_arguments(request: ActorRequest, name: str) -> HttpResponse:
    """Show the form that runs a schedule's task once with other arguments."""
    request.actor.require("run_now")
    schedule = find_schedule(name)
    task = _task_of(schedule)
    fields = make_fields(task, arguments_of(task, schedule))
    return _render_arguments(request, schedule, fields)


@require_POST
@access("run_now")
def run_now(request: ActorRequest, name: str) -> HttpResponse:
    """Submit a job now: with the arguments of the form, or the schedule's own."""
    schedule = find_schedule(name)
    fields: list[Field] = []
    values: dict[str, Any] | None = None
    if "with" in request.POST:
        fields, values = read_form(make_fields(_task_of(schedule)), request.POST)
        if any(field.problem for field in fields):
            return _render_arguments(request, schedule, fields, status=422)
    try:
        job = definitions.run_now(request.actor, name, values)
    except PermissionMissing:
        raise
    except InvalidArguments as error:
        if values is not None:
            fields, rest = mark_problems(fields, error.problems)
            return _render_arguments(request, schedule, fields, rest, status=422)
        messages.warning(request, str(error))
        return see_other(reverse("schedules-arguments", args=[name]))
    except TasksError as error:
        messages.warning(request, str(error))
        return see_other(reverse("schedules-detail", args=[name]))
    forget_board()
    return see_other(reverse("jobs-detail", args=[job.id]))


def _task_of(schedule: Schedule) -> Task:
    task = registry.find(schedule.task)
    if task is None:
        text = _("Task %(name)s is not registered.")
        raise Http404(text % {"name": schedule.task})
    return task


def _as_posted(form: ScheduleForm) -> dict[str, str]:
    """Return what the form would send as it is."""
    fields = [*form.arguments, *form.settings]
    return {
        field.input_name: field.text
        for field in fields
        if field.kind != "checkbox" or field.is_checked
    }


def _saved(request: ActorRequest, schedule: Schedule, said: str) -> HttpResponse:
    messages.success(request, said)
    return see_other(reverse("schedules-detail", args=[schedule.name]))


def _render(
    request: ActorRequest,
    form: ScheduleForm | None,
    task: Task | None,
    *,
    status: int | None = None,
) -> HttpResponse:
    if form is not None and form.has_problems and form.outlook is None:
        form = replace(form, outlook=look_ahead(form, _as_posted(form)).outlook)
    context = {
        "form": form,
        "task": task,
        "tasks": [] if form else list(registry),
        "outlook": form.outlook if form else None,
        "zones": sorted(zone_names()),
        "viewer_zone": viewer_zone(request),
    }
    return render_page(
        request, "dashboard/schedules/form.html", context, partials=(), status=status
    )


def _render_arguments(
    request: ActorRequest,
    schedule: Schedule,
    fields: list[Field],
    problems: list[str] | None = None,
    *,
    status: int | None = None,
) -> HttpResponse:
    context = {
        "schedule": schedule,
        "fields": fields,
        "problems": problems or [],
        "has_problems": bool(problems) or any(field.problem for field in fields),
    }
    return render_page(
        request,
        "dashboard/schedules/arguments.html",
        context,
        partials=(),
        status=status,
    )
