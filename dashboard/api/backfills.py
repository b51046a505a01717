"""/backfills: running moments of a schedule's past after all, and holding that."""

from __future__ import annotations

from functools import partial

from django.http import HttpResponse
from django.urls import reverse
from ninja import Router
from ninja.decorators import decorate_view
from ninja.responses import Status

from dashboard.api.auth import ApiRequest
from dashboard.api.backfill_payloads import (
    BackfillIn,
    BackfillList,
    BackfillOut,
    PlanOut,
)
from dashboard.api.bodies import json_body
from dashboard.api.openapi import BODY, problems
from tasks.schedules import backfill, backfill_reports
from tasks.schedules.backfill_reports import BackfillRow, get_backfill, read_backfills
from tasks.schedules.reports import get_schedule

router = Router(tags=["backfills"])

#: Backfills of one schedule that are listed, the newest.
LISTED = 50

#: What a backfill shows as its row has it.
_PLAIN = (
    *("first_at", "last_at", "reprocess", "newest_first", "at_once", "state"),
    *("total", "created_at", "created_by", "ended_at"),
)

_turn = partial(router.post, response=BackfillOut, openapi_extra=problems(404, 409))


@router.get(
    "/schedules/{name}/backfills",
    response=BackfillList,
    openapi_extra=problems(404),
    summary="List backfills of a schedule",
)
def list_backfills(request: ApiRequest, name: str) -> BackfillList:
    """Return the newest backfills of a schedule, with how far they are."""
    request.auth.require("view")
    rows = read_backfills(get_schedule(name), LISTED)
    return BackfillList(backfills=[_shape(row) for row in rows])


@router.post(
    "/schedules/{name}/backfills",
    response={201: BackfillOut, 200: PlanOut},
    openapi_extra=problems(404, *BODY),
    summary="Backfill a range",
)
@decorate_view(json_body)
def create_backfill(
    request: ApiRequest, response: HttpResponse, name: str, payload: BackfillIn
) -> Status[BackfillOut] | Status[PlanOut]:
    """Run moments of a range after all: 201; or 200 and what a dry run would run."""
    schedule = get_schedule(name)
    if payload.dry_run:
        request.auth.require("view")
        wanted = payload.model_dump(exclude={"dry_run", "at_once"})
        return Status(200, _shape_plan(backfill.dry_run(schedule, **wanted)))
    wanted = payload.model_dump(exclude={"dry_run"})
    made = backfill.create(request.auth, schedule, **wanted)
    response["Location"] = _url(made.pk)
    return Status(201, _read(made.pk))


@router.get(
    "/backfills/{int:number}",
    response=BackfillOut,
    openapi_extra=problems(404),
    summary="Read a backfill",
)
def read_backfill(request: ApiRequest, number: int) -> BackfillOut:
    """Return a backfill and how far it is."""
    request.auth.require("view")
    return _read(number)


@_turn("/backfills/{int:number}/pause", summary="Pause a backfill")
def pause_backfill(request: ApiRequest, number: int) -> BackfillOut:
    """Submit no more of it until it goes on; the jobs that it has go on."""
    return _read(backfill.pause(request.auth, number).pk)


@_turn("/backfills/{int:number}/go-on", summary="Let a backfill go on")
def go_on_backfill(request: ApiRequest, number: int) -> BackfillOut:
    """Submit further moments of a backfill that was paused."""
    return _read(backfill.go_on(request.auth, number).pk)


@_turn("/backfills/{int:number}/abort", summary="Abort a backfill")
def abort_backfill(request: ApiRequest, number: int) -> BackfillOut:
    """Submit no more of it, ever; its jobs that wait are canceled, what runs goes on."""
    return _read(backfill.abort(request.auth, number).pk)


def _read(number: int) -> BackfillOut:
    return _shape(backfill_reports.read_backfill(get_backfill(number)))


def _shape(row: BackfillRow) -> BackfillOut:
    found = row.backfill
    return BackfillOut(
        **{name: getattr(found, name) for name in _PLAIN},
        number=found.pk,
        url=_url(found.pk),
        schedule=found.schedule.name,
        decided=row.decided,
        finished=row.done,
        failed=row.failed,
        canceled=row.canceled,
        unended=row.unended,
    )


def _shape_plan(plan: backfill.DryRun) -> PlanOut:
    return PlanOut(
        moments=[moment.due_at for moment in plan.moments],
        total=plan.total,
        left_out=plan.left_out,
    )


def _url(number: int) -> str:
    return reverse("v1:read_backfill", args=[number])
