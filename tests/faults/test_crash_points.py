"""Where the processes of R29 are killed; the scenario itself runs with the others."""

from __future__ import annotations

import pytest
from django.db import connection, transaction

from benchmarks.faults.cases.crash_points import OF_MOMENTS
from benchmarks.faults.crashes import execution
from benchmarks.faults.crashes.acts import ACTS
from benchmarks.faults.crashes.execution import SqlCut, Statements
from tests.factories import create_job

pytestmark = pytest.mark.django_db(transaction=True)


class Killed(Exception):
    """Stands for the signal, so that the test may look at what is left."""


@pytest.fixture(autouse=True)
def mercy(monkeypatch: pytest.MonkeyPatch) -> None:
    def die() -> None:
        raise Killed

    monkeypatch.setattr(execution, "_die", die)


def test_every_statement_is_counted_and_the_commit_too() -> None:
    statements = Statements()
    with statements.watched(), transaction.atomic():
        create_job()
        create_job()
    seen = [name.split()[0] for name in statements.seen]
    begin = ["BEGIN"] if connection.vendor == "sqlite" else []
    assert seen == [*begin, "INSERT", "INSERT", "COMMIT"]


@pytest.mark.parametrize("reached", [True, False])
def test_a_process_dies_before_or_after_its_statement(reached: bool) -> None:
    done: list[str] = []
    statements = Statements(SqlCut(2, reached))
    statements(done.append, "INSERT 1")
    with pytest.raises(Killed):
        statements(done.append, "INSERT 2")
    assert done == ["INSERT 1", "INSERT 2"][: 1 + reached]


def test_every_part_of_the_life_of_a_job_is_cut_off() -> None:
    acts = {name.partition(":")[0].partition(" ")[0] for name in ACTS}
    assert {"submit", "claim", "settle", "sweep", "push", "report", "fire"} <= acts
    assert set(OF_MOMENTS) <= set(ACTS)
