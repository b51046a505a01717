"""What a schedule collides with, told once for all the moments that it is the same."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from tasks.schedules.outlook import Upcoming, shorten
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


def clashes_of(detail: ScheduleDetail) -> list[Clash]:
    found = [(one.minute, one.names) for one in detail.collisions.found]
    return _grouped(found, _minutes(detail.upcoming))


def clashes_in(moments: Sequence[PreviewMoment]) -> list[Clash]:
    found = [(_minute(one.runs_at), one.collides_with) for one in moments]
    return _grouped(found, len({minute for minute, _ in found}))


def _minutes(upcoming: Iterable[Upcoming]) -> int:
    return len({_minute(moment.runs_at) for moment in upcoming if moment.is_due})


def _minute(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)


def _grouped(
    found: Iterable[tuple[datetime, Sequence[str]]], shown: int
) -> list[Clash]:
    """Return names by the moments that they share, those of the fewest first."""
    by_name: dict[str, dict[datetime, None]] = {}
    for minute, names in found:
        for name in names:
            by_name.setdefault(name, {})[minute] = None
    groups: dict[tuple[datetime, ...], list[str]] = {}
    for name, moments in by_name.items():
        groups.setdefault(tuple(moments), []).append(name)
    clashes = [_clash(names, moments, shown) for moments, names in groups.items()]
    return sorted(clashes, key=lambda one: len(one.moments))


def _clash(names: Iterable[str], moments: Sequence[datetime], shown: int) -> Clash:
    named, more = shorten(sorted(names))
    return Clash(named, moments, is_each=len(moments) == shown > 1, more=more)
