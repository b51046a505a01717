"""What the API takes and gives of backfills."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from dashboard.api.payloads import Flag, Moment, Text, Whole


class BackfillIn(BaseModel):
    """Which moments of the past are run after all, and how many at once."""

    model_config = ConfigDict(extra="forbid")

    first_at: Moment
    last_at: Moment = Field(description="Not included.")
    reprocess: Text = Field(
        "none",
        description="none: those that never ran; failed: those that failed, too; all.",
    )
    newest_first: Flag = False
    at_once: Whole = Field(1, description="Jobs that may be unended at once.")
    dry_run: Flag = Field(default=False, description="Only say what would run.")


class PlanOut(BaseModel):
    """What a backfill would run."""

    moments: list[datetime] = Field(description="The first of them, in their order.")
    total: int = Field(description="How many it would run.")
    left_out: int = Field(description="Moments of the range that ran already.")


class BackfillOut(BaseModel):
    number: int
    url: str
    schedule: str
    first_at: datetime
    last_at: datetime
    reprocess: str
    newest_first: bool
    at_once: int
    state: str = Field(description="running, paused, aborted or done.")
    total: int
    decided: int = Field(description="Moments that were submitted or refused.")
    finished: int
    failed: int = Field(description="Jobs that failed, were stopped or lost.")
    canceled: int = Field(description="Such as those that waited when it was aborted.")
    unended: int
    created_at: datetime
    created_by: str
    ended_at: datetime | None


class BackfillList(BaseModel):
    backfills: list[BackfillOut] = Field(description="The newest first.")
