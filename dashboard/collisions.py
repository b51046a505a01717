"""What a schedule collides with, told once for all the moments that it is the same."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from tasks.schedules.outlook import Upcoming
from tasks.schedules.preview import PreviewMoment
from tasks.schedules.reports import ScheduleDetail


@dataclass(frozen=True)
class Clash:
    """Other schedules, and the moments at which they are due in the same minute."""

    names: Sequence[str]
    moments: Sequence[datetime]
    #: Whether these are several, and all that are shown.
    is_each: bool
    #: How many more schedules there are than are named.
    more: int = 0


@dataclass(frozen=True)
class _Found:
    at: datetime
    names: Sequence[str]
    more: int


def clashes_of(detail: ScheduleDetail) -> list[Clash]:
    found = [_Found(c.minute, c.names, c.more) for c in detail.collisions.found]
    return _grouped(found, _minutes(detail.upcoming))


def clashes_in(moments: Sequence[PreviewMoment]) -> list[Clash]:
    found = [
        _Found(_minute(one.runs_at), one.collides_with, one.collides_with_more)
        for one in moments
    ]
    return _grouped(found, len({one.at for one in found}))


def _minutes(upcoming: Iterable[Upcoming]) -> int:
    return len({_minute(moment.runs_at) for moment in upcoming if moment.is_due})


def _minute(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)


def _grouped(found: Sequence[_Found], shown: int) -> list[Clash]:
    """Return names by the moments that they share, those of the fewest first."""
    by_name: dict[str, dict[datetime, None]] = {}
    for one in found:
        for name in one.names:
            by_name.setdefault(name, {})[one.at] = None
    groups: dict[tuple[datetime, ...], list[str]] = {}
    for name, moments in by_name.items():
        groups.setdefault(tuple(moments), []).append(name)
    clashes = [
        Clash(sorted(names), moments, is_each=len(moments) == shown > 1)
        for moments, names in groups.items()
    ]
    clashes.sort(key=lambda one: len(one.moments))
    return clashes + _unnamed(found, shown)


def _unnamed(found: Iterable[_Found], shown: int) -> list[Clash]:
    more = {one.at: one.more for one in found if one.more}
    if not more:
        return []
    is_each = len(more) == shown > 1
    return [Clash((), tuple(more), is_each=is_each, more=max(more.values()))]
