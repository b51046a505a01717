from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tasks.supervisor import child as child_module
from tasks.supervisor.child import Child
from tasks.supervisor.console import Console
from tasks.supervisor.program import Program
from tests.tasks.supervisor.programs import (
    STUBBORN,
    Screen,
    is_gone,
    polite,
    program,
    until,
)


def watch(made: Program, act: Callable[[Child, Screen], Awaitable[None]]) -> str:
    """Run `act` on a started child, stop it, and return all that it said."""
    screen = Screen()

    async def main() -> None:
        child = Child(made, Console(screen))
        await child.start()
        try:
            await act(child, screen)
        finally:
            child.kill()
            await child.stop()

    asyncio.run(main())
    return screen.getvalue()


def test_its_lines_carry_its_name() -> None:
    code = "import sys; print('out'); print('err', file=sys.stderr); input()"

    async def act(child: Child, screen: Screen) -> None:
        await until(lambda: screen.has("| out") and screen.has("| err"))

    said = watch(program("web", code), act)
    assert "web       | out\n" in said


def test_lines_that_say_nothing_are_hidden() -> None:
    chatty = (
        sys.executable,
        "-c",
        "print('small talk'); print('news'); import time; time.sleep(60)",
    )
    made = Program(
        "x", chatty, {**os.environ, "PYTHONUNBUFFERED": "1"}, hidden=("small",)
    )

    async def act(child: Child, screen: Screen) -> None:
        await until(lambda: screen.has("news"))

    assert "small talk" not in watch(made, act)


def test_a_secret_reaches_its_standard_input() -> None:
    code = (
        sys.executable,
        "-c",
        "import time; print(input()[::-1], flush=True); time.sleep(60)",
    )

    async def act(child: Child, screen: Screen) -> None:
        await until(lambda: screen.has("terces"))

    watch(Program("x", code, stdin=b"secret\n"), act)


def test_it_starts_again_after_a_death(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(child_module, "restart_delay", lambda deaths: 0.01 * deaths)

    async def act(child: Child, screen: Screen) -> None:
        await until(lambda: screen.has("ready"))
        first = child.pid
        assert first
        os.kill(first, signal.SIGKILL)
        await until(lambda: screen.getvalue().count("ready") == 2)
        assert child.pid not in (None, first)

    said = watch(polite("web", tmp_path / "log"), act)
    assert "web       | was ended by SIGKILL; starts again in 0.01 s\n" in said


def test_its_end_is_told_by_the_name_of_its_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Which the process knows, and no other does."""
    monkeypatch.setattr(child_module, "restart_delay", lambda deaths: 0.01)
    code = "import os; print('start', os.environ['TASKYARD_START'], flush=True)"
    ended: list[str] = []

    async def act(child: Child, screen: Screen) -> None:
        await until(lambda: len(ended) >= 2)

    said = watch(program("web", code, ended=ended.append), act)
    assert len(set(ended)) == len(ended)
    assert [line.split()[-1] for line in said.splitlines() if "start " in line][
        :2
    ] == ended[:2]


def test_a_restart_does_not_wait_for_who_cannot_be_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(child_module, "restart_delay", lambda deaths: 0.01)

    def refuse(_start: str) -> None:
        raise ConnectionError("Redis is away")

    async def act(child: Child, screen: Screen) -> None:
        await until(lambda: screen.getvalue().count("again") >= 2)

    said = watch(program("web", "raise SystemExit(3)", ended=refuse), act)
    assert "its end could not be told: Redis is away" in said


def test_one_that_is_asked_to_stop_dies_no_death(tmp_path: Path) -> None:
    ended: list[str] = []

    async def act(child: Child, screen: Screen) -> None:
        await until(lambda: screen.has("ready"))
        await child.stop()

    watch(polite("web", tmp_path / "log", ended=ended.append), act)
    assert ended == []


def test_deaths_in_a_row_wait_longer_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child_module, "restart_delay", lambda deaths: 0.01 * deaths)

    async def act(child: Child, screen: Screen) -> None:
        await until(
            lambda: screen.has("ended with exit code 3; starts again in 0.03 s")
        )

    said = watch(program("web", "raise SystemExit(3)"), act)
    assert said.index("in 0.01 s") < said.index("in 0.02 s") < said.index("in 0.03 s")


def test_its_last_words_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child_module, "restart_delay", lambda deaths: 60)

    async def act(child: Child, screen: Screen) -> None:
        await until(lambda: screen.has("starts again"))

    said = watch(program("web", "print('no end of line', end='')"), act)
    assert said.index("no end of line") < said.index("starts again")


def test_it_is_stopped_politely(tmp_path: Path) -> None:
    async def act(child: Child, screen: Screen) -> None:
        await until(lambda: screen.has("ready"))
        await child.stop()
        assert child.pid is None

    said = watch(polite("web", tmp_path / "log"), act)
    assert "bye" in said
    assert "starts again" not in said
    assert (tmp_path / "log").read_text() == "web\n"


def test_it_is_killed_when_its_grace_is_over() -> None:
    async def act(child: Child, screen: Screen) -> None:
        await until(lambda: screen.has("ready"))
        await child.stop()
        assert child.pid is None

    said = watch(program("web", STUBBORN, grace=0.05), act)
    assert "did not end within 0.05 s and is killed" in said


def test_it_can_be_stopped_while_it_waits_to_start_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(child_module, "restart_delay", lambda deaths: 60)

    async def act(child: Child, screen: Screen) -> None:
        await until(lambda: screen.has("starts again in 60 s"))
        await asyncio.wait_for(child.stop(), 5)

    watch(program("web", "raise SystemExit(1)"), act)


def test_what_it_started_goes_with_it() -> None:
    code = (
        "import subprocess, time;"
        "child = subprocess.Popen(['sleep', '600']);"
        "print('grandchild', child.pid, flush=True); time.sleep(600)"
    )
    seen: list[int] = []

    async def act(child: Child, screen: Screen) -> None:
        await until(
            lambda: screen.has("grandchild") and screen.getvalue().endswith("\n")
        )
        seen.append(int(screen.getvalue().split()[-1]))
        await child.stop()
        await until(lambda: is_gone(seen[0]))

    watch(program("web", code), act)
    assert seen


def test_a_program_that_is_not_there_is_an_error() -> None:
    async def main() -> None:
        await Child(Program("x", ("/nonexistent/x",)), Console(Screen())).start()

    with pytest.raises(FileNotFoundError):
        asyncio.run(main())
