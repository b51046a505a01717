"""What the API takes and gives, apart from the models so that either may change."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import quote

from django.urls import reverse
from django.utils.translation import gettext as _
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
)

from tasks.pauses import LONGEST_PAUSE
from tasks.states import State


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError(_("must not contain a NUL character"))
    return text


def _written(value: object) -> object:
    """Return what may be a time in writing; numbers in quotes would be Unix seconds."""
    is_text = isinstance(value, str) and not _NUMBER.fullmatch(value)
    if value is not None and not is_text:
        raise ValueError(_("must be a time such as 2026-01-31T09:00:00+01:00"))
    return value


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:  # within a day of the first or last of all moments
        problem = _("must be a time such as 2026-01-31T09:00:00+01:00")
        raise ValueError(problem) from error


_NUMBER = re.compile(r"\s*[-+]?[\d.]+\s*")


MOST_SECONDS = LONGEST_PAUSE.total_seconds()

#: Text that any database can look for.
Text = Annotated[str, Strict(), AfterValidator(_without_nul)]
Flag = Annotated[bool, Strict()]
Whole = Annotated[int, Strict()]
Seconds = Annotated[float, Strict()]
Moment = Annotated[AwareDatetime, BeforeValidator(_written), AfterValidator(_in_utc)]


class SubmitIn(BaseModel):
    """A call of a task, with the options of submit()."""

    model_config = ConfigDict(extra="forbid")

    task: Text
    args: dict[Text, Any] = Field({}, description="The arguments, by name.")
    id: Text | None = Field(None, description="A free id of your own; else a UUID4.")
    queue: Text | None = None
    delay: Seconds | None = Field(None, description="Seconds from now.")
    at: Moment | None = Field(None, description="A moment with its time zone.")
    depends_on: list[Text] = Field([], description="Ids of jobs to wait for.")
    allow_failure: Flag = Field(
        default=False, description="Run also when a job of depends_on fails."
    )
    retries: Whole | None = None
    backoff: Seconds | None = Field(
        None, description="Seconds before the first retry, doubled each time."
    )
    tags: list[Text] = []
    at_front: Flag = False
    timeout: Whole | None = Field(None, description="Seconds that an attempt may take.")
    idempotency_key: Text | None = Field(
        None, description="Sent again with the same call, it returns the first job."
    )
    description: Text | None = None


class JobFilter(BaseModel):
    """Which jobs, newest first."""

    state: State | None = None
    task: Text = ""
    queue: Text = ""
    limit: int = Field(50, ge=1, le=500)
    cursor: Text = Field("", description="`next` of the page before.")


class Accepted(BaseModel):
    id: str
    state: State
    url: str = Field(description="Where the job is, on this host.")


class JobBrief(BaseModel):
    id: str
    url: str
    task: str
    queue: str
    state: State
    call: str = Field(description="The arguments, shortened for people.")
    created_at: datetime
    due_at: datetime | None
    enqueued_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    error: str = Field(description="The type of the error, if there is one.")


class ErrorOut(BaseModel):
    type: str
    message: str


class ProgressOut(BaseModel):
    done: float
    total: float | None
    text: str


class AttemptOut(BaseModel):
    number: int
    state: State
    superseded: bool
    worker: str
    host: str
    started_at: datetime | None
    ended_at: datetime | None
    error: str
    message: str
    traceback: str


class JobOut(BaseModel):
    id: str
    url: str
    task: str
    queue: str
    state: State
    description: str
    tags: list[str]
    args: dict[str, Any] = Field(description="The arguments given by name.")
    positional: list[Any] = Field(description="The arguments given by position.")
    unreadable: str = Field(description="Why the arguments cannot be shown.")
    depends_on: list[str]
    retries: int
    timeout: int | None
    created_at: datetime
    due_at: datetime | None
    enqueued_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    worker: str
    attempts: list[AttemptOut]
    progress: ProgressOut | None
    result: Any = Field(description="What the task returned; text where it was cut.")
    result_cut: bool = Field(description="Whether less is kept than was returned.")
    error: ErrorOut | None


class JobPage(BaseModel):
    jobs: list[JobBrief]
    next: str | None = Field(description="The cursor of the next page, if any.")


class OldestOut(BaseModel):
    id: str
    enqueued_at: datetime | None


class PauseIn(BaseModel):
    """Why a queue is paused, and until when; without an end, until it is resumed."""

    model_config = ConfigDict(extra="forbid")

    reason: Text = ""
    until: Moment | None = Field(None, description="A moment with its time zone.")
    seconds: Annotated[float, Strict(), Field(gt=0, le=MOST_SECONDS)] | None = Field(
        None, description="How long from now, instead of a moment."
    )


class PauseOut(BaseModel):
    reason: str
    by: str
    since: datetime
    until: datetime | None = Field(description="When it ends by itself, if it does.")


class PauseDecision(BaseModel):
    queue: str
    paused: PauseOut | None
    told: bool = Field(
        description="False while Redis is away: workers hear of it when it answers."
    )


class QueueOut(BaseModel):
    name: str
    paused: PauseOut | None
    waiting: int
    running: int
    scheduled: int
    deferred: int
    workers: int = Field(description="Live workers that listen on the queue.")
    oldest: OldestOut | None = Field(description="The job that waits the longest.")


class QueueList(BaseModel):
    at: datetime
    queues: list[QueueOut]


class TaskOut(BaseModel):
    name: str
    description: str
    queue: str
    timeout: int
    retries: int
    tags: list[str]
    is_async: bool
    arguments: dict[str, Any] = Field(
        alias="schema", description="JSON schema of the arguments."
    )


class TaskList(BaseModel):
    tasks: list[TaskOut]


def job_url(job_id: str) -> str:
    """Return the path of a job, whose id may hold any character."""
    return f"{reverse('v1:submit_job')}/{quote(job_id)}"
