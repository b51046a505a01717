"""/jobs: submit, read, list, cancel, stop, retry."""

from __future__ import annotations

from functools import partial

from django.http import HttpResponse
from django.utils.translation import gettext as _
from ninja import Query, Router
from ninja.decorators import decorate_view
from ninja.responses import Status

from dashboard.api.auth import ApiRequest
from dashboard.api.bodies import json_body
from dashboard.api.openapi import BODY, problems
from dashboard.api.payloads import (
    Accepted,
    JobFilter,
    JobOut,
    JobPage,
    SubmitIn,
    job_url,
)
from dashboard.api.problems import invalid, refuse_unknown
from dashboard.api.shapes import brief, whole
from dashboard.paging import Cursor, Position, make_page
from tasks import actions
from tasks.errors import JobNotFound
from tasks.job_details import get_job
from tasks.job_reports import find_jobs, read_rows
from tasks.submission import submit

router = Router(tags=["jobs"])

#: What changes a job and answers with it.
_act = partial(router.post, response=JobOut, openapi_extra=problems(404, 409))


@router.post(
    "/jobs",
    response={202: Accepted, 200: Accepted},
    openapi_extra=problems(409, 507, *BODY),
    summary="Submit a job",
)
@decorate_view(json_body)
def submit_job(
    request: ApiRequest, response: HttpResponse, payload: SubmitIn
) -> Status[Accepted]:
    """Accept a call of a task: 202, or 200 where the idempotency key returned a job."""
    options = payload.model_dump(exclude={"task", "args"}, exclude_unset=True)
    handle = submit(payload.task, payload.args, **options, actor=request.auth)
    response["Location"] = job_url(handle.id)
    made = Accepted(id=handle.id, state=handle.state, url=job_url(handle.id))
    return Status(202 if handle.created else 200, made)


@router.get("/jobs", response=JobPage, openapi_extra=problems(422), summary="List jobs")
def list_jobs(request: ApiRequest, wanted: Query[JobFilter]) -> JobPage | HttpResponse:
    """Return jobs, newest first, by state, task and queue."""
    request.auth.require("view")
    if refusal := refuse_unknown(request, JobFilter):
        return refusal
    place = Cursor.parse(wanted.cursor)
    if wanted.cursor and place is None:
        return invalid({"cursor": _("is not a cursor of this list")})
    return _read_page(wanted, place)


def _read_page(wanted: JobFilter, place: Cursor | None) -> JobPage:
    jobs = find_jobs(state=wanted.state, task=wanted.task, queue=wanted.queue)
    before = (place.at, place.id) if place else None
    # One more than asked for tells whether there is another page, without a count.
    rows = read_rows(jobs, before=before, limit=wanted.limit + 1)
    page = make_page(rows, Position(before=place), wanted.limit)
    return JobPage(
        jobs=[brief(row) for row in page.rows],
        next=str(page.older) if page.older else None,
    )


@_act("/jobs/{path:job_id}/cancel", summary="Cancel a job that waits")
def cancel_job(request: ApiRequest, job_id: str) -> JobOut:
    return whole(actions.cancel(request.auth, _possible(job_id)))


@_act("/jobs/{path:job_id}/stop", summary="Stop a job that runs")
def stop_job(request: ApiRequest, job_id: str) -> JobOut:
    return whole(actions.stop(request.auth, _possible(job_id)))


@router.post(
    "/jobs/{path:job_id}/retry",
    response=JobOut,
    openapi_extra=problems(404, 409, 507),
    summary="Run a job that failed once more",
)
def retry_job(request: ApiRequest, job_id: str) -> JobOut:
    return whole(actions.retry(request.auth, _possible(job_id)))


@_act("/jobs/{path:job_id}/fail", summary="Decide that a job set aside has failed")
def fail_job(request: ApiRequest, job_id: str) -> JobOut:
    """Mark a lost or quarantined job as failed: nobody runs it again."""
    return whole(actions.mark_failed(request.auth, _possible(job_id)))


# The last route, because an id may hold slashes.
@router.get(
    "/jobs/{path:job_id}",
    response=JobOut,
    openapi_extra=problems(404),
    summary="Read a job",
)
def read_job(request: ApiRequest, job_id: str) -> JobOut:
    """Return a job with its attempts, its progress and its result or error."""
    request.auth.require("view")
    return whole(get_job(_possible(job_id)))


def _possible(job_id: str) -> str:
    """Raise JobNotFound for an id with a NUL, which PostgreSQL refuses to look for."""
    if "\0" in job_id:
        raise JobNotFound(job_id)
    return job_id
