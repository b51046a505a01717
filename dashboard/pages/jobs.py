"""The list of jobs, the page of one, and what may be done to it."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from dashboard.access import ActorRequest, access
from dashboard.filters import JobFilter
from dashboard.job_list import read_list
from dashboard.job_view import read_job_view
from dashboard.paging import Position
from dashboard.redirects import see_other
from dashboard.rendering import render_page
from tasks import actions
from tasks.board import forget_board, read_board
from tasks.errors import JobNotFound, PermissionMissing, TasksError
from tasks.job_details import get_job, read_whole_log
from tasks.models import Job
from tasks.policy import Actor

Act = Callable[[Actor, str], Job]


@require_safe
@access("view")
def list_jobs(request: ActorRequest) -> HttpResponse:
    job_filter = JobFilter.parse(request.GET)
    listing = read_list(job_filter, Position.parse(request.GET))
    # An older page holds still: new jobs must not push its rows under the pointer.
    partials = ("live",) if listing.is_live else ()
    context = {"filter": job_filter, "listing": listing, "now": timezone.now()}
    return render_page(request, "dashboard/jobs/list.html", context, partials=partials)


@require_safe
@access("view")
def show_job(request: ActorRequest, job_id: str) -> HttpResponse:
    view = read_job_view(_find(job_id), read_board(), request.actor)
    return render_page(request, "dashboard/jobs/detail.html", {"view": view})


@require_safe
@access("view")
def show_log(request: ActorRequest, job_id: str) -> HttpResponse:
    """Answer with the whole log as plain text, which no browser reads as a page."""
    log = read_whole_log(_find(job_id).id)
    return HttpResponse(log, content_type="text/plain; charset=utf-8")


@require_POST
@access("cancel")
def cancel_job(request: ActorRequest, job_id: str) -> HttpResponse:
    return _act(request, job_id, actions.cancel, _("The job is canceled."))


@require_POST
@access("stop")
def stop_job(request: ActorRequest, job_id: str) -> HttpResponse:
    said = _("The worker was told to stop this job; its state says when it has.")
    return _act(request, job_id, actions.stop, said)


@require_POST
@access("retry")
def retry_job(request: ActorRequest, job_id: str) -> HttpResponse:
    return _act(request, job_id, actions.retry, _("The job is queued again."))


@require_POST
@access("mark_failed")
def mark_failed(request: ActorRequest, job_id: str) -> HttpResponse:
    said = _("The job counts as failed and waits for nobody.")
    return _act(request, job_id, actions.mark_failed, said)


@require_POST
@access("submit")
def run_again(request: ActorRequest, job_id: str) -> HttpResponse:
    said = _("This is a new job with the same arguments.")
    return _act(request, job_id, actions.run_again, said)


def _find(job_id: str) -> Job:
    try:
        return get_job(job_id)
    except JobNotFound as error:
        raise Http404(str(error)) from error


def _act(request: ActorRequest, job_id: str, act: Act, said: str) -> HttpResponse:
    """Do one act and go to the page of the job it was about, which is read anew."""
    target = job_id
    try:
        target = act(request.actor, job_id).id
    except JobNotFound as error:
        messages.warning(request, str(error))
        return see_other(reverse("jobs-list"))
    except PermissionMissing:
        raise
    except TasksError as error:
        messages.warning(request, str(error))
    else:
        messages.success(request, said)
    forget_board()
    return see_other(reverse("jobs-detail", args=[target]))
