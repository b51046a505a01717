"""Random expressions beside two other readers: cronsim as a whole, and one made here."""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice, product
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tasks.errors import InvalidOption
from tasks.schedules.cron import Cron

UTC_ZONE = ZoneInfo("UTC")
DAY = timedelta(days=1)

NAMES = {
    **{name.upper(): number for number, name in enumerate(calendar.month_abbr)},
    **{name.upper(): (number + 1) % 7 for number, name in enumerate(calendar.day_abbr)},
}


def values(text: str, least: int, most: int) -> set[int]:
    """Read a field of numbers, one term after the other."""
    found = set()
    for term in text.split(","):
        span, _slash, step = term.partition("/")
        first, dash, last = span.partition("-")
        if span == "*":
            low, high = least, most
        else:
            low = number(first)
            high = number(last) if dash else most if step else low
        found |= {
            one for one in range(low, high + 1) if not (one - low) % int(step or 1)
        }
    return found


def number(text: str) -> int:
    return NAMES[text] if text.isalpha() else int(text)


def matches_date(text: str, day: date) -> bool:
    last = calendar.monthrange(day.year, day.month)[1]
    if text == "L":
        return day.day == last
    if text == "LW":
        rest = (day.replace(day=one) for one in range(day.day + 1, last + 1))
        return day.weekday() < 5 and all(one.weekday() > 4 for one in rest)
    return day.day in values(text, 1, 31)


def matches_weekday(text: str, day: date) -> bool:
    weekday, last = day.isoweekday() % 7, calendar.monthrange(day.year, day.month)[1]
    if text.endswith("L"):
        return weekday == int(text[:-1]) % 7 and day.day + 7 > last
    if "#" in text:
        wanted, nth = text.split("#")
        return weekday == number(wanted) % 7 and (day.day + 6) // 7 == int(nth)
    return weekday in {one % 7 for one in values(text, 0, 7)}


def matches(fields: list[str], day: date) -> bool:
    if day.month not in values(fields[3], 1, 12):
        return False
    by_date, by_weekday = matches_date(fields[2], day), matches_weekday(fields[4], day)
    if fields[2].startswith("*") or fields[4].startswith("*"):
        return by_date and by_weekday
    return by_date or by_weekday


def moments(expression: str, after: datetime, days: int) -> Iterator[datetime]:
    """Yield the moments of so many days that are after one, all in UTC."""
    fields = expression.split()
    minutes, hours = values(fields[0], 0, 59), values(fields[1], 0, 23)
    clock = [time(hour, minute) for minute, hour in product(minutes, hours)]
    for passed in range(days):
        day = after.date() + passed * DAY
        if matches(fields, day):
            all_day = (datetime.combine(day, one, UTC) for one in sorted(clock))
            yield from (at for at in all_day if at > after)


def terms(least: int, most: int) -> st.SearchStrategy[str]:
    one = st.integers(least, most)
    step = st.integers(1, most - least + 1 - (most == 7))
    pair = st.tuples(one, one).map(sorted)
    return st.one_of(
        st.just("*"),
        one.map(str),
        pair.map(lambda ends: f"{ends[0]}-{ends[1]}"),
        step.map("*/{}".format),
        st.builds("{}/{}".format, one, step),
    )


def fields(least: int, most: int) -> st.SearchStrategy[str]:
    return st.lists(terms(least, most), min_size=1, max_size=3).map(",".join)


dates = st.one_of(fields(1, 31), st.sampled_from(["L", "LW", "29", "31", "28-31"]))
months = st.one_of(
    fields(1, 12), st.sampled_from(["FEB", "JAN-MAR", "DEC,FEB", "2", "4,6,9,11"])
)
weekdays = st.one_of(
    fields(0, 7), st.sampled_from(["MON-FRI", "SUN", "5L", "0L", "7", "1#1", "FRI#5"])
)
expressions = st.builds(
    "{} {} {} {} {}".format, fields(0, 59), fields(0, 23), dates, months, weekdays
)

#: Around year ends, leap days and the year that is none (2100).
begins = st.one_of(
    st.datetimes(datetime(2019, 1, 1), datetime(2032, 1, 1)),
    st.sampled_from(
        [
            datetime(2027, 12, 31, 23, 59),
            datetime(2028, 2, 28, 23, 59, 59),
            datetime(2028, 2, 29),
            datetime(2099, 12, 31, 12),
        ]
    ),
).map(lambda at: at.replace(tzinfo=UTC))


def read(expression: str) -> Cron:
    """Return the expression; what never fires is for another test."""
    try:
        return Cron.parse(expression)
    except InvalidOption as error:
        assume(not error.problem.startswith("never fires"))
        raise


def walk(cron: Cron, after: datetime, number: int) -> list[datetime]:
    return list(islice(cron.after(after, UTC_ZONE), number))


@settings(max_examples=1_000, deadline=None)
@given(expressions, begins)
def test_the_moments_are_those_that_two_other_readers_find(
    expression: str, begin: datetime
) -> None:
    cron = read(expression)
    expected = list(islice(moments(expression, begin, 800), 25))
    found = walk(cron, begin, 25)
    assert found[: len(expected)] == expected
    assert found[:10] == list(islice(CronSim(expression, begin), 10))
    counted = cron.count(begin, found[-1], UTC_ZONE)
    assert counted == len(found)


@pytest.mark.parametrize("expression", ["0 0 31 2 *", "0 0 30 FEB *", "0 0 31 4,6 *"])
def test_what_is_said_to_never_fire_does_not_in_fifty_years(expression: str) -> None:
    days = (date(2001, 1, 1) + passed * DAY for passed in range(50 * 365))
    assert not any(matches(expression.split(), day) for day in days)
    with pytest.raises(InvalidOption, match="never fires"):
        Cron.parse(expression)


def test_leap_days_come_every_four_years_but_in_2100() -> None:
    begin = datetime(2091, 1, 1, tzinfo=UTC)
    years = [at.year for at in walk(Cron.parse("0 0 29 2 *"), begin, 3)]
    assert years == [2092, 2096, 2104]
