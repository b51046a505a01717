"""Schedules that code declares: their rows follow the code where no person changed them.

A row's `declared` is what the code says; its columns are what holds, in which a person's
change stands before the code's (`overrides`). One that the code no longer declares is
disabled, and enabled again should it come back; only a process that knows its task, or
loaded the module in which the task was, can tell. Any number of processes may do this at
once: they wait for each other's rows, and a name that two bring is made once.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q

from tasks.errors import (
    BrokerFull,
    BrokerUnavailable,
    InvalidOption,
    ScheduleExists,
)
from tasks.models import Calendar, Schedule
from tasks.policy import CODE
from tasks.registry import Task, registry
from tasks.schedules.change_words import tell_changes
from tasks.schedules.checks import problem_of, set_values
from tasks.schedules.clock import clock
from tasks.schedules.declared import Declared
from tasks.schedules.fields import values_of
from tasks.schedules.fires import is_of_ledger
from tasks.schedules.preview import draft
from tasks.schedules.saving import (
    changed_fields,
    insert,
    update,
    write_audit,
)
from tasks.schedules.unknown_tasks import declaring_task, gone_tasks
from tasks.text import gettext as _

logger = logging.getLogger(__name__)

#: Names of schedules that one line of the log tells.
_NAMES_TOLD = 10

Named = Mapping[str, tuple[Task, Declared]]


@dataclass
class Synced:
    """What became of the schedules that code declares, by their names."""

    made: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    #: What is left alone, as this process cannot know whether it is gone.
    unknown: list[str] = field(default_factory=list)
    back: list[str] = field(default_factory=list)
    #: What could not be made, or could not run as it is, and why.
    problems: dict[str, str] = field(default_factory=dict)
    #: What is to be tried again: what is due by the old rule cannot be decided now.
    put_off: list[str] = field(default_factory=list)


def sync_declared(
    tasks: Iterable[Task] = registry, now: datetime | None = None
) -> Synced:
    """Bring the rows of declared schedules to what the code of this process says.

    Nothing that is wrong with one schedule keeps the others from it.
    """
    syncing = _Syncing(now or clock.now(), Synced())
    known = list(tasks)
    named = {one.name: (task, one) for task in known for one in task.schedules}
    with transaction.atomic():
        rows = {row.name: row for row in _lock(named)}
        for name, (task, one) in named.items():
            syncing.declare(name, task, one, rows.get(name))
        missing = [row for row in rows.values() if row.name not in named]
        syncing.part(missing, {task.name for task in known})
    _log(syncing.done)
    return syncing.done


def _log(done: Synced) -> None:
    for name in done.gone:
        logger.warning(
            "schedule %s is disabled: no task of this process declares it",
            name,
            extra={"action": "schedule_gone"},
        )
    if done.unknown:
        logger.warning(
            "%s declared schedules are left alone, as no module of TASKYARD_TASKS here"
            " registers their tasks: %s",
            len(done.unknown),
            ", ".join(done.unknown[:_NAMES_TOLD]),
            extra={"action": "schedule_unknown"},
        )
    for name, problem in done.problems.items():
        logger.error(
            "schedule %s, which the code declares: %s",
            name,
            problem,
            extra={"action": "schedule_refused"},
        )


def _lock(named: Named) -> Iterable[Schedule]:
    concerned = Q(declared__isnull=False) | Q(name__in=list(named))
    rows = Schedule.objects.select_for_update(of=("self",)).filter(concerned)
    # In one order, so that two processes never wait for each other.
    return rows.select_related("calendar").order_by("pk")


@dataclass
class FirstSync:
    """What a process does with declared schedules when it starts, until that is done."""

    _is_done: bool = False

    def step(self) -> None:
        if not self._is_done:
            self._is_done = not sync_declared().put_off


@dataclass
class _Syncing:
    now: datetime
    done: Synced

    def declare(
        self, name: str, task: Task, one: Declared, row: Schedule | None
    ) -> None:
        try:
            if problem := problem_of(self._bring(name, task, one, row), self.now):
                self.done.problems[name] = problem
        except InvalidOption as error:
            self.done.problems[name] = str(error)
        except (BrokerFull, BrokerUnavailable) as error:
            self.done.problems[name] = str(error)
            self.done.put_off.append(name)
        except ScheduleExists:
            return  # another process declared it just now
        except Exception as error:
            if is_of_ledger(error):
                raise
            logger.exception("schedule %s cannot follow the code", name)
            self.done.problems[name] = f"{type(error).__name__}: {error}"

    def _bring(
        self, name: str, task: Task, one: Declared, row: Schedule | None
    ) -> Schedule:
        if row is None:
            return self._make(name, task, one)
        if row.declared is None:
            raise InvalidOption("name", _("people made one of that name already"))
        return self._follow(row, _said(task, one))

    def _make(self, name: str, task: Task, one: Declared) -> Schedule:
        declared = _said(task, one)
        row = Schedule(name=name, declared=declared)
        set_values(row, _effective(row))
        insert(row, CODE.name, self.now)
        write_audit(CODE, "schedule.declare", name)
        self.done.made.append(name)
        return row

    def _follow(self, row: Schedule, declared: dict[str, Any]) -> Schedule:
        after = copy.copy(row)
        after.declared, after.gone_at = declared, None
        set_values(after, _effective(after))
        # It was not a person that disabled it, whoever enabled it before.
        if row.gone_at is not None and row.disabled_at == row.gone_at:
            after.enabled = after.enabled or "enabled" in row.overrides
        self._save(row, after)
        return after

    def _save(self, before: Schedule, after: Schedule) -> None:
        is_back = before.gone_at is not None
        changed = changed_fields(before, after)
        if not is_back and not changed and before.declared == after.declared:
            return
        update(before, after, CODE.name, self.now)
        verb, names = "schedule.declare", self.done.changed
        if is_back:
            verb, names = "schedule.back", self.done.back
        write_audit(CODE, verb, after.name, result=tell_changes(before, after))
        names.append(after.name)

    def part(self, rows: Iterable[Schedule], known: Set[str]) -> None:
        """Disable schedules that the code no longer declares; leave those alone of
        which this process cannot know that.
        """
        present = [row for row in rows if row.gone_at is None]
        gone = known | gone_tasks({declaring_task(row) for row in present} - known)
        for row in present:
            if declaring_task(row) in gone:
                self._let_go(row)
            else:
                self.done.unknown.append(row.name)

    def _let_go(self, row: Schedule) -> None:
        after = copy.copy(row)
        after.gone_at, after.enabled = self.now, False
        update(row, after, CODE.name, self.now)
        write_audit(CODE, "schedule.gone", row.name)
        self.done.gone.append(row.name)


def _said(task: Task, one: Declared) -> dict[str, Any]:
    """Return what the code says, written as rows are: see `values_of`."""
    values = {**one.to_values(), "task": task.name}
    del values["name"]
    calendar = values.pop("calendar")
    written = values_of(draft(values))
    return {**written, "calendar": calendar}


def _effective(row: Schedule) -> dict[str, Any]:
    """Return the code's values where no person's stand before them.

    A calendar that nobody made yet cannot be kept to: then the schedule waits for it.
    """
    declared = row.declared or {}
    values = {
        name: value for name, value in declared.items() if name not in row.overrides
    }
    calendar = values.get("calendar")
    if calendar and not Calendar.objects.filter(name=calendar).exists():
        values["calendar"] = None
        if "enabled" in values:
            values["enabled"] = False
    return values
