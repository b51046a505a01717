from __future__ import annotations

import fcntl
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tasks.broker import keys
from tasks.broker.attempts import Settlement
from tasks.broker.engine import Engine
from tasks.errors import BrokerUnavailable
from tasks.worker import leftovers
from tasks.worker.loop import Worker
from tasks.worker.spool import (
    Spooled,
    spooling,
    taking,
    waiting_in,
)
from tests.engine import (
    claim,
    client,
    end_leases,
    events,
    push_job,
    status,
    take_back,
    waiting,
)
from tests.tasks.worker.claimed import claimed_job
from tests.tasks.worker.running import run_worker, until


@pytest.fixture(autouse=True)
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leftovers, "LOOK_EVERY", 0.02)
    monkeypatch.setattr(leftovers, "BEFORE", 0.05)
    monkeypatch.setattr(leftovers, "AFTER", 0.05)


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool"


def end_of(job: Any, verb: str = "finish", **fields: Any) -> Settlement:
    return Settlement(job, verb, 1.5, **fields)


def leave(spool: Path, *ends: Settlement, worker: str = "w0") -> Path:
    """Leave ends as a worker does whose Redis is away."""
    with spooling(spool, Spooled(worker, "host", ends)) as path:
        return path


def run_next_worker(spool: Path, script: Callable[[Worker], Awaitable[Any]]) -> None:
    run_worker(script, data=spool.parent, name="w1")


def replay(spool: Path) -> None:
    async def script(_worker: Worker) -> None:
        await until(lambda: not waiting_in(spool))

    run_next_worker(spool, script)


def test_an_end_is_kept_whole(spool: Path) -> None:
    job = claimed_job(webhooks=b"[\xff]", result_ttl=60)
    end = end_of(
        job,
        "fail",
        result='"half \\ud83d"',
        traceback="half \ud83d",
        retry_after=1.25,
        facts={"error": "E", "logged": 1, "message": "half \ud83d"},
        packed="p",
    )
    with taking(leave(spool, end)) as left:
        assert left == Spooled("w0", "host", [end])


def test_a_worker_s_name_may_be_any_text(spool: Path) -> None:
    path = leave(spool, end_of(claimed_job()), worker="../up here")
    assert path.parent == spool
    with taking(path) as left:
        assert left
        assert left.worker == "../up here"


def test_workers_of_one_name_do_not_overwrite_what_each_left(spool: Path) -> None:
    name = "工" * 250
    for _worker in range(2):
        leave(spool, end_of(claimed_job()), worker=name)
    assert len(waiting_in(spool)) == 2


def test_a_worker_that_cannot_write_ends_leaves_them(
    spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(self: Engine, *args: Any) -> list[str]:
        raise BrokerUnavailable("gone")

    push_job("a", task="tests.sample.add_async", path="tests.sample.add_async")
    client().hset(keys.job("a"), "ty:kind", "async")

    async def script(worker: Worker) -> None:
        await until(lambda: worker.settler.pending)

    monkeypatch.setattr(Engine, "settle", away)
    run_next_worker(spool, script)
    monkeypatch.undo()
    (path,) = waiting_in(spool)
    with taking(path) as left:
        assert left
        assert (left.worker, [end.job.id for end in left.ends]) == ("w1", ["a"])
    assert status("a") == "started"
    run_worker(_until_sent(spool), data=spool.parent, name="w2")
    assert status("a") == "finished"


def _until_sent(spool: Path) -> Callable[[Worker], Awaitable[None]]:
    async def script(_worker: Worker) -> None:
        await until(lambda: not waiting_in(spool))

    return script


def test_a_worker_that_can_write_ends_leaves_nothing(spool: Path) -> None:
    push_job("a", task="tests.sample.add_async", path="tests.sample.add_async")
    client().hset(keys.job("a"), "ty:kind", "async")

    async def script(_worker: Worker) -> None:
        await until(lambda: status("a") == "finished")

    run_next_worker(spool, script)
    assert waiting_in(spool) == []


def test_the_next_worker_sends_them_in_the_name_of_the_one_that_ran_them(
    spool: Path,
) -> None:
    push_job("a")
    push_job("b")
    ends = [end_of(claim(worker="w0"), result="41"), end_of(claim(worker="w0"), "fail")]
    leave(spool, *ends)
    replay(spool)
    assert (status("a"), status("b")) == ("finished", "failed")
    last = next(event for event in events() if event.kind == "finished")
    assert (last["worker"], last["started"]) == ("w0", "1.500000")
    assert list(spool.iterdir()) == []


def test_ends_that_come_too_late_change_nothing(spool: Path) -> None:
    push_job("a")
    path = leave(spool, end_of(claim(worker="w0"), result="41"))
    end_leases()
    assert take_back("default") == ["a"]
    replay(spool)
    assert (status("a"), waiting()) == ("queued", ["a"])
    assert not path.exists()


def test_they_wait_for_redis(spool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle, failures = Engine.settle, [1, 1]

    async def unsteady(self: Engine, *args: Any) -> list[str]:
        if failures:
            failures.pop()
            raise BrokerUnavailable("gone")
        return await settle(self, *args)

    monkeypatch.setattr(Engine, "settle", unsteady)
    push_job("a")
    leave(spool, end_of(claim(worker="w0")))
    replay(spool)
    assert status("a") == "finished"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"notes of somebody\n",
        b"\x80\x04\x95",
        b"[1]\n",
        b'{"kind": "ends of attempts", "version": 2, "worker": "w", "host": "h"}\n',
        b'{"kind": "ends of attempts", "version": 1, "worker": "w", "host": "h"}\n{"jo',
        b'{"kind": "ends of attempts", "version": 1, "worker": "w", "host": "h"}\n1\n',
    ],
    ids=["empty", "text", "bytes", "list", "newer", "cut off", "number"],
)
def test_what_is_no_spool_is_set_aside_with_a_sentence(
    spool: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    spool.mkdir()
    (spool / "odd.jsonl").write_bytes(content)
    replay(spool)
    assert (spool / "odd.jsonl.unreadable").read_bytes() == content
    assert "holds no ends of jobs that can be read" in caplog.text


def test_a_file_that_another_worker_reads_is_left_to_it(spool: Path) -> None:
    path = leave(spool, end_of(claimed_job()))
    with path.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with taking(path) as left:
            assert left is None
    with taking(path) as left:
        assert left is not None


def test_a_file_is_not_read_while_it_is_written(spool: Path) -> None:
    with (
        spooling(spool, Spooled("w0", "host", [])) as path,
        taking(path) as left,
    ):
        assert left is None


def test_a_file_that_is_gone_is_none(spool: Path) -> None:
    with taking(spool / "gone.jsonl") as left:
        assert left is None


def test_a_folder_that_cannot_be_written_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def away(self: Engine, *args: Any) -> list[str]:
        raise BrokerUnavailable("gone")

    push_job("a", task="tests.sample.add_async", path="tests.sample.add_async")
    client().hset(keys.job("a"), "ty:kind", "async")
    (tmp_path / "spool").write_text("in the way")

    async def script(worker: Worker) -> None:
        await until(lambda: worker.settler.pending)

    monkeypatch.setattr(Engine, "settle", away)
    run_worker(script, data=tmp_path)
    assert "1 ends of jobs are lost, so the jobs run again" in caplog.text


def test_a_crash_while_it_is_written_leaves_no_half_file(
    spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_args: object) -> str:
        raise RuntimeError("power cut")

    monkeypatch.setattr(json, "dumps", crash)
    with pytest.raises(RuntimeError):
        leave(spool, end_of(claimed_job()))
    assert waiting_in(spool) == []
