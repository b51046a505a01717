"""The timeline as drawings: paths of SVG, computed here because pages run no code."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from django.utils.dateformat import format as format_date
from django.utils.translation import gettext as _

from tasks.broker.snapshot import Snapshot
from tasks.models import Schedule
from tasks.schedules.reports import takers_of
from tasks.schedules.timeline import DAY, Bucket, Lane, Mark, Timeline
from tasks.schedules.zones import TICK

#: The drawing's own units: it is stretched to the width that the page has.
WIDTH, HEIGHT = 1000, 20

#: Every so many hours a tick of the axis has a label.
LABELLED_HOURS = 3

#: A label further to the right, in percent, would be cut off.
LAST_LABEL = 96

#: Moments that the text of a lane names.
TOLD = 6


@dataclass(frozen=True)
class Tick:
    """A label of the axis: where it stands, in percent of the width."""

    place: str
    label: str
    moment: datetime


@dataclass(frozen=True)
class Drawing:
    """One lane: lines at single runs, or bars where there are too many of them."""

    lines: str
    bars: str
    title: str


@dataclass(frozen=True)
class LaneView:
    schedule: Schedule
    words: str
    queue: str
    runs: int
    drawing: Drawing
    #: Whether it is known that no live worker takes its jobs.
    is_unserved: bool


@dataclass(frozen=True)
class Chart:
    """All that the page of the timeline draws."""

    begin: datetime
    end: datetime
    lanes: Sequence[LaneView]
    total: Drawing
    runs: int
    most_runs: int
    ticks: Sequence[Tick]
    #: The lines at the ticks, and the one at this moment.
    grid: str
    now: str
    more: int


def draw(
    timeline: Timeline, now: datetime, zone: ZoneInfo, snapshot: Snapshot | None
) -> Chart:
    ticks = list(_ticks(timeline, zone))
    queues = {lane.queue for lane in timeline.lanes}
    unserved = {queue for queue in queues if takers_of(queue, snapshot) == ()}
    return Chart(
        begin=timeline.begin,
        end=timeline.end,
        lanes=[_draw_lane(lane, zone, unserved) for lane in timeline.lanes],
        total=_draw_total(timeline, zone),
        runs=sum(bucket.runs for bucket in timeline.buckets),
        most_runs=timeline.most_runs,
        ticks=ticks,
        grid=_lines(float(tick.place) for tick in ticks),
        now=_lines([100 * ((now - timeline.begin) / (timeline.end - timeline.begin))]),
        more=timeline.more,
    )


def _ticks(timeline: Timeline, zone: ZoneInfo) -> Iterable[Tick]:
    for bucket in timeline.buckets:
        local = bucket.begin.astimezone(zone)
        # A day may begin at one, where clocks are put forward at midnight.
        is_day = local.date() != (bucket.begin - TICK).astimezone(zone).date()
        if timeline.end - timeline.begin <= 2 * DAY:
            is_labelled = is_day or local.hour % LABELLED_HOURS == 0
            label = format_date(local, "D") if is_day else f"{local:%H:%M}"
        else:
            is_labelled = is_day
            label = f"{format_date(local, 'D')} {local:%d}"
        if is_labelled and bucket.place < LAST_LABEL:
            yield Tick(f"{bucket.place:.2f}", label, bucket.begin)


def _draw_lane(lane: Lane, zone: ZoneInfo, unserved: Collection[str]) -> LaneView:
    most = max((bucket.runs for bucket in lane.buckets), default=0) or 1
    drawing = Drawing(
        lines=_lines(mark.place for mark in lane.marks),
        bars="" if lane.marks else _bars(lane.buckets, most),
        title=_tell(lane.marks, zone),
    )
    return LaneView(
        schedule=lane.schedule,
        words=lane.words,
        queue=lane.queue,
        runs=lane.runs,
        drawing=drawing,
        is_unserved=lane.queue in unserved,
    )


def _draw_total(timeline: Timeline, zone: ZoneInfo) -> Drawing:
    fullest = max(timeline.buckets, key=lambda bucket: bucket.runs)
    local = fullest.begin.astimezone(zone)
    title = _("Most runs: %(runs)s from %(moment)s on") % {
        "runs": f"{fullest.runs:,}",
        "moment": f"{format_date(local, 'D')} {local:%H:%M}",
    }
    return Drawing("", _bars(timeline.buckets, timeline.most_runs), title)


def _tell(marks: Sequence[Mark], zone: ZoneInfo) -> str:
    """Return the first runs of a lane in words, "" where they are not told apart."""
    local = [mark.at.astimezone(zone) for mark in marks[:TOLD]]
    told = ", ".join(f"{format_date(at, 'D')} {at:%H:%M}" for at in local)
    return f"{told} …" if len(marks) > TOLD else told


def _lines(places: Iterable[float]) -> str:
    """Return a path of upright lines at places in percent."""
    return "".join(f"M{place * WIDTH / 100:.1f} 0v{HEIGHT}" for place in places)


def _bars(buckets: Iterable[Bucket], most: int) -> str:
    """Return a path of bars, the highest for `most` runs; a few are still seen."""
    return "".join(_bar(bucket, most) for bucket in buckets if bucket.runs)


def _bar(bucket: Bucket, most: int) -> str:
    height = max(2.0, HEIGHT * bucket.runs / most)
    left, width = bucket.place * WIDTH / 100, bucket.width * WIDTH / 100 - 2
    return f"M{left + 1:.1f} {HEIGHT}v-{height:.1f}h{width:.1f}v{height:.1f}z"
