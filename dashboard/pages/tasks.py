"""The list of tasks, the page of one, and the form that runs it."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from dashboard.access import ActorRequest, access
from dashboard.redirects import see_other
from dashboard.rendering import render_page
from dashboard.task_view import TaskForm, make_form, run_form
from tasks.board import forget_board, read_board
from tasks.errors import JobNotFound, TaskNotRegistered
from tasks.job_details import get_job
from tasks.job_reports import find_jobs, read_rows
from tasks.models import Job
from tasks.registry import Task, registry
from tasks.task_reports import TaskStats, read_day, read_task
from tasks.worker_reports import read_breakers

#: Jobs that the page of a task shows; the list has the others.
RECENT = 10


@require_safe
@access("view")
def list_tasks(request: ActorRequest) -> HttpResponse:
    day = read_day(timezone.now())
    rows: list[tuple[Task, TaskStats]] = [
        (task, day.of(task.name)) for task in registry
    ]
    context = {"rows": rows, "partial": day.partial}
    return render_page(request, "dashboard/tasks/list.html", context)


@require_safe
@access("view")
def show_task(request: ActorRequest, name: str) -> HttpResponse:
    task = _find(name)
    source = _source(task, request.GET.get("from", ""))
    return _render(request, task, make_form(task, source))


@require_POST
@access("submit")
def run_task(request: ActorRequest, name: str) -> HttpResponse:
    task = _find(name)
    form, handle = run_form(task, request.POST, request.actor)
    if handle is None:
        return _render(request, task, form, status=422, partials=())
    forget_board()
    if not handle.created:
        said = _("This key was used before: here is the job that it belongs to.")
        messages.info(request, said)
    return see_other(reverse("jobs-detail", args=[handle.id]))


def _source(task: Task, job_id: str) -> Job | None:
    """Return the job of this task whose arguments the form begins with."""
    try:
        job = get_job(job_id)
    except JobNotFound:
        return None
    return job if registry.find(job.task) == task else None


def _find(name: str) -> Task:
    try:
        return registry.get(name)
    except TaskNotRegistered as error:
        raise Http404(str(error)) from error


def _render(
    request: ActorRequest, task: Task, form: TaskForm, **options: Any
) -> HttpResponse:
    now = timezone.now()
    context = {
        "task": task,
        "stats": read_task(task.name, now),
        "breakers": read_breakers(read_board().snapshot, task.name),
        "form": form,
        "may_submit": request.actor.may("submit"),
        "may_manage": request.actor.may("schedule.manage"),
        "rows": read_rows(find_jobs(task=task.name), limit=RECENT),
        "now": now,
    }
    return render_page(request, "dashboard/tasks/detail.html", context, **options)
