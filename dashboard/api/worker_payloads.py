"""What the API gives of workers."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field

from tasks.states import State


class BreakerOut(BaseModel):
    task: str
    since: datetime
    failures: int = Field(description="In a row.")
    held: int = Field(description="Jobs that wait to be looked at again.")
    every: float = Field(description="Seconds from one try to the next.")


class WorkerOut(BaseModel):
    name: str
    host: str
    pid: int
    queues: list[str]
    state: str = Field(description="RQ's word: idle, busy or suspended.")
    quiet_since: datetime | None = Field(
        description="Since when it takes no jobs, because it was told to."
    )
    breakers: list[BreakerOut] = Field(
        description="Tasks that failed here in a row: their jobs wait, one is tried."
    )
    born_at: datetime | None
    last_heartbeat: datetime | None
    version: str
    slots: int
    running: int
    job: str | None = Field(description="The id of a job that it runs.")
    rss_bytes: int
    finished: int
    failed: int


class FateOut(BaseModel):
    id: str
    url: str
    task: str
    state: State | None = Field(description="How it stands now; null if forgotten.")
    worker: str = Field(description="Who had its last attempt.")


class LossOut(BaseModel):
    name: str
    host: str
    pid: int
    queues: list[str]
    last_seen_at: datetime | None
    noticed_at: datetime | None = Field(
        description="Null while nobody has taken over its jobs."
    )
    noticed_by: str = Field(description="lease, supervisor, or empty.")
    returned_at: datetime | None = Field(
        description="When it answered again: it had been frozen or cut off."
    )
    slots: int
    running: int = Field(description="Jobs that it ran when it last told.")
    held: int = Field(description="Attempts that ended with it.")
    jobs: list[FateOut] = Field(description="What became of them; the first few.")


class WorkerList(BaseModel):
    at: datetime
    workers: list[WorkerOut] = Field(description="Those that answer.")
    lost: list[LossOut] = Field(description="Those that were lost within 24 hours.")


class ToldAllOut(BaseModel):
    told: str = Field(description="quiet or wake.")
    workers: int = Field(description="How many heard it.")


class ToldOut(BaseModel):
    worker: str
    told: str = Field(description="quiet, wake or stop.")
