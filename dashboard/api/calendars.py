"""/calendars: days off and make-up working days, which schedules may keep to."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from ninja import Router
from ninja.decorators import decorate_view
from ninja.responses import Status
from pydantic import BaseModel, ConfigDict, Field

from dashboard.api.auth import ApiRequest
from dashboard.api.bodies import json_body
from dashboard.api.openapi import BODY, problems
from dashboard.api.payloads import Text
from tasks.schedules import keeping
from tasks.schedules.calendar_reports import (
    CalendarRow,
    get_calendar,
    read_calendar_row,
    read_calendars,
)

router = Router(tags=["calendars"])


class CalendarIn(BaseModel):
    """A calendar as it was downloaded."""

    model_config = ConfigDict(extra="forbid")

    data: Text = Field(description="The text of an ICS or JSON file.")


class CalendarBrief(BaseModel):
    name: str
    off: int = Field(description="Days off that it names.")
    work: int = Field(description="Make-up working days that it names.")
    weekends: list[int] = Field(description="Weekdays that are off; 0 is Monday.")
    last_day: date | None = Field(description="The last day that it names.")
    schedules: int = Field(description="How many keep to it.")
    changed_at: datetime
    changed_by: str


class CalendarOut(CalendarBrief):
    days_off: dict[str, str] = Field(description="Dates with their labels.")
    days_worked: dict[str, str] = Field(description="Dates with their labels.")


class CalendarList(BaseModel):
    calendars: list[CalendarBrief]


@router.get(
    "/calendars",
    response=CalendarList,
    openapi_extra=problems(),
    summary="List calendars",
)
def list_calendars(request: ApiRequest) -> CalendarList:
    """Return the calendars by name."""
    request.auth.require("view")
    found = [CalendarBrief(**_brief(row)) for row in read_calendars()]
    return CalendarList(calendars=found)


@router.get(
    "/calendars/{name}",
    response=CalendarOut,
    openapi_extra=problems(404),
    summary="Read a calendar",
)
def read_calendar(request: ApiRequest, name: str) -> CalendarOut:
    """Return a calendar with every day that it names."""
    request.auth.require("view")
    return _whole(name)


@router.put(
    "/calendars/{name}",
    response=CalendarOut,
    openapi_extra=problems(507, *BODY),
    summary="Add or replace a calendar",
)
@decorate_view(json_body)
def save_calendar(request: ApiRequest, name: str, payload: CalendarIn) -> CalendarOut:
    """Add a calendar, or replace it; its schedules go by the new days at once."""
    keeping.save_calendar(request.auth, name, payload.data.encode())
    return _whole(name)


@router.delete(
    "/calendars/{name}",
    response={204: None},
    openapi_extra=problems(404, 422),
    summary="Delete a calendar",
)
def delete_calendar(request: ApiRequest, name: str) -> Status[None]:
    """Delete a calendar that no schedule keeps to."""
    keeping.delete_calendar(request.auth, name)
    return Status(204, None)


def _whole(name: str) -> CalendarOut:
    row = read_calendar_row(get_calendar(name))
    return CalendarOut(
        **_brief(row),
        days_off=_by_date(row.days.off),
        days_worked=_by_date(row.days.work),
    )


def _by_date(days: Mapping[date, str]) -> dict[str, str]:
    return {day.isoformat(): label for day, label in sorted(days.items())}


def _brief(row: CalendarRow) -> dict[str, Any]:
    return {
        "name": row.calendar.name,
        "off": len(row.days.off),
        "work": len(row.days.work),
        "weekends": sorted(row.days.weekends),
        "last_day": row.last_day,
        "schedules": row.schedules,
        "changed_at": row.calendar.changed_at,
        "changed_by": row.calendar.changed_by,
    }
