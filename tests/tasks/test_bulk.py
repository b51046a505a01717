from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from django.db import DataError, IntegrityError, transaction

from tasks import bulk
from tasks.bulk import BulkInsert
from tasks.models import Job

pytestmark = pytest.mark.django_db

COLUMNS = ("id", "task", "args", "timeout", "at_front", "created_at", "message")
NEW = BulkInsert(Job, COLUMNS, {"queue": "it's"})
MERGED = BulkInsert(
    Job, COLUMNS, {}, {"message": "CASE WHEN old.timeout = 1 THEN excluded.message END"}
)

STRANGE = "tab\t, line\n, \r, back\\slash, \\N, %s, 'quote' and Ä"
AT = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=timezone(timedelta(hours=1)))


@pytest.fixture(params=["values", "copy"], autouse=True)
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write few rows as many are written too; SQLite knows one way only."""
    if request.param == "copy":
        monkeypatch.setattr(bulk, "FEW", 0)


def row(job_id: str = "a", **values: Any) -> bulk.Row:
    given: dict[str, Any] = {
        "task": "t",
        "args": "[]",
        "timeout": None,
        "at_front": False,
        "created_at": AT,
        "message": "",
        **values,
    }
    return job_id, *given.values()


def test_values_come_back_as_they_were_given() -> None:
    args = [1, None, STRANGE]
    NEW.write([row(args=json.dumps(args), at_front=True, message=STRANGE)])
    job = Job.objects.get()
    assert (job.args, job.message, job.timeout) == (args, STRANGE, None)
    assert (job.at_front, job.created_at) == (True, AT.astimezone(UTC))


def test_other_columns_get_their_defaults() -> None:
    NEW.write([row()])
    job = Job.objects.get()
    assert (job.queue, job.state, job.seq, job.kwargs) == (
        "it's",
        "created",
        0,
        {},
    )
    assert (job.progress, job.pushed_at, job.allow_failure) == (None, None, False)


def test_rows_that_are_there_get_the_changes_alone() -> None:
    NEW.write([row("a", timeout=1, message="old"), row("b", message="old")])
    MERGED.write([row("a", message="new", task="u")])
    job = Job.objects.get(pk="a")
    assert (job.message, job.task) == ("new", "t")


def test_a_used_key_is_an_integrity_error() -> None:
    NEW.write([row()])
    with pytest.raises(IntegrityError), transaction.atomic():
        NEW.write([row("b"), row("a")])
    assert Job.objects.count() == 1


def test_what_the_column_cannot_hold_is_refused_not_cut() -> None:
    if bulk.connection.vendor == "sqlite":
        pytest.skip("SQLite holds text of any length")
    with pytest.raises(DataError), transaction.atomic():
        NEW.write([row(task="x" * 256)])
    with pytest.raises(DataError), transaction.atomic():
        NEW.write([row(message="\x00")])


def test_two_statements_may_share_a_transaction() -> None:
    MERGED.write([row("a", timeout=1)])
    BulkInsert(Job, ("id", "created_at")).write([("b", AT)])
    MERGED.write([row("a", message="new"), row("c")])
    found = dict(Job.objects.values_list("id", "message"))
    assert found == {"a": "new", "b": "", "c": ""}
