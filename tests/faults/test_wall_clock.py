from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.faults import wall_clock
from benchmarks.faults.wall_clock import WallClock

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="needs cc")

HOUR = 3_600

#: Tells the clock each time that it is asked: Python's, SQLite's, and the other one.
TELL = """
import datetime, sqlite3, sys, time
ask = "SELECT strftime('%s', 'now')"
for _line in sys.stdin:
    [[sqlite]] = sqlite3.connect(":memory:").execute(ask)
    date = datetime.datetime.now().timestamp()
    print(time.time(), date, sqlite, time.monotonic(), flush=True)
"""


def test_a_process_sees_another_time_that_jumps_while_it_runs(tmp_path: Path) -> None:
    clock = WallClock(tmp_path, "one")
    with subprocess.Popen(
        [sys.executable, "-c", TELL],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=clock.environment,
    ) as process:
        assert process.stdin
        assert process.stdout
        for seconds in (0, 90, -HOUR, HOUR):
            clock.set(seconds)
            print("now", file=process.stdin, flush=True)
            *walls, monotonic = map(float, process.stdout.readline().split())
            for wall in walls:
                assert wall - time.time() == pytest.approx(seconds, abs=5)
            assert monotonic == pytest.approx(time.monotonic(), abs=5)
        process.stdin.close()


def test_each_clock_is_its_own(tmp_path: Path) -> None:
    first, second = WallClock(tmp_path, "first"), WallClock(tmp_path, "second")
    first.set(90)
    told = [
        subprocess.run(
            [sys.executable, "-c", "import time; print(time.time())"],
            capture_output=True,
            text=True,
            env=clock.environment,
            check=True,
        ).stdout
        for clock in (first, second)
    ]
    assert float(told[0]) - float(told[1]) == pytest.approx(90, abs=5)


def test_a_machine_on_which_it_has_no_effect_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(WallClock, "set", lambda _clock, _seconds: None)
    with pytest.raises(RuntimeError, match="cannot be shifted"):
        WallClock(tmp_path, "one")


def test_a_machine_without_a_compiler_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wall_clock.shutil, "which", lambda _program: None)
    with pytest.raises(RuntimeError, match="apt-get install gcc"):
        WallClock(tmp_path, "one")
