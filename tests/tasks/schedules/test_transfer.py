from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tasks.errors import (
    InvalidOption,
    PermissionMissing,
    ScheduleExists,
    ScheduleNotFound,
)
from tasks.models import Audit, Schedule
from tasks.policy import Actor
from tasks.schedules import definitions
from tasks.schedules.documents import load
from tasks.schedules.transfer import apply, export, propose
from tests.clocks import stop_clock
from tests.timetable import NOW, create_calendar, create_schedule

pytestmark = pytest.mark.django_db(transaction=True)

MARA = Actor("mara", "web")
NOBODY = Actor("eve", "web", frozenset())


@pytest.fixture(autouse=True)
def still_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    stop_clock(monkeypatch, NOW)


def wanted(name: str = "nightly", **fields: Any) -> dict[str, Any]:
    return {"name": name, "task": "greet", "kwargs": {"name": "x"}, **fields}


def verbs(diff: Any) -> dict[str, str]:
    return {change.name: change.verb for change in diff.changes}


def test_what_is_exported_changes_nothing_when_it_is_read_back() -> None:
    create_schedule(calendar=create_calendar(), starts_at=NOW, grace=90, tags=["a"])
    create_schedule("often", kind="every", every=300.0, expression="")
    create_schedule("later", kind="once", at=NOW.replace(year=2027), expression="")
    document = load(export())
    assert [one["name"] for one in document] == ["later", "nightly", "often"]
    assert set(verbs(propose(document).diff).values()) == {"same"}
    assert not apply(MARA, document)
    assert set(Schedule.objects.values_list("version", flat=True)) == {1}


def test_a_document_makes_anew_what_was_deleted() -> None:
    create_schedule(calendar=create_calendar(), jitter=30, overlap="skip")
    document = load(export(["nightly"]))
    Schedule.objects.all().delete()
    assert verbs(apply(MARA, document)) == {"nightly": "create"}
    row = Schedule.objects.select_related("calendar").get()
    assert (row.jitter, row.overlap, row.created_by) == (30, "skip", "mara")
    assert row.calendar is not None


def test_what_is_over_is_left_out_where_it_would_be_new() -> None:
    create_schedule()
    create_schedule("once", kind="once", at=NOW - timedelta(hours=1), expression="")
    create_schedule("ended", ends_at=NOW - timedelta(hours=1))
    document = load(export())
    assert set(verbs(apply(MARA, document)).values()) == {"same"}
    Schedule.objects.all().delete()
    proposal = propose(document)
    assert verbs(proposal.diff) == {
        "nightly": "create",
        "once": "past",
        "ended": "past",
    }
    assert verbs(apply(MARA, document)) == verbs(proposal.diff)
    assert Schedule.objects.get().name == "nightly"
    Schedule.objects.all().delete()
    assert not apply(MARA, [one for one in document if one["name"] != "nightly"])


def test_only_named_schedules_are_exported() -> None:
    create_schedule()
    create_schedule("often")
    assert [one["name"] for one in load(export(["often", "often"]))] == ["often"]
    with pytest.raises(ScheduleNotFound):
        export(["nobody"])


def test_a_field_that_is_left_out_stays() -> None:
    create_schedule(grace=90)
    diff = apply(MARA, [{"name": "nightly", "expression": "@daily"}])
    assert diff.lines() == ["~ nightly", "    expression: 0 9 * * * → 0 0 * * *"]
    row = Schedule.objects.get()
    assert (row.expression, row.grace, row.version) == ("0 0 * * *", 90, 2)


def test_another_way_to_write_the_same_is_no_change() -> None:
    create_schedule(expression="0 0 * * *")
    assert not propose([{"name": "nightly", "expression": "@daily"}]).diff


def test_a_dry_run_writes_nothing() -> None:
    proposal = propose([wanted(expression="@daily")], prune=True)
    assert verbs(proposal.diff) == {"nightly": "create"}
    assert not Schedule.objects.exists()


def test_all_that_is_wrong_is_told_and_nothing_is_applied() -> None:
    definitions = [
        wanted("good", expression="@daily"),
        wanted("bad/name", expression="@daily"),
        wanted("never", expression="0 0 31 2 *"),
        wanted("unfit", expression="@daily", kwargs={}),
    ]
    proposal = propose(definitions)
    assert [refusal.name for refusal in proposal.refusals] == [
        "bad/name",
        "never",
        "unfit",
    ]
    with pytest.raises(InvalidOption) as caught:
        apply(MARA, definitions)
    assert "never: expression: never fires" in str(caught.value)
    assert "name: is required" in str(caught.value)
    assert not Schedule.objects.exists()
    assert not Audit.objects.exists()


def test_prune_deletes_what_no_document_names_but_for_the_codes() -> None:
    create_schedule("old")
    create_schedule("declared", declared={"task": "greet"})
    create_schedule("gone", declared={"task": "greet"}, gone_at=NOW)
    diff = apply(MARA, [wanted(expression="@daily")], prune=True)
    assert verbs(diff) == {"nightly": "create", "old": "delete", "gone": "delete"}
    assert set(Schedule.objects.values_list("name", flat=True)) == {
        "declared",
        "nightly",
    }


def test_without_prune_nothing_is_deleted() -> None:
    create_schedule("old")
    apply(MARA, [wanted(expression="@daily")])
    assert Schedule.objects.count() == 2


def test_who_may_not_is_refused() -> None:
    with pytest.raises(PermissionMissing):
        apply(NOBODY, [wanted(expression="@daily")])
    with pytest.raises(PermissionMissing):
        apply(NOBODY, [])
    assert not Schedule.objects.exists()


def test_one_that_fails_at_the_last_moment_takes_all_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prepared = definitions.prepared

    def prepare(actor: Actor, name: str, values: Any) -> Schedule:
        if name == "b":  # somebody makes it just now
            create_schedule(name)
        return prepared(actor, name, values)

    monkeypatch.setattr(definitions, "prepared", prepare)
    with pytest.raises(ScheduleExists, match="A schedule b exists"):
        apply(MARA, [wanted(name, expression="@daily") for name in "abc"])
    assert Schedule.objects.get().name == "b"
    assert not Audit.objects.exists()


def test_prune_spares_what_a_document_names_however_wrong() -> None:
    create_schedule()
    proposal = propose([wanted(expression="0 0 30 2 *")], prune=True)
    assert verbs(proposal.diff) == {}
    assert [refusal.name for refusal in proposal.refusals] == ["nightly"]
