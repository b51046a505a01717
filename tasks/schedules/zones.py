"""Time zones: their names, and the moments at which their clocks change."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

from tasks.errors import InvalidOption
from tasks.text import gettext as _
from tasks.text import join_sentences

#: Schedules have no moments in this year or later.
LAST_YEAR = 2200
END = datetime(LAST_YEAR, 1, 1, tzinfo=UTC)

#: The shortest time that two moments can be apart.
TICK = timedelta(microseconds=1)

_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)

#: In the database of the system, yet the names of no place.
_NO_PLACES = {"Factory", "localtime"}

#: Large cities that people name, whose zone bears another's name.
_CITIES = dict.fromkeys(("beijing", "guangzhou", "shenzhen"), "Asia/Shanghai")


@dataclass(frozen=True)
class Stretch:
    """A time during which a zone's clocks do not change, within one year of UTC."""

    begin: datetime
    end: datetime
    #: What the clocks are ahead of UTC, here and just before `begin`.
    offset: timedelta
    offset_before: timedelta

    @property
    def is_change(self) -> bool:
        """Say whether the clocks change where it begins; else only the year does."""
        return self.offset != self.offset_before

    @property
    def begins_instead_of(self) -> datetime:
        """What the clocks would show at `begin` had they not been changed."""
        return (self.begin + self.offset_before).replace(tzinfo=None)

    def wall_time(self, moment: datetime) -> datetime:
        """Return what the clocks show at a moment: a datetime without zone."""
        return (moment + self.offset).replace(tzinfo=None)

    def moment(self, wall_time: datetime) -> datetime:
        """Return the moment, in UTC, at which the clocks show that."""
        return (wall_time - self.offset).replace(tzinfo=UTC)


def stretches(moment: datetime, zone: ZoneInfo) -> Iterator[Stretch]:
    """Yield the stretches of a zone from the one that holds `moment` (in UTC) on."""
    for year in range(moment.year, LAST_YEAR):
        for stretch in _stretches_of_year(zone, year):
            if stretch.end > moment:
                yield stretch


@lru_cache(maxsize=4096)
def _stretches_of_year(zone: ZoneInfo, year: int) -> tuple[Stretch, ...]:
    begin, end = datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)
    edges = [begin, *_changes(begin, end - _SECOND, zone), end]
    return tuple(
        Stretch(edge, following, _offset(edge, zone), _offset(edge - _SECOND, zone))
        for edge, following in pairwise(edges)
    )


def _changes(begin: datetime, end: datetime, zone: ZoneInfo) -> Iterator[datetime]:
    """Yield when the clocks change after `begin`; nowhere do they twice in a day."""
    while begin < end:
        following = min(begin + _DAY, end)
        if _offset(begin, zone) != _offset(following, zone):
            yield _bisect(begin, following, zone)
        begin = following


def _bisect(low: datetime, high: datetime, zone: ZoneInfo) -> datetime:
    """Return the first second in which the clocks show what they do at `high`."""
    changed = _offset(high, zone)
    while high - low > _SECOND:
        middle = low + timedelta(seconds=(high - low) // _SECOND // 2)
        low, high = (
            (low, middle) if _offset(middle, zone) == changed else (middle, high)
        )
    return high


def _offset(moment: datetime, zone: ZoneInfo) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta()


def place(wall_time: datetime, zone: ZoneInfo) -> datetime:
    """Return the moment, in UTC, at which the clocks show a time without zone.

    Of a time that comes twice it is the first; for one that the clocks leave out it is
    the moment at which they are put forward. Within a day or so of the first and last of
    all times it is taken for UTC: nothing may be due then.
    """
    try:
        return _placed(wall_time, zone)
    except OverflowError:
        return wall_time.replace(tzinfo=UTC)


def _placed(wall_time: datetime, zone: ZoneInfo) -> datetime:
    moment = wall_time.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None) == wall_time:
        return moment
    near = stretches(moment - 2 * _DAY, zone)
    return next(one.begin for one in near if one.wall_time(one.begin) > wall_time)


def start_of_day(moment: datetime, zone: ZoneInfo, *, days: int = 0) -> datetime:
    """Return when the day of `moment` begins in the zone, or one so many days later."""
    return start_of(moment.astimezone(zone).date() + timedelta(days=days), zone)


def start_of(day: date, zone: ZoneInfo) -> datetime:
    """Return when a day begins in the zone."""
    return place(datetime.combine(day, datetime.min.time()), zone)


def zone_named(name: object) -> ZoneInfo:
    """Return the zone of that IANA name. Raises InvalidOption for the field `zone`."""
    if isinstance(name, str) and name in zone_names():
        return ZoneInfo(name)
    raise InvalidOption("zone", _unknown(str(name)[:64]))


@cache
def zone_names() -> frozenset[str]:
    """Return the names of all zones that this machine knows."""
    return frozenset(available_timezones() - _NO_PLACES)


def _unknown(name: str) -> str:
    if not zone_names():
        return _("this machine has no time zones: install the package tzdata")
    text = _("there is no time zone %(name)s; names are such as Europe/Berlin")
    nearest = _nearest(name)
    if nearest is None:
        return text % {"name": repr(name)}
    guess = _("Did you mean %(nearest)s?") % {"nearest": nearest}
    return join_sentences(f"{text}." % {"name": repr(name)}, guess)


def _nearest(name: str) -> str | None:
    """Return the zone that was meant: other case, the city alone, or a slip."""
    wanted = name.strip().lower().replace(" ", "_")
    city = wanted.rpartition("/")[2]
    known = {zone.lower(): zone for zone in zone_names()}
    by_city = {zone.rpartition("/")[2]: known[zone] for zone in sorted(known)}
    exact = known.get(wanted) or _CITIES.get(city) or by_city.get(city)
    slips = difflib.get_close_matches(wanted, known, n=1)
    return exact or (known[slips[0]] if slips else None)


def dst_note(moment: datetime, zone: ZoneInfo) -> str:
    """Say what the clocks do on the day of a moment, "" where they do nothing."""
    day = moment.astimezone(zone).date()
    for change in stretches(moment - 2 * _DAY, zone):
        if change.begin > moment + 2 * _DAY:
            break
        if change.is_change and day in _days_of(change):
            return _note(change, moment.astimezone(zone))
    return ""


def _days_of(change: Stretch) -> set[date]:
    last = change.begins_instead_of - TICK
    return {last.date(), change.wall_time(change.begin).date()}


def _note(change: Stretch, local: datetime) -> str:
    before, after = change.begins_instead_of, change.wall_time(change.begin)
    facts = {"before": f"{before:%H:%M}", "after": f"{after:%H:%M}"}
    if after <= local.replace(tzinfo=None) < before:
        return _note_of_double(local)
    if after < before:
        return _("At %(before)s the clocks go back to %(after)s that day.") % facts
    if change.begin == local:
        text = _(
            "%(before)s to %(after)s does not exist that day; what is due then runs at"
            " %(after)s."
        )
        return text % facts
    return _("At %(before)s the clocks go forward to %(after)s that day.") % facts


def _note_of_double(local: datetime) -> str:
    facts = {"time": f"{local:%H:%M}"}
    if local.fold:
        return _("%(time)s comes twice that day; this is the second time.") % facts
    return _("%(time)s comes twice that day; this is the first time.") % facts
