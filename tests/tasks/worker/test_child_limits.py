from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tasks.broker import keys
from tasks.conf import PROJECT_ROOT
from tasks.worker import child_process, children
from tasks.worker.children import ChildPool
from tasks.worker.family import resident_bytes
from tests.conftest import wait_until
from tests.engine import client, push_job
from tests.tasks.worker.running import until
from tests.tasks.worker.test_children import Ordered, is_running, run, with_pool

MEGABYTE = 1024 * 1024


@pytest.fixture(autouse=True)
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "WATCH_EVERY", 0.02)
    monkeypatch.setattr(child_process, "MEASURE_EVERY", 0.02)
    # Where other tests take the processor, a child needs its time to start.
    monkeypatch.setattr(children, "PATIENCE", 20.0)


@pytest.fixture(autouse=True)
def _know_hogs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKYARD_TASKS", "tests.sample,tests.hogs")


def hog(task: str, memory: int = 0, **kwargs: object) -> Ordered:
    errand = Ordered(task, module="tests.hogs", timeout=None, **kwargs)
    errand.memory = memory
    return errand


def test_a_job_that_holds_too_much_is_killed(tmp_path: Path) -> None:
    greedy = hog("hold", 80 * MEGABYTE, megabytes=1000, noted=str(tmp_path / "noted"))
    killed, after = run(greedy, Ordered("add", a=1))
    assert (killed.verb, killed.error) == ("fail", "MemoryExceeded")
    assert killed.message.startswith("the task held ")
    assert killed.message.endswith("of memory and was killed: its limit is 80 MB")
    assert after.result == "3"


def test_what_its_processes_hold_counts_wherever_they_are() -> None:
    (killed,) = run(hog("hold_apart", 150 * MEGABYTE, processes=2, megabytes=100))
    assert killed.error == "MemoryExceeded"


def test_what_the_child_held_before_does_not_count(tmp_path: Path) -> None:
    """A child of Python alone holds more than this limit."""
    go = tmp_path / "go"
    errand = Ordered("wait_for", timeout=None, path=str(go))
    errand.memory = 20 * MEGABYTE

    async def script(pool: ChildPool) -> None:
        pool.run(errand)
        await until(lambda: errand.heard)
        assert errand.child is not None
        assert resident_bytes(errand.child.process.pid) > errand.memory
        errand.child.check_memory(time.monotonic() + 60)
        go.touch()
        await until(lambda: errand.outcome)

    with_pool(script)
    assert errand.outcome is not None
    assert errand.outcome.verb == "finish"


def test_a_child_is_replaced_after_so_many_jobs() -> None:
    errands = [Ordered("own_pid") for _number in range(7)]

    async def script(pool: ChildPool) -> None:
        for errand in errands:
            pool.run(errand)
        await until(lambda: all(errand.outcome for errand in errands), 20)

    with_pool(script, jobs_limit=3)
    pids = [errand.outcome.result for errand in errands if errand.outcome]
    assert [pids.count(pid) for pid in dict.fromkeys(pids)] == [3, 3, 1]


@pytest.mark.parametrize("spare", [0, 100])
def test_who_leaves_files_open_does_not_take_them_from_the_next_job(
    spare: int,
) -> None:
    leaker, after = hog("open_files", spare=spare), Ordered("own_pid")
    leaked, next_pid = run(leaker, after)
    assert leaked.verb == next_pid.verb == "finish"
    assert leaked.result != next_pid.result


def lines_of(errand: Ordered) -> list[str]:
    return [fields["line"] for kind, fields in errand.heard if kind == "log"]


def test_who_talks_much_is_not_even_heard() -> None:
    talker = hog("talk", megabytes=20)
    (outcome,) = run(talker)
    assert outcome.verb == "finish"
    lines = lines_of(talker)
    expected = (5 * 1024 + 1, "The log is cut here: it passed 5 MB.")
    assert (len(lines), lines[-1]) == expected


@pytest.mark.parametrize("task", ["talk", "talk_on_one_line"])
def test_who_talks_too_much_is_killed(task: str) -> None:
    talker = hog(task, megabytes=100)
    talker.request["output"] = 64 * 1024
    killed, after = run(talker, Ordered("add", a=1))
    assert (killed.verb, killed.error) == ("fail", "OutputExceeded")
    assert killed.message == "the task wrote more than 64 KB of output, its limit"
    assert after.result == "3"


def test_who_talks_too_much_after_its_end_does_not_end_the_next_job(
    tmp_path: Path,
) -> None:
    talker, go = hog("talk_after_its_end", said=str(tmp_path / "said")), tmp_path / "go"
    talker.request |= {"output": 64 * 1024, "id": "talker"}
    next_one = Ordered("wait_for", path=str(go))

    async def script(pool: ChildPool) -> None:
        pool.run(talker)
        pool.run(next_one)
        await until((tmp_path / "said").exists)
        go.touch()
        await until(lambda: next_one.outcome)

    with_pool(script)
    for errand in (talker, next_one):
        assert errand.outcome
        assert errand.outcome.verb == "finish"


def test_a_job_that_was_begun_behind_one_that_is_killed_goes_back(
    tmp_path: Path,
) -> None:
    """It began while the worker took the one before it for the one that runs."""
    first = Ordered("add", a=1)
    second = Ordered("wait_for", timeout=None, path=str(tmp_path / "never"))

    async def script(pool: ChildPool) -> None:
        pool.run(second)
        await until(lambda: second.heard)
        assert second.child is not None
        second.child.end(first)
        await until(lambda: second.outcome)

    with_pool(script)
    assert second.outcome is not None
    assert second.outcome.verb == "handback"


def test_a_job_that_will_not_end_does_not_get_the_time_of_its_callbacks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(child_process, "LAST_WORDS", 0.05)
    stubborn = Ordered("stubborn", timeout=0.05)
    stubborn.request["failed"] = ["tests.sample.add", 600]
    assert run(stubborn)[0].error == "JobTimedOut"


def test_a_callback_has_time_though_the_job_s_own_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It would be killed if the worker did not know that it began."""
    monkeypatch.setattr(child_process, "LAST_WORDS", 0.05)
    push_job("a")
    errand = Ordered("add", timeout=0.1, a=1)
    errand.request["finished"] = ["tests.plain.note_late", 60]
    assert run(errand)[0].verb == "finish"
    assert client().hget(keys.job("a"), "told") == b"late"


def test_the_kernel_takes_a_child_first_when_memory_is_short() -> None:
    async def script(pool: ChildPool) -> str:
        pid = pool._children[0].process.pid
        return Path(f"/proc/{pid}/oom_score_adj").read_text().strip()

    assert with_pool(script) == "500"


#: Stands for a worker: starts two sleepers, notes both, then only the second, names them.
WORKER = """
import signal, subprocess
from tasks.worker.undertaker import Undertaker
sleepers = [subprocess.Popen(["sleep", "60"], start_new_session=True).pid for _ in "ab"]
undertaker = Undertaker()
undertaker.note(sleepers)
undertaker.note(sleepers[1:])
print(*sleepers, flush=True)
signal.pause()
"""


def test_an_undertaker_outlives_its_worker_and_ends_what_was_noted() -> None:
    command = [sys.executable, "-c", WORKER]
    with subprocess.Popen(command, cwd=PROJECT_ROOT, stdout=subprocess.PIPE) as worker:
        assert worker.stdout is not None
        other, noted = map(int, worker.stdout.readline().split())
        worker.kill()
    wait_until(lambda: not is_running(noted))
    assert is_running(other)
    os.kill(other, signal.SIGKILL)
