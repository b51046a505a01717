"""Schedules that code declares: `@task(schedule="0 9 * * 1-5")`.

Needs neither Django's settings nor a database, for every worker host imports it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypedDict, Unpack
from zoneinfo import ZoneInfo

from tasks.errors import ConfigurationError, InvalidOption
from tasks.schedules.choices import AFTER, ALLOW, CRON, EVERY, ONCE, SKIP
from tasks.schedules.declared_checks import check_declared, check_settings
from tasks.schedules.limits import SECONDS
from tasks.schedules.rule import Rule
from tasks.schedules.zones import place, zone_names
from tasks.text import gettext as _

Seconds = float | timedelta


class Settings(TypedDict, total=False):
    """What may be said of any schedule in code."""

    #: The task's name where it has one schedule.
    name: str
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    #: What is left out of these is as the task says.
    queue: str
    timeout: int
    retries: int
    tags: Sequence[str]
    at_front: bool
    #: An IANA name; left out, the TIME_ZONE of the settings.
    zone: str
    starts_at: datetime
    ends_at: datetime
    most_fires: int
    enabled: bool
    jitter: Seconds
    #: The name of a calendar.
    calendar: str
    on_day_off: str
    misfire: str
    misfire_most: int
    misfire_age: Seconds
    grace: Seconds
    overlap: str


@dataclass(frozen=True, kw_only=True)
class Declared:
    """A schedule as code says it; the fields are those of Schedule rows.

    Durations are seconds. None, or "" for the queue, is what was left out.
    """

    kind: str
    name: str = ""
    expression: str = ""
    every: float | None = None
    at: datetime | None = None
    args: Sequence[Any] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    queue: str = ""
    timeout: int | None = None
    retries: int | None = None
    tags: Sequence[str] = ()
    at_front: bool = False
    zone: str | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    most_fires: int | None = None
    enabled: bool = True
    jitter: float = 0
    calendar: str | None = None
    on_day_off: str = SKIP
    misfire: str = ONCE
    misfire_most: int = 100
    misfire_age: float | None = None
    grace: float = 60
    overlap: str = ALLOW

    def rule(self) -> Rule:
        """Return its rule without the calendar, which only the ledger knows."""
        return Rule(
            kind=self.kind,
            expression=self.expression,
            every=self.every,
            at=self.at,
            zone=self.zone or "UTC",
            starts_at=self.starts_at,
            ends_at=self.ends_at,
        )

    def to_values(self) -> dict[str, Any]:
        """Return the fields for JSON: moments as ISO 8601 in UTC."""
        return {one.name: _value(getattr(self, one.name)) for one in fields(self)}

    def check(self) -> None:
        """Raise InvalidOption, which names the field, for what cannot work."""
        check_declared(self)


def _value(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return list(value)
    return value


def cron(expression: str, **settings: Unpack[Settings]) -> Declared:
    """Declare a schedule by a cron expression of five fields, or six with seconds."""
    return _declared(CRON, settings, expression=expression)


def every(interval: Seconds, **settings: Unpack[Settings]) -> Declared:
    """Declare a schedule by the seconds from start to start.

    They count from `starts_at`; without it from 1970, so that every(300) is due at full
    five minutes.
    """
    return _declared(EVERY, settings, every=_seconds(interval))


def after(pause: Seconds, **settings: Unpack[Settings]) -> Declared:
    """Declare a schedule by the seconds from the end of a run to the next start."""
    return _declared(AFTER, settings, every=_seconds(pause))


def once(at: datetime, **settings: Unpack[Settings]) -> Declared:
    """Declare a schedule of one moment; one without zone is a time in `zone`."""
    return _declared(ONCE, settings, at=_placed(at, settings.get("zone")))


def _placed(at: Any, zone: str | None) -> Any:
    """Return the moment of a time in a zone; what is no such thing is refused later."""
    is_wall_time = isinstance(at, datetime) and at.tzinfo is None
    return place(at, ZoneInfo(zone)) if is_wall_time and zone in zone_names() else at


def _declared(kind: str, settings: Settings, **own: Any) -> Declared:
    check_settings(kind, settings, Settings.__annotations__)
    made: dict[str, Any] = {**settings, **own}
    for name in SECONDS:
        if name in made:
            made[name] = _seconds(made[name])
    return Declared(kind=kind, **made)


def _seconds(given: Any) -> Any:
    return given.total_seconds() if isinstance(given, timedelta) else given


def declared_of(task: str, schedule: object) -> tuple[Declared, ...]:
    """Return what @task(schedule=…) says: nothing, one schedule, or a list of them.

    Text is a cron expression; a number of seconds, or a timedelta, an interval. Raises
    ConfigurationError, which names the task.
    """
    if schedule is None:
        return ()
    listed = schedule if isinstance(schedule, list | tuple) else [schedule]
    found = tuple(_read(task, one) for one in listed)
    if len(found) == 1 and not found[0].name:
        found = (replace(found[0], name=task),)
    _check_names(task, [one.name for one in found])
    for one in found:
        _check(task, one)
    return found


def _read(task: str, given: object) -> Declared:
    if isinstance(given, Declared):
        return given
    if isinstance(given, str):
        return cron(given)
    if isinstance(given, int | float | timedelta) and not isinstance(given, bool):
        return every(given)
    problem = _(
        "is %(given)s, and neither a cron expression, seconds, nor a list of them"
    )
    raise _refusal(task, problem % {"given": repr(given)[:100]})


def _check(task: str, one: Declared) -> None:
    try:
        one.check()
    except InvalidOption as error:
        raise refusal_of(task, one, str(error)) from error


def _check_names(task: str, names: list[str]) -> None:
    if len(set(names)) < len(names) or "" in names:
        raise _refusal(task, _("give each of several a name of its own"))


def refusal_of(task: str, one: Declared, problem: str) -> ConfigurationError:
    """Return the error for a schedule of a task, which names both."""
    if one.name == task:
        return _refusal(task, problem)
    text = _("Task %(name)s: schedule %(schedule)s: %(problem)s")
    facts = {"name": task, "schedule": one.name, "problem": problem}
    return ConfigurationError(text % facts)


def _refusal(task: str, problem: str) -> ConfigurationError:
    text = _("Task %(name)s: schedule: %(problem)s")
    return ConfigurationError(text % {"name": task, "problem": problem})
