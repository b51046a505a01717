"""Local days: clocks that are changed by law, leap days, days that never come (R23).

What is expected is counted by the calendar and `zoneinfo`; it knows nothing of cron.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from benchmarks.faults import jobs
from benchmarks.faults.catalog import Trial

#: Daily times that clocks leave out, show twice, or both.
DAILY = (
    ("Europe/Berlin", 2, 30),
    ("America/New_York", 2, 30),
    ("America/New_York", 1, 30),
    ("Australia/Lord_Howe", 2, 15),
    ("Australia/Lord_Howe", 1, 45),
)
YEAR = 2027

#: What never fires, or each second by mistake.
IMPOSSIBLE = (
    "0 0 30 2 *",
    "0 0 31 4,6,9,11 *",
    "0 0 31 2,4 *",
    "* * * * * *",
    "60 * * * *",
    "0 24 * * *",
    "0 0 0 * *",
    "0 0 * 13 *",
    "*/0 * * * *",
    "0 9 * *",
    "",
)


def ask_of_rules(trial: Trial) -> None:
    """Ask that clocks changed by law, and leap years, change no schedule's days."""
    wrong = [day for daily in DAILY for day in _wrong_days(*daily)]
    what = f"local days of {YEAR} without just one run, in three zones"
    trial.ask(what, "≤", 0, len(wrong))
    trial.ask("29 February missed or made up, 2024 to 2104", "≤", 0, _wrong_leap_days())
    trial.ask("impossible expressions accepted", "≤", 0, _count_accepted())


def _wrong_days(name: str, hour: int, minute: int) -> Iterator[date]:
    """Yield the local days on which a daily schedule does not run once, on time."""
    zone = ZoneInfo(name)
    found: dict[date, list[datetime]] = {}
    for at in _moments(f"{minute} {hour} * * *", name, YEAR, YEAR + 1):
        local = at.astimezone(zone)
        found.setdefault(local.date(), []).append(local)
    day = date(YEAR, 1, 2)
    while day < date(YEAR, 12, 31):
        wall = datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone)
        # What the clocks do not show that day comes out of UTC as another time.
        exists = wall.astimezone(UTC).astimezone(zone).replace(tzinfo=zone) == wall
        runs = found.get(day, [])
        if len(runs) != 1 or (exists and runs[0].time() != wall.time()):
            yield day
        day += timedelta(days=1)


def _wrong_leap_days() -> int:
    found = {at.date() for at in _moments("0 0 29 2 *", "UTC", 2024, 2105)}
    years = [y for y in range(2024, 2105) if y % 4 == 0 and y != 2100]
    return len(found ^ {date(year, 2, 29) for year in years})


def _moments(expression: str, zone: str, first: int, last: int) -> Iterator[datetime]:
    """Return the moments of an expression between two new years of UTC."""
    from tasks.schedules.rule import Rule

    rule = Rule(kind="cron", expression=expression, zone=zone)
    begin, end = datetime(first, 1, 1, tzinfo=UTC), datetime(last, 1, 1, tzinfo=UTC)
    moments = rule.moments(begin - timedelta(seconds=1), before=end)
    return (moment.due_at for moment in moments)


def _count_accepted() -> int:
    from tasks.errors import InvalidOption
    from tasks.policy import CODE
    from tasks.schedules import definitions

    accepted = 0
    for number, expression in enumerate(IMPOSSIBLE):
        values = {"task": jobs.brief.task.name, "expression": expression}
        try:
            definitions.create(CODE, f"impossible-{number}", values)
        except InvalidOption:
            continue
        accepted += 1
    return accepted
