"""What the API takes and gives of schedules."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from urllib.parse import quote

from django.urls import reverse
from pydantic import BaseModel, ConfigDict, Field

from dashboard.api.payloads import Flag, Moment, Seconds, Text, Whole
from tasks.models.fire import Verdict
from tasks.schedules.outlook import NEXT_SHOWN
from tasks.states import State

#: Moments that `next` and a preview list at most.
MOST_NEXT = 100


class Settings(BaseModel):
    """The fields of a schedule; null, or left out, is a field's default."""

    model_config = ConfigDict(extra="forbid")

    task: Text | None = None
    args: list[Any] | None = Field(None, description="Arguments by position.")
    kwargs: dict[Text, Any] | None = Field(None, description="Arguments by name.")
    queue: Text | None = Field(None, description="Empty: the task's.")
    timeout: Whole | None = Field(None, description="Seconds; null: the task's.")
    retries: Whole | None = Field(None, description="Null: the task's.")
    tags: list[Text] | None = None
    at_front: Flag | None = None
    kind: Text | None = Field(None, description="cron, every, after or once.")
    expression: Text | None = Field(
        None, description="Five cron fields, six with seconds first, or @daily."
    )
    every: Seconds | None = Field(
        None, description="Seconds, of the kinds every and after."
    )
    at: Moment | None = Field(None, description="The moment of the kind once.")
    zone: Text | None = Field(None, description="An IANA name.")
    starts_at: Moment | None = None
    ends_at: Moment | None = None
    most_fires: Whole | None = Field(None, description="Null: any number of runs.")
    jitter: Seconds | None = Field(
        None, description="Seconds; each schedule runs at a moment of its own in them."
    )
    calendar: Text | None = Field(None, description="The name of one.")
    on_day_off: Text | None = Field(None, description="run, skip, next or previous.")
    misfire: Text | None = Field(None, description="skip, once or all.")
    misfire_most: Whole | None = None
    misfire_age: Seconds | None = Field(None, description="Seconds; null: any age.")
    grace: Seconds | None = Field(
        None, description="Seconds up to which a late moment counts as kept."
    )
    overlap: Text | None = Field(
        None, description="allow, skip, queue_one, queue_all, cancel or stop."
    )
    enabled: Flag | None = None


class ScheduleIn(Settings):
    name: Text
    task: Text


class ChangeIn(Settings):
    """Only what is sent is changed."""

    version: Whole | None = Field(
        None,
        description="The version that was read: refused where there is a newer one.",
    )


class PreviewIn(Settings):
    schedule: Text | None = Field(
        None, description="The name of a schedule that the fields would change."
    )
    count: Annotated[Whole, Field(ge=1, le=MOST_NEXT)] = NEXT_SHOWN


class RunIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    args: dict[Text, Any] | None = Field(
        None, description="Arguments by name, instead of the schedule's."
    )


class ResetIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    fields: list[Text] = Field([], description="Empty: all that people changed.")


class ScheduleQuery(BaseModel):
    """Which schedules, by name."""

    text: Text = Field("", description="A part of the name or of the task's.")
    task: Text = ""
    queue: Text = ""
    calendar: Text = Field("", description="The name of the one they keep to.")
    kind: Literal["", "enabled", "disabled", "declared", "overdue"] = ""
    limit: int = Field(50, ge=1, le=100)
    cursor: Text = Field("", description="`next` of the page before.")


class FireQuery(BaseModel):
    backfill: int | None = Field(
        None, ge=0, lt=2**63, description="What that backfill ran."
    )
    limit: int = Field(50, ge=1, le=100)
    cursor: Moment | None = Field(None, description="`next` of the page before.")


class NextQuery(BaseModel):
    count: int = Field(NEXT_SHOWN, ge=1, le=MOST_NEXT)


class FireOut(BaseModel):
    due_at: datetime
    nominal_at: datetime | None = Field(
        description="By the rule, where a calendar moved it."
    )
    verdict: Verdict
    decided_at: datetime
    late_by: float | None = Field(description="Seconds, jitter left out.")
    moments: int = Field(description="How many it stands for; due_at is the last.")
    job: str | None = Field(description="The id of the job that came of it.")
    job_url: str | None
    state: State | None = Field(description="Of the job now; null if forgotten.")
    blocked_by: str | None = Field(description="The id of the job in its way.")
    reason: str = Field(description="A sentence; empty where it ran in time.")
    backfill: int | None


class FirePageOut(BaseModel):
    fires: list[FireOut]
    next: str | None = Field(description="The cursor of the next page, if any.")


class UpcomingOut(BaseModel):
    due_at: datetime
    local: datetime = Field(description="The same in the schedule's zone.")
    runs_at: datetime = Field(description="With the schedule's share of the jitter.")
    verdict: str = Field(description="due; or excluded or moved by a calendar.")
    note: str = Field(description="What calendar and clocks do to it.")


class CollisionOut(BaseModel):
    minute: datetime
    schedules: list[str]
    more: int = Field(description="How many more there are than are named.")


class ScheduleBrief(BaseModel):
    name: str
    url: str
    task: str
    words: str = Field(description="The rule in words.")
    kind: str
    expression: str
    zone: str
    enabled: bool
    queue: str = Field(description="Where its jobs go.")
    workers: list[str] | None = Field(
        description="Live workers that take its jobs; null while Redis is away."
    )
    next_due_at: datetime | None
    next_at: datetime | None = Field(description="With its share of the jitter.")
    overdue_since: datetime | None
    last: FireOut | None = Field(description="What became of the last due moment.")
    problem: str = Field(description="Why it cannot run as it is; else empty.")
    declared: bool = Field(description="Whether code declares it.")
    overridden: list[str] = Field(description="Fields that people changed since.")
    version: int


class ComparisonOut(BaseModel):
    field: str
    code: Any = Field(description="What the code says.")
    present: Any = Field(description="What holds.")
    changed_by: str
    changed_at: datetime | None


class ScheduleOut(ScheduleBrief):
    settings: Settings
    code: list[ComparisonOut] = Field(
        description="The code's values beside the present ones, changed ones first."
    )
    next: list[UpcomingOut]
    collisions: list[CollisionOut] = Field(
        description="What else comes to the same queue in the same minutes."
    )
    fired: int
    gone_at: datetime | None = Field(description="When the code stopped declaring it.")
    created_at: datetime
    created_by: str
    changed_at: datetime
    changed_by: str


class SchedulePage(BaseModel):
    schedules: list[ScheduleBrief]
    next: str | None = Field(description="The cursor of the next page, if any.")


class NextOut(BaseModel):
    schedule: str
    zone: str
    next: list[UpcomingOut]


class PreviewMomentOut(BaseModel):
    due_at: datetime
    local: datetime = Field(description="The same in the schedule's zone.")
    runs_at: datetime = Field(description="With the schedule's share of the jitter.")
    note: str = Field(description="What calendar and clocks do to it.")
    collides_with: list[str] = Field(
        description="Schedules that come to the same queue in the same minute."
    )
    collides_with_more: int = Field(description="How many more there are than named.")


class PreviewOut(BaseModel):
    words: str
    zone: str
    next: list[PreviewMomentOut]
    notes: list[str] = Field(description="What readers may not expect.")


class TimelineQuery(BaseModel):
    span: Literal["day", "week"] = "day"


class LaneOut(BaseModel):
    schedule: str
    words: str
    queue: str
    runs: int = Field(description="How many lie between begin and end.")
    at: list[datetime] = Field(description="Each of them where they are few.")
    counts: list[int] = Field(description="The same by the stretches of the timeline.")


class TimelineOut(BaseModel):
    begin: datetime
    end: datetime
    stretches: list[datetime] = Field(description="Where each stretch of time begins.")
    lanes: list[LaneOut] = Field(description="Schedules, those that run first.")
    counts: list[int] = Field(description="Runs of all lanes by stretch.")
    more: int = Field(
        description="Schedules that run within the time and have no lane."
    )


def schedule_url(name: str) -> str:
    """Return the path of a schedule."""
    return f"{reverse('v1:create_schedule')}/{quote(name)}"
