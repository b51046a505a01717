from __future__ import annotations

from datetime import date

import pytest
from icalendar.timezone import tzp

from tasks.errors import InvalidOption
from tasks.schedules.ics import MOST_RULES, read_ics
from tasks.schedules.marks import Marks

TODAY = date(2026, 11, 21)


def calendar(*events: str, head: str = "") -> str:
    bodies = "".join(f"BEGIN:VEVENT\n{event}\nEND:VEVENT\n" for event in events)
    text = f"BEGIN:VCALENDAR\nVERSION:2.0\n{head}{bodies}END:VCALENDAR\n"
    return text.replace("\n", "\r\n")


def marks(*events: str, head: str = "") -> Marks:
    return read_ics(calendar(*events, head=head), TODAY)


def off(*events: str, head: str = "") -> list[str]:
    return sorted(day.isoformat() for day in marks(*events, head=head).off)


def refused(*events: str) -> str:
    with pytest.raises(InvalidOption) as caught:
        marks(*events)
    return caught.value.problem


@pytest.mark.parametrize(
    ("event", "days"),
    [
        ("DTSTART;VALUE=DATE:20260101", ["2026-01-01"]),
        ("DTSTART:20260101\nDTEND:20260103", ["2026-01-01", "2026-01-02"]),
        ("DTEND:20260101\nDTSTART:20260101", ["2026-01-01"]),
        ("DTSTART:20260101\nDURATION:P2D", ["2026-01-01", "2026-01-02"]),
        ("DTSTART;TZID=Asia/Shanghai:20260101", ["2026-01-01"]),
        (
            "DTSTART;TZID=Asia/Shanghai:20260101T000000\n"
            "DTEND;TZID=Asia/Shanghai:20260102T000000",
            ["2026-01-01"],
        ),
        (
            "DTSTART;TZID=America/New_York:20260101T200000\nDURATION:PT6H",
            ["2026-01-01", "2026-01-02"],
        ),
        ("DTSTART;TZID=No/Such_Zone:20260101T090000", ["2026-01-01"]),
        ("DTSTART:20251231T160000Z", ["2025-12-31"]),
    ],
)
def test_an_event_counts_for_the_local_dates_it_touches(
    event: str, days: list[str]
) -> None:
    assert off(event) == days


def test_moments_in_utc_are_meant_for_the_zone_of_the_calendar() -> None:
    event = "DTSTART:20251231T160000Z\nDTEND:20260101T160000Z"
    assert off(event, head="X-WR-TIMEZONE:Asia/Shanghai\n") == ["2026-01-01"]
    assert off(event, head="X-WR-TIMEZONE:../etc\n") == ["2025-12-31", "2026-01-01"]


def test_the_zones_of_a_file_are_not_kept_for_others() -> None:
    zone = (
        "BEGIN:VTIMEZONE\nTZID:Mine\nBEGIN:STANDARD\nDTSTART:19700101T000000\n"
        "TZOFFSETFROM:+0000\nTZOFFSETTO:+0500\nEND:STANDARD\nEND:VTIMEZONE\n"
    )
    assert off("DTSTART;TZID=Mine:20260101T230000", head=zone) == ["2026-01-01"]
    assert tzp.timezone("Mine") is None


def test_cancelled_events_are_left_out_and_transparent_ones_are_not() -> None:
    cancelled = "DTSTART:20260101\nSTATUS:CANCELLED"
    free = "DTSTART:20260102\nTRANSP:TRANSPARENT"
    assert off(cancelled, free) == ["2026-01-02"]


def test_yearly_events_come_back_from_ten_years_ago_to_twenty_ahead() -> None:
    days = off("DTSTART:19700501\nRRULE:FREQ=YEARLY\nSUMMARY:May Day")
    assert (days[0], days[-1], len(days)) == ("2016-05-01", "2046-05-01", 31)


def test_a_series_has_exceptions_and_more_days() -> None:
    series = (
        "DTSTART:20260101\nDTEND:20260103\nRRULE:FREQ=YEARLY;COUNT=4\n"
        "EXDATE;VALUE=DATE:20270101,20280101\nEXDATE:20290101\nRDATE:20260601"
    )
    assert off(series) == ["2026-01-01", "2026-01-02", "2026-06-01", "2026-06-02"]


def test_exceptions_in_utc_are_those_of_the_zone_of_the_series() -> None:
    series = (
        "DTSTART;TZID=Asia/Shanghai:20260101T000000\nRRULE:FREQ=YEARLY;"
        "UNTIL=20271231T160000Z\nEXDATE:20261231T160000Z"
    )
    assert off(series) == ["2026-01-01", "2028-01-01"]


def test_a_day_of_a_series_may_be_moved_or_cancelled() -> None:
    series = "UID:a\nDTSTART:20260101\nRRULE:FREQ=YEARLY;COUNT=3"
    moved = "UID:a\nRECURRENCE-ID:20270101\nDTSTART:20270104"
    gone = "UID:a\nRECURRENCE-ID:20280101\nDTSTART:20280101\nSTATUS:CANCELLED"
    assert off(series, moved, gone) == ["2026-01-01", "2027-01-04"]


def test_a_working_day_goes_before_a_festival_of_the_same_date() -> None:
    found = marks(
        "DTSTART:20260214\nSUMMARY:春节补班", "DTSTART:20260214\nSUMMARY:情人节"
    )
    assert (list(found.off), list(found.work)) == ([], [date(2026, 2, 14)])


def test_where_days_are_marked_festivals_are_worked() -> None:
    work, free = (
        "DTSTART:20260214\nSUMMARY:春节 班",
        "DTSTART:20260217\nSUMMARY:春节 休",
    )
    festival = "DTSTART:20260303\nSUMMARY:元宵节"
    assert off(work, free, festival) == ["2026-02-17"]
    assert off(work, festival) == ["2026-03-03"]
    assert off(free, festival) == ["2026-02-17", "2026-03-03"]


def test_swapped_days_are_worked_on_weekends_and_off_on_weekdays() -> None:
    found = marks(
        "DTSTART:20260214\nSUMMARY:春节调休",
        "DTSTART:20260216\nSUMMARY:春节调休",
        "DTSTART:20260221\nDTEND:20260223\nSUMMARY:春节调休",
    )
    assert [day.day for day in found.work] == [14]
    assert [day.day for day in found.off] == [16, 21, 22]


@pytest.mark.parametrize("category", ["CATEGORIES:Holidays,补班", "CATEGORIES:班"])
def test_categories_tell_as_much_as_titles(category: str) -> None:
    found = marks(f"DTSTART:20260214\nSUMMARY:春节\n{category}")
    assert list(found.work) == [date(2026, 2, 14)]


@pytest.mark.parametrize(
    ("event", "problem"),
    [
        ("SUMMARY:x", "it has no DTSTART, which would say its date"),
        ("DTSTART:20260231", "DTSTART cannot be read (Wrong date format 20260231)"),
        ("DTSTART:20260101\nDTSTART:20260102", "it has more than one DTSTART"),
        ("DTSTART:20260102\nDTEND:20260101", "it ends before it begins"),
        ("DTSTART:000000", "00:00:00 is no date"),
        ("DTSTART:20260101\nDURATION:20260101", "2026-01-01 is no duration"),
        (
            "DTSTART:99991231\nDURATION:P9D",
            "9999-12-31 00:00:00 is too near the end of all years",
        ),
        (
            "DTSTART:20260101\nRRULE:FREQ=BOGUS",
            "RRULE cannot be read (Expected frequency, got: BOGUS)",
        ),
        (
            "DTSTART:19690101\nRRULE:FREQ=YEARLY;COUNT=90",
            "an event with COUNT begins in 1970 at the earliest",
        ),
        (
            "DTSTART:20260103\nRRULE:FREQ=WEEKLY;BYDAY=SA,SU",
            "RRULE:FREQ=WEEKLY;BYDAY=SA,SU cannot be followed, only FREQ=YEARLY with"
            " INTERVAL, COUNT, UNTIL, BYMONTH, BYMONTHDAY, BYDAY and BYSETPOS: name the"
            " days one by one, or free weekdays as the calendar's weekends",
        ),
    ],
)
def test_an_event_whose_days_cannot_be_told_is_refused_with_its_line(
    event: str, problem: str
) -> None:
    fine = "DTSTART:20260101\nSUMMARY:fine"
    assert refused(fine, event) == f"the event at line 7: {problem}"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("BEGIN:VCALENDAR\n", "ends before END:VCALENDAR: the file is not whole"),
        (
            calendar("DTSTART:20260101").replace("END:VEVENT", "x"),
            "ends before END:VCALENDAR: the file is not whole",
        ),
        (
            calendar("DTSTART:20260101") + "END:VCALENDAR\n",
            "is no readable iCalendar file: END encountered without",
        ),
        *(
            (
                calendar(f"DTSTART:20260101\nDURATION:P{days}D"),
                "holds a number or a duration that is too large",
            )
            for days in (10**11, 10**21)
        ),
        (
            calendar(head="TZID:x\n").replace("END:VCAL", "END;X=1:VTIMEZONE\nX"),
            "is no readable iCalendar file: ",
        ),
        (
            calendar("BEGIN:VTIMEZONE").replace("END:VEVENT\r\n", "") * 1000,
            "ends before END:VCALENDAR: the file is not whole",
        ),
    ],
)
def test_a_broken_file_is_refused(text: str, problem: str) -> None:
    with pytest.raises(InvalidOption) as caught:
        read_ics(text, TODAY)
    assert caught.value.problem.startswith(problem)


def test_a_date_out_of_the_years_of_calendars_is_refused() -> None:
    assert refused("DTSTART:19691231") == "1969-12-31 does not lie within 1970 to 2100"
    assert refused("DTSTART:20260101\nRDATE:99991231\nDURATION:P2D") == (
        "9999-12-31 does not lie within 1970 to 2100"
    )


def test_too_many_rules_are_refused_before_they_are_followed() -> None:
    rule = "DTSTART:20260101\nRRULE:FREQ=YEARLY"
    assert off(*[rule] * MOST_RULES)[0] == "2026-01-01"
    assert refused(*[rule] * (MOST_RULES + 1)) == (
        "has more than 200 events that come back each year"
    )


def test_days_named_again_and_again_are_refused() -> None:
    assert refused(*["DTSTART:20000101\nDTEND:20251231"] * 20) == (
        "names more than 10,000 days"
    )
