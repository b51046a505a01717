"""/schedules: make, read, list, change, delete, enable, disable, run, reset."""

from __future__ import annotations

from functools import partial

from django.http import HttpResponse
from django.utils import timezone
from ninja import Query, Router
from ninja.decorators import decorate_view
from ninja.responses import Status

from dashboard.api.auth import ApiRequest
from dashboard.api.bodies import json_body, optional_json_body
from dashboard.api.openapi import BODY, problems
from dashboard.api.payloads import Accepted, job_url
from dashboard.api.problems import refuse_unknown
from dashboard.api.schedule_payloads import (
    ChangeIn,
    ResetIn,
    RunIn,
    ScheduleIn,
    ScheduleOut,
    SchedulePage,
    ScheduleQuery,
    schedule_url,
)
from dashboard.api.schedule_shapes import (
    brief_schedule,
    fresh_snapshot,
    whole_schedule,
)
from tasks.schedules import definitions
from tasks.schedules.reports import ScheduleFilter, get_schedule, read_schedules
from tasks.states import State

router = Router(tags=["schedules"])

#: What changes a schedule and answers with it. A change decides what came due before.
_act = partial(
    router.post, response=ScheduleOut, openapi_extra=problems(404, 409, 422, 507)
)
_CHANGED = problems(404, 409, 507, *BODY)


@router.get(
    "/schedules",
    response=SchedulePage,
    openapi_extra=problems(422),
    summary="List schedules",
)
def list_schedules(
    request: ApiRequest, wanted: Query[ScheduleQuery]
) -> SchedulePage | HttpResponse:
    """Return schedules by name, by text, task, queue, calendar and kind."""
    request.auth.require("view")
    if refusal := refuse_unknown(request, ScheduleQuery):
        return refusal
    fields = wanted.model_dump(exclude={"limit", "cursor"})
    page = read_schedules(
        fresh_snapshot(),
        timezone.now(),
        ScheduleFilter(**fields),
        after=wanted.cursor,
        limit=wanted.limit,
    )
    return SchedulePage(
        schedules=[brief_schedule(row) for row in page.rows],
        next=page.next_after or None,
    )


@router.post(
    "/schedules",
    response={201: ScheduleOut},
    openapi_extra=problems(409, *BODY),
    summary="Make a schedule",
)
@decorate_view(json_body)
def create_schedule(
    request: ApiRequest, response: HttpResponse, payload: ScheduleIn
) -> Status[ScheduleOut]:
    """Make a schedule; what could never run is refused with the reason."""
    values = payload.model_dump(exclude={"name"}, exclude_unset=True)
    definitions.create(request.auth, payload.name, values)
    response["Location"] = schedule_url(payload.name)
    return Status(201, whole_schedule(get_schedule(payload.name)))


@router.get(
    "/schedules/{name}",
    response=ScheduleOut,
    openapi_extra=problems(404),
    summary="Read a schedule",
)
def read_schedule(request: ApiRequest, name: str) -> ScheduleOut:
    """Return a schedule with its settings, the code's, and what comes next."""
    request.auth.require("view")
    return whole_schedule(get_schedule(name))


@router.patch(
    "/schedules/{name}",
    response=ScheduleOut,
    openapi_extra=_CHANGED,
    summary="Change a schedule",
)
@decorate_view(json_body)
def change_schedule(request: ApiRequest, name: str, payload: ChangeIn) -> ScheduleOut:
    """Change what is sent; of a declared schedule it then stands before the code's."""
    values = payload.model_dump(exclude={"version"}, exclude_unset=True)
    definitions.change(request.auth, name, values, version=payload.version)
    return whole_schedule(get_schedule(name))


@router.delete(
    "/schedules/{name}",
    response={204: None},
    openapi_extra=problems(404, 422),
    summary="Delete a schedule",
)
def delete_schedule(request: ApiRequest, name: str) -> Status[None]:
    """Delete a schedule and its Fires; its jobs stay. One in the code is refused."""
    definitions.delete(request.auth, name)
    return Status(204, None)


@_act("/schedules/{name}/enable", summary="Enable a schedule")
def enable_schedule(request: ApiRequest, name: str) -> ScheduleOut:
    """Let a schedule run; what was due meanwhile does not come back."""
    definitions.set_enabled(request.auth, name, enabled=True)
    return whole_schedule(get_schedule(name))


@_act("/schedules/{name}/disable", summary="Disable a schedule")
def disable_schedule(request: ApiRequest, name: str) -> ScheduleOut:
    """Let no job come of a schedule; those that it submitted go on."""
    definitions.set_enabled(request.auth, name, enabled=False)
    return whole_schedule(get_schedule(name))


@router.post(
    "/schedules/{name}/reset",
    response=ScheduleOut,
    openapi_extra=_CHANGED,
    summary="Take the code's values back",
)
@decorate_view(optional_json_body)
def reset_schedule(
    request: ApiRequest, name: str, payload: ResetIn | None = None
) -> ScheduleOut:
    """Take the code's values back, of some fields or of all."""
    definitions.reset(request.auth, name, payload.fields if payload else ())
    return whole_schedule(get_schedule(name))


@router.post(
    "/schedules/{name}/run",
    response={202: Accepted},
    openapi_extra=problems(404, 507, *BODY),
    summary="Run a schedule's job now",
)
@decorate_view(optional_json_body)
def run_schedule(
    request: ApiRequest, name: str, payload: RunIn | None = None
) -> Status[Accepted]:
    """Submit a job as the schedule would; its own moments stay as they are."""
    args = payload.args if payload else None
    job = definitions.run_now(request.auth, name, args)
    made = Accepted(id=job.id, state=State(job.state), url=job_url(job.id))
    return Status(202, made)
