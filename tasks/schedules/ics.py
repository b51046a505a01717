"""Days off and make-up working days from an iCalendar file (RFC 5545)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from icalendar import Calendar

from tasks.schedules.day_titles import Meaning
from tasks.schedules.ics_event import IcsEvent
from tasks.schedules.marks import Marks, clean_label, refusal
from tasks.text import gettext as _

#: Each takes up to 40 ms to follow; lists of holidays have about 50.
MOST_RULES = 200


def read_ics(text: str, today: date) -> Marks:
    """Return what the events say; raises InvalidOption for what cannot be followed.

    A date that is both off and worked is worked: 班 says more than a festival's name.
    Where a file marks days off 休 as well as working days, its other events are
    festivals and solar terms, which nobody has off.
    """
    events = list(_read_events(text))
    if sum(event.comes_back for event in events) > MOST_RULES:
        problem = _("has more than %(most)s events that come back each year")
        raise refusal(problem % {"most": MOST_RULES})
    replaced = _replaced(events)
    counted = [event for event in events if not event.is_cancelled]
    meanings = {event.meaning for event in counted}
    ignored = {Meaning.OBSERVED}
    if {Meaning.WORKS, Meaning.MARKED_OFF} <= meanings:
        ignored.add(Meaning.OFF)
    marks = Marks()
    for event in counted:
        if event.meaning not in ignored:
            for first, days in event.spans(today, replaced[event.uid]):
                marks.add(first, days, event.title, works=event.works)
    for day in marks.work:
        marks.off.pop(day, None)
    return marks


def _read_events(text: str) -> Iterator[IcsEvent]:
    """Yield the events of all calendars in `text`, each with the line it begins at."""
    lines = (
        number
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip().upper() == "BEGIN:VEVENT"
    )
    for calendar in _read_calendars(text):
        zone = _zone(str(calendar.get("X-WR-TIMEZONE", "")))
        for component in calendar.walk("VEVENT"):
            yield IcsEvent(component, next(lines, 0), zone)


def _read_calendars(text: str) -> list[Calendar]:
    try:
        calendars = Calendar.from_ical(_without_zones(text), multiple=True)
    except OverflowError as error:
        raise refusal(_("holds a number or a duration that is too large")) from error
    except (ValueError, AttributeError) as error:  # … of crossed ENDs
        problem = _("is no readable iCalendar file: %(reason)s")
        raise refusal(problem % {"reason": clean_label(str(error))}) from error
    if not calendars:
        raise refusal(_("ends before END:VCALENDAR: the file is not whole"))
    return list(calendars)


def _without_zones(text: str) -> str:
    """Leave out a file's own zones, which the library would keep for other files.

    They are of no use: an event's date is the one that is written in it.
    """
    kept: list[str] = []
    is_inside = False
    for line in text.splitlines(keepends=True):
        word = line.strip().upper()
        is_inside = is_inside or word == "BEGIN:VTIMEZONE"
        if not is_inside and word != "END:VTIMEZONE":
            kept.append(line)
        is_inside = is_inside and word != "END:VTIMEZONE"
    return "".join(kept)


def _zone(name: str) -> tzinfo:
    """Return the zone that a calendar says its moments in UTC are meant for."""
    try:
        return ZoneInfo(name) if name else UTC
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def _replaced(events: list[IcsEvent]) -> defaultdict[str, set[date]]:
    """Return for each event the days on which another one stands for it."""
    replaced: defaultdict[str, set[date]] = defaultdict(set)
    for event in events:
        if event.replaces:
            replaced[event.uid].add(event.replaces)
    return replaced
