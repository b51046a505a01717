"""/schedules/…: what became of due moments, what comes next, and what would."""

from __future__ import annotations

from django.http import HttpResponse
from django.utils import timezone
from ninja import Query, Router
from ninja.decorators import decorate_view

from dashboard.api.auth import ApiRequest
from dashboard.api.bodies import json_body
from dashboard.api.openapi import BODY, problems
from dashboard.api.problems import refuse_unknown
from dashboard.api.schedule_payloads import (
    FirePageOut,
    FireQuery,
    NextOut,
    NextQuery,
    PreviewIn,
    PreviewOut,
    TimelineOut,
    TimelineQuery,
)
from dashboard.api.schedule_shapes import (
    shape_fires,
    shape_preview_moment,
    shape_timeline,
    shape_upcoming,
)
from tasks.schedules import definitions
from tasks.schedules.fire_reports import read_fires
from tasks.schedules.outlook import read_upcoming
from tasks.schedules.reports import get_schedule
from tasks.schedules.timeline import DAY, WEEK, read_timeline

router = Router(tags=["schedules"])


@router.post(
    "/schedule-preview",
    response=PreviewOut,
    openapi_extra=problems(404, *BODY),
    summary="Say when a schedule would run",
)
@decorate_view(json_body)
def preview_schedule(request: ApiRequest, payload: PreviewIn) -> PreviewOut:
    """Return the next moments of what the fields would make; nothing is written."""
    request.auth.require("view")
    values = payload.model_dump(exclude={"schedule", "count"}, exclude_unset=True)
    schedule = get_schedule(payload.schedule) if payload.schedule else None
    found = definitions.preview(values, payload.count, schedule=schedule)
    return PreviewOut(
        words=found.words,
        zone=found.zone,
        next=[shape_preview_moment(one, found.zone) for one in found.moments],
        notes=list(found.notes),
    )


@router.get(
    "/schedules/{name}/fires",
    response=FirePageOut,
    openapi_extra=problems(404, 422),
    summary="List what became of due moments",
)
def list_fires(
    request: ApiRequest, name: str, wanted: Query[FireQuery]
) -> FirePageOut | HttpResponse:
    """Return a schedule's due moments, newest first, or those of a backfill."""
    request.auth.require("view")
    if refusal := refuse_unknown(request, FireQuery):
        return refusal
    page = read_fires(
        get_schedule(name),
        before=wanted.cursor,
        backfill_id=wanted.backfill,
        limit=wanted.limit,
    )
    return shape_fires(page)


@router.get(
    "/schedules/{name}/next",
    response=NextOut,
    openapi_extra=problems(404, 422),
    summary="List the next moments",
)
def list_next(
    request: ApiRequest, name: str, wanted: Query[NextQuery]
) -> NextOut | HttpResponse:
    """Return moments until so many are due; none of a schedule that is disabled."""
    request.auth.require("view")
    if refusal := refuse_unknown(request, NextQuery):
        return refusal
    schedule = get_schedule(name)
    upcoming = read_upcoming(schedule, timezone.now(), wanted.count)
    return NextOut(
        schedule=schedule.name,
        zone=schedule.zone,
        next=[shape_upcoming(one) for one in upcoming],
    )


@router.get(
    "/schedule-timeline",
    response=TimelineOut,
    openapi_extra=problems(422),
    summary="List all that will run",
)
def read_all_that_runs(
    request: ApiRequest, wanted: Query[TimelineQuery]
) -> TimelineOut | HttpResponse:
    """Return what runs within a day by hours, or within a week by quarters of days."""
    request.auth.require("view")
    if refusal := refuse_unknown(request, TimelineQuery):
        return refusal
    span = WEEK if wanted.span == "week" else DAY
    return shape_timeline(read_timeline(timezone.now(), span))
