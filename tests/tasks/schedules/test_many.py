"""Lists, exports and imports of very many schedules cost no query for each."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tasks.models import ApiToken, Schedule
from tasks.policy import Actor
from tasks.schedules.documents import dump, load
from tasks.schedules.foreign import Found
from tasks.schedules.foreign_names import with_names
from tasks.schedules.plans import plan
from tasks.schedules.transfer import apply, definition_of, export, propose
from tests.clocks import stop_clock
from tests.dashboard.api.conftest import Api
from tests.timetable import NOW, create_calendar

pytestmark = pytest.mark.django_db(transaction=True)

MARA = Actor("mara", "web")


@pytest.fixture(autouse=True)
def still_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    stop_clock(monkeypatch, NOW)


def create_many(number: int) -> None:
    """Create schedules that each keep to a calendar."""
    calendar = create_calendar()
    rows = [
        Schedule(
            name=f"s{place:05}",
            task="tests.sample.add",
            kwargs={"a": place},
            expression=f"{place % 60} 9 * * *",
            calendar=calendar,
            created_at=NOW,
            changed_at=NOW,
            cursor=NOW,
        )
        for place in range(number)
    ]
    for row in rows:
        plan(row, NOW)
    Schedule.objects.bulk_create(rows)


def queries(act: Callable[[], object]) -> int:
    with CaptureQueriesContext(connection) as captured:
        act()
    return len(captured)


def listing() -> str:
    out = io.StringIO()
    call_command("schedules", "list", stdout=out)
    return out.getvalue()


def test_a_list_is_read_by_the_page() -> None:
    create_many(410)
    assert len(listing().splitlines()) == 411
    assert queries(listing) <= 3 * 5  # three pages


def test_a_page_of_the_list_costs_the_same_with_any_number() -> None:
    api = Api(ApiToken.issue("robot"))
    create_many(101)
    assert queries(lambda: api.get("/schedules", limit=100)) <= 5
    small = queries(lambda: api.get("/schedules", limit=5))
    assert queries(lambda: api.get("/schedules", limit=100)) == small


def test_an_export_is_one_query_and_a_dry_run_three() -> None:
    create_many(120)
    document = load(export())
    assert queries(export) == 1
    assert queries(lambda: propose(document)) <= 3


def test_an_import_costs_nothing_for_what_stays_the_same() -> None:
    create_many(120)
    document = load(export())
    assert queries(lambda: apply(MARA, document)) <= 12
    document[7]["grace"] = 7
    assert queries(lambda: apply(MARA, document)) <= 26
    assert set(Schedule.objects.values_list("version", flat=True)) == {1, 2}


def test_an_import_of_many_costs_no_query_for_each() -> None:
    create_many(420)
    document = load(export())
    assert queries(lambda: apply(MARA, document[:10], prune=True)) <= 30
    assert queries(lambda: apply(MARA, document)) <= 40
    assert Schedule.objects.count() == 420


def test_names_are_given_in_one_query() -> None:
    create_many(120)
    call: dict[str, Any] = {"task": "greet", "args": [], "kwargs": {}}
    found = [Found("1", {"name": f"s{place:05}", **call}) for place in range(120)]
    assert queries(lambda: with_names(found)) == 1


def test_ten_thousand_are_exported_and_read_back() -> None:
    create_many(1)
    one = definition_of(Schedule.objects.select_related("calendar").get())
    document = dump({**one, "name": f"s{place:05}"} for place in range(10_000))
    wanted = load(document)
    assert len(wanted) == 10_000
    assert dump(wanted[-100:])[-1_000:] == document[-1_000:]
