"""Periodic entries as the real rq-scheduler writes them."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rq.job import Job
from rq.serializers import JSONSerializer
from rq_scheduler import Scheduler

from tasks.broker import keys
from tasks.broker.stock_entries import StockEntry, read_entries, remove_entry
from tests.engine import client
from tests.sample import add

SOON = datetime(2030, 1, 2, 3, 4, 5)


class JsonJob(Job):
    """A job as clients write it that chose JSON."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{**options, "serializer": JSONSerializer})


class Trap:
    """An argument that does something when it is loaded."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return exec, (self.command,)


def scheduler(queue: str = "emails") -> Scheduler:
    return Scheduler(queue, connection=client())


def every_minute(job_id: str = "each", **options: Any) -> Job:
    facts = {"args": [1], "kwargs": {"b": 5}, "interval": 60, "id": job_id, **options}
    return scheduler().schedule(SOON, add, **facts)


def entries(*, trust_pickle: bool = True) -> list[StockEntry]:
    return read_entries(trust_pickle=trust_pickle)


def test_an_interval_is_read_whole() -> None:
    every_minute(repeat=7, timeout=90, at_front=True)
    (entry,) = entries()
    assert (entry.id, entry.queue, entry.path) == ("each", "emails", "tests.sample.add")
    assert (entry.args, entry.kwargs) == ([1], {"b": 5})
    assert entry.meta == {"interval": 60, "repeat": 7}
    assert (entry.timeout, entry.at_front, entry.has_more) == ("90", True, False)
    assert entry.score == SOON.replace(tzinfo=UTC).timestamp()
    assert entry.problem == ""


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_cron_string_is_read() -> None:
    scheduler().cron("0 9 * * 1-5", add, args=[1], id="weekdays")
    (entry,) = entries()
    assert entry.meta == {"cron_string": "0 9 * * 1-5"}


def test_entries_in_json_need_no_trust() -> None:
    own = Scheduler("emails", connection=client(), job_class=JsonJob)
    own.schedule(SOON, add, args=[1], interval=60, id="plain")
    (entry,) = entries(trust_pickle=False)
    assert (entry.path, entry.args, entry.problem) == ("tests.sample.add", [1], "")
    assert entry.meta["interval"] == 60


def test_delayed_jobs_are_none_of_them() -> None:
    scheduler().enqueue_at(SOON, add, 1)
    scheduler().enqueue_in(timedelta(hours=1), add, 1, meta={"every": "interval"})
    assert entries() == []


def test_nothing_is_loaded_without_trust(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    every_minute(args=[Trap(f"open({str(mark)!r}, 'w')")])
    (entry,) = entries(trust_pickle=False)
    assert (entry.path, entry.args, entry.meta) == ("tests.sample.add", (), {})
    assert "--trust-pickle" in entry.problem
    assert not mark.exists()


def test_what_is_trusted_is_loaded_in_another_process(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    code = f"import os; open({str(mark)!r}, 'w').write(str(os.getpid())); print('hi')"
    every_minute(args=[Trap(code)])
    (entry,) = entries()
    assert entry.args == [None]
    assert int(mark.read_text()) != os.getpid()


def test_one_that_ends_its_process_keeps_no_other_from_being_read() -> None:
    every_minute("a", args=[1])
    every_minute("b", args=[Trap("import os; os._exit(7)")])
    every_minute("c", args=[Trap("raise KeyError('no')")])
    every_minute("d", args=[4])
    found = {entry.id: entry for entry in entries()}
    assert (found["a"].args, found["d"].args) == ([1], [4])
    assert "exit code 7" in found["b"].problem
    assert "KeyError" in found["c"].problem
    assert found["b"].path == "tests.sample.add"


def test_arguments_that_json_cannot_hold_are_told() -> None:
    every_minute(args=[{1, 2}, object])
    (entry,) = entries()
    assert entry.problem
    assert entry.args == ()


def test_an_entry_without_its_job_is_none() -> None:
    client().zadd(keys.DELAYED, {"ghost": 1})
    assert entries() == []


def test_what_is_taken_out_is_gone_with_its_job() -> None:
    job = every_minute()
    assert remove_entry("each")
    assert client().zcard(keys.DELAYED) == 0
    assert not Job.exists(job.id, connection=client())
    assert not remove_entry("each")


def test_the_job_of_one_that_ran_is_left_to_its_client() -> None:
    every_minute()
    client().hset(keys.job("each"), "status", "finished")
    remove_entry("each")
    assert Job.exists("each", connection=client())
