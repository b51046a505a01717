"""Building what the API gives of schedules from the domain's reports."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.utils import timezone

from dashboard.api.payloads import job_url
from dashboard.api.schedule_payloads import (
    CollisionOut,
    ComparisonOut,
    FireOut,
    FirePageOut,
    LaneOut,
    PreviewMomentOut,
    ScheduleBrief,
    ScheduleOut,
    Settings,
    TimelineOut,
    UpcomingOut,
    schedule_url,
)
from dashboard.api.shapes import shallow
from tasks.board import read_board
from tasks.broker.snapshot import Snapshot
from tasks.models import Schedule
from tasks.models.fire import Verdict
from tasks.schedules.comparison import Comparison
from tasks.schedules.fields import values_of
from tasks.schedules.fire_reports import FirePage, FireRow
from tasks.schedules.outlook import Collision, Collisions, Upcoming, shorten
from tasks.schedules.preview import PreviewMoment
from tasks.schedules.reports import ScheduleRow, read_schedule
from tasks.schedules.timeline import Bucket, Lane, Timeline
from tasks.states import State

#: What a schedule shows as its row has it.
_PLAIN = (
    *("task", "kind", "expression", "zone", "enabled"),
    *("next_due_at", "version"),
)
_PLAIN_WHOLE = (
    *("fired", "gone_at"),
    *("created_at", "created_by", "changed_at", "changed_by"),
)


def fresh_snapshot() -> Snapshot | None:
    """Return what Redis holds now, None while it does not answer."""
    board = read_board()
    return None if board.outage else board.snapshot


def brief_schedule(row: ScheduleRow) -> ScheduleBrief:
    """Return what a list shows of a schedule."""
    return ScheduleBrief(**_brief(row))


def _brief(row: ScheduleRow) -> dict[str, Any]:
    plain = {name: getattr(row.schedule, name) for name in _PLAIN}
    return plain | {
        "name": row.name,
        "url": schedule_url(row.name),
        "words": row.words,
        "queue": row.queue,
        "workers": None if row.workers is None else list(row.workers),
        "next_at": row.next_at,
        "overdue_since": row.overdue_since,
        "last": shape_fire(row.last) if row.last else None,
        "problem": row.problem,
        "declared": row.is_declared,
        "overridden": list(row.overridden),
    }


def whole_schedule(schedule: Schedule) -> ScheduleOut:
    """Return all that is known of a schedule."""
    detail = read_schedule(schedule, fresh_snapshot(), timezone.now())
    return ScheduleOut(
        **_brief(detail.row),
        **{name: getattr(schedule, name) for name in _PLAIN_WHOLE},
        settings=_shape_settings(schedule),
        code=[_shape_comparison(one) for one in detail.comparison],
        next=[shape_upcoming(one) for one in detail.upcoming],
        collisions=shape_collisions(detail.collisions),
    )


def _shape_settings(schedule: Schedule) -> Settings:
    values = values_of(schedule)
    values["args"] = [shallow(value) for value in schedule.args]
    values["kwargs"] = {name: shallow(value) for name, value in schedule.kwargs.items()}
    return Settings(**values)


def _shape_comparison(one: Comparison) -> ComparisonOut:
    return ComparisonOut(
        field=one.field,
        code=shallow(one.declared),
        present=shallow(one.present),
        changed_by=one.by,
        changed_at=one.at,
    )


def shape_upcoming(one: Upcoming) -> UpcomingOut:
    return UpcomingOut(
        due_at=one.due_at,
        local=one.local,
        runs_at=one.runs_at,
        verdict=one.verdict,
        note=one.note,
    )


def shape_preview_moment(one: PreviewMoment, zone: str) -> PreviewMomentOut:
    names, more = shorten(one.collides_with)
    return PreviewMomentOut(
        due_at=one.due_at,
        local=one.due_at.astimezone(ZoneInfo(zone)),
        runs_at=one.runs_at,
        note=one.note,
        collides_with=names,
        collides_with_more=more,
    )


def shape_collisions(collisions: Collisions) -> list[CollisionOut]:
    return [_shape_collision(one) for one in collisions.found]


def _shape_collision(one: Collision) -> CollisionOut:
    names, more = shorten(one.names)
    return CollisionOut(minute=one.minute, schedules=names, more=more)


def shape_fires(page: FirePage) -> FirePageOut:
    return FirePageOut(
        fires=[shape_fire(row) for row in page.rows],
        next=_write_moment(page.next_before) if page.next_before else None,
    )


def _write_moment(moment: datetime) -> str:
    """Return a moment as a query can carry it: without a +, which stands for a blank."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def shape_fire(row: FireRow) -> FireOut:
    return FireOut(
        due_at=row.due_at,
        nominal_at=row.nominal_at,
        verdict=Verdict(row.verdict),
        decided_at=row.decided_at,
        late_by=None if row.late_by is None else row.late_by.total_seconds(),
        moments=row.count,
        job=row.job_id or None,
        job_url=job_url(row.job_id) if row.job_id else None,
        state=State(row.outcome) if row.outcome else None,
        blocked_by=row.blocked_by or None,
        reason=row.sentence,
        backfill=row.backfill_id,
    )


def shape_timeline(timeline: Timeline) -> TimelineOut:
    return TimelineOut(
        begin=timeline.begin,
        end=timeline.end,
        stretches=[bucket.begin for bucket in timeline.buckets],
        lanes=[_shape_lane(lane) for lane in timeline.lanes],
        counts=_counts(timeline.buckets),
        more=timeline.more,
    )


def _shape_lane(lane: Lane) -> LaneOut:
    return LaneOut(
        schedule=lane.schedule.name,
        words=lane.words,
        queue=lane.queue,
        runs=lane.runs,
        at=[mark.at for mark in lane.marks],
        counts=_counts(lane.buckets),
    )


def _counts(buckets: Iterable[Bucket]) -> list[int]:
    return [bucket.runs for bucket in buckets]
