"""Schedules that a person defines, and what is then stored of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tasks.models import Audit, Schedule
from tasks.policy import Actor
from tasks.schedules.definitions import create
from tests.timetable import NOW

MARA = Actor("mara", "web")

HOUR = timedelta(hours=1)
NINE = NOW + HOUR


def make(name: str = "nightly", **values: Any) -> Schedule:
    facts: dict[str, Any] = {"task": "greet", "kwargs": {"name": "x"}}
    if "kind" not in values:
        facts["expression"] = "0 9 * * *"
    return create(MARA, name, facts | values)


def stored(name: str = "nightly") -> Schedule:
    return Schedule.objects.select_related("calendar").get(name=name)


def audited() -> list[tuple[str, str, str]]:
    return list(Audit.objects.order_by("pk").values_list("actor", "verb", "target"))
