from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tasks.worker.family import (
    excess_of,
    family_of,
    kill_family,
    kill_group,
    resident_bytes,
)
from tests.conftest import wait_until
from tests.integration.conftest import is_running

MEGABYTE = 1024 * 1024

#: Holds 100 MB, which three forks of it share, and says when they are there.
SHARING = """
import os, time
held = b"x" * (100 * 1024 * 1024)
for number in range(3):
    if os.fork() == 0:
        sum(held[::4096])
        print("here", flush=True)
        time.sleep(3600)
time.sleep(3600)
"""

#: Starts a program in its own group and one in a session of its own, and names them.
SCATTERED = """
import subprocess, time
for apart in (False, True):
    print(subprocess.Popen(["sleep", "3600"], start_new_session=apart).pid, flush=True)
time.sleep(3600)
"""


@contextmanager
def running(program: str) -> Iterator[tuple[int, Iterator[str]]]:
    """Run a program that leads a group; gives its id and the lines that it prints."""
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )
    with process:
        assert process.stdout is not None
        try:
            yield process.pid, process.stdout
        finally:
            kill_family(process.pid)


def test_a_process_alone_is_its_family() -> None:
    with running("import time; time.sleep(3600)") as (pid, _lines):
        assert family_of(pid) == [pid]


def test_who_left_the_group_belongs_to_the_family_and_ends_with_it() -> None:
    with running(SCATTERED) as (pid, lines):
        others = [int(next(lines)), int(next(lines))]
        assert sorted(family_of(pid)) == sorted([pid, *others])
        kill_family(pid)
        wait_until(lambda: not any(map(is_running, [pid, *others])))


def test_a_group_ends_though_its_leader_is_gone() -> None:
    with running(SCATTERED) as (pid, lines):
        member, apart = int(next(lines)), int(next(lines))
        os.kill(pid, 9)
        wait_until(lambda: not is_running(pid))
        kill_group(pid)
        wait_until(lambda: not is_running(member))
        os.kill(apart, 9)


def test_who_is_gone_has_no_family_and_holds_nothing() -> None:
    with running("pass") as (pid, lines):
        assert list(lines) == []
        wait_until(lambda: not is_running(pid))
    with suppress(ProcessLookupError):
        kill_family(pid)
    assert (family_of(pid), excess_of(pid, 1)) == ([pid], 0)


def test_what_processes_share_counts_once() -> None:
    with running(SHARING) as (pid, lines):
        for _number in range(3):
            next(lines)
        members = family_of(pid)
        assert len(members) == 4
        assert sum(map(resident_bytes, members)) > 400 * MEGABYTE
        assert excess_of(pid, 200 * MEGABYTE) == 0
        held = excess_of(pid, 50 * MEGABYTE)
        assert 100 * MEGABYTE < held < 200 * MEGABYTE
