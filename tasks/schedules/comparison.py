"""A declared schedule beside its code: what people changed, value by value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tasks.models import Schedule
from tasks.schedules.fields import FIELDS, label_of, values_of, with_groups


@dataclass(frozen=True)
class Comparison:
    """One field of a declared schedule: the code's value beside the one in force."""

    field: str
    #: The field's name for people.
    label: str
    #: Both as JSON has them: moments as ISO 8601, seconds, the calendar by its name.
    declared: Any
    present: Any
    #: Who changed it and when; "" and None where the code's value is in force.
    by: str = ""
    at: datetime | None = None

    @property
    def is_changed(self) -> bool:
        """Whether a person's value stands before the code's."""
        return self.at is not None

    @property
    def differs(self) -> bool:
        """Whether it is more than the code's value, which somebody holds fast."""
        return bool(self.declared != self.present)


def compare(schedule: Schedule) -> Sequence[Comparison]:
    """Return each field that the code declares, those that people changed first.

    Nothing for a schedule that people made.
    """
    declared, present = schedule.declared, values_of(schedule)
    if declared is None:
        return ()
    found = [
        _compare(schedule, field, declared[field], present[field])
        for field in FIELDS
        if field in declared
    ]
    return sorted(found, key=lambda one: not one.is_changed)


def told_apart(comparison: Sequence[Comparison]) -> list[Comparison]:
    """Return what people changed that differs from the code.

    Fields are changed by groups, and of one in which nothing differs the first is told:
    that group, too, stays as it is when the code changes, and can be reset.
    """
    told: list[Comparison] = []
    seen: set[tuple[str, ...]] = set()
    changed = [one for one in comparison if one.is_changed]
    for one in sorted(changed, key=lambda one: not one.differs):
        group = tuple(with_groups([one.field]))
        if one.differs or group not in seen:
            told.append(one)
        seen.add(group)
    return told


def _compare(schedule: Schedule, field: str, declared: Any, present: Any) -> Comparison:
    change: Mapping[str, Any] = schedule.overrides.get(field) or {}
    changed_at = change.get("at")
    return Comparison(
        field=field,
        label=label_of(field),
        declared=declared,
        present=present,
        by=change.get("by", ""),
        at=datetime.fromisoformat(changed_at) if changed_at else None,
    )
