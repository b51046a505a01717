from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tasks.errors import ConfigurationError
from tasks.supervisor import supervisor as supervisor_module
from tasks.supervisor.console import Console
from tasks.supervisor.program import Program
from tasks.supervisor.supervisor import Supervisor
from tests.conftest import wait_until
from tests.tasks.supervisor.programs import (
    STUBBORN,
    Screen,
    is_gone,
    polite,
    program,
    until,
)


def test_the_highest_stage_stops_first(tmp_path: Path) -> None:
    log = tmp_path / "log"
    screen = Screen()

    async def main() -> None:
        supervisor = Supervisor(Console(screen))
        for stage, name in ((2, "web"), (0, "recorder"), (1, "worker")):
            await supervisor.start(polite(name, log, stage=stage))
        await until(lambda: screen.getvalue().count("ready") == 3)
        await supervisor.stop()

    asyncio.run(main())
    assert log.read_text().split() == ["web", "worker", "recorder"]


def test_a_signal_asks_for_the_end() -> None:
    screen = Screen()

    async def main() -> None:
        supervisor = Supervisor(Console(screen))
        supervisor.watch_signals()
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(supervisor.stop_requested.wait(), 5)
        assert not supervisor.was_killed

    asyncio.run(main())
    assert screen.has("Stopping in order")


def test_a_second_signal_kills_everything_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(supervisor_module, "ECHO", 0)
    screen = Screen()

    async def main() -> None:
        supervisor = Supervisor(Console(screen))
        supervisor.watch_signals()
        await supervisor.start(program("worker", STUBBORN, grace=600))
        await until(lambda: screen.has("ready"))
        os.kill(os.getpid(), signal.SIGINT)
        await supervisor.stop_requested.wait()
        stopping = asyncio.create_task(supervisor.stop())
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.wait_for(stopping, 5)
        assert supervisor.was_killed

    asyncio.run(main())


def test_the_echo_of_a_signal_kills_nothing() -> None:
    async def main() -> None:
        supervisor = Supervisor(Console(Screen()))
        supervisor.request_stop()
        supervisor.request_stop()
        assert supervisor.stop_requested.is_set()
        assert not supervisor.was_killed

    asyncio.run(main())


def test_a_program_that_cannot_be_executed_is_named() -> None:
    async def main() -> None:
        await Supervisor(Console(Screen())).start(Program("x", ("/nonexistent/x",)))

    with pytest.raises(
        ConfigurationError,
        match=r"^/nonexistent/x cannot be executed: No such file or directory$",
    ):
        asyncio.run(main())


SUPERVISOR = """
    import asyncio, sys
    from tasks.supervisor.console import Console
    from tasks.supervisor.program import Program
    from tasks.supervisor.supervisor import Supervisor

    async def main():
        supervisor = Supervisor(Console(sys.stdout))
        code = "import os, time; print('pid', os.getpid(), flush=True); time.sleep(600)"
        await supervisor.start(Program("x", (sys.executable, "-c", code)))
        await supervisor.stop_requested.wait()

    asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's help is Linux's")
def test_children_die_with_a_supervisor_that_is_killed() -> None:
    supervisor = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(SUPERVISOR)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert supervisor.stdout
    with supervisor.stdout as output:
        child = int(output.readline().split()[-1])
        supervisor.kill()
        supervisor.wait()
        wait_until(lambda: is_gone(child))
