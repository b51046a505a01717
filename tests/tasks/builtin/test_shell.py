from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import uvloop

from tasks.builtin.shell import run_command
from tasks.errors import InvalidArguments, TaskFailed
from tests.conftest import wait_until
from tests.tasks.builtin.conftest import Configure

#: Starts a grandchild, notes its pid in the file of the first argument and waits.
FAMILY = """
import subprocess, sys
child = subprocess.Popen(["sleep", "600"])
open(sys.argv[1], "w").write(str(child.pid))
child.wait()
"""


@pytest.fixture(autouse=True)
def allowed(configure: Configure) -> None:
    configure(TASKYARD_SHELL="1")


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop])
def run(request: pytest.FixtureRequest) -> Any:
    def run_in_loop(command: list[str], **options: Any) -> dict[str, Any]:
        with asyncio.Runner(loop_factory=request.param) as runner:
            return runner.run(run_command(command, **options))

    return run_in_loop


def is_alive(pid: int) -> bool:
    try:
        return b"State:\tZ" not in Path(f"/proc/{pid}/status").read_bytes()
    except FileNotFoundError:
        return False


def pid_in(file: Path) -> int:
    return int(wait_until(lambda: file.exists() and file.read_text()))


def test_it_is_off_unless_the_setting_allows_it(configure: Configure, run: Any) -> None:
    configure(TASKYARD_SHELL="")
    with pytest.raises(TaskFailed, match="TASKYARD_SHELL=1"):
        run(["true"])


def test_it_returns_output_and_exit_code(run: Any) -> None:
    result = run([sys.executable, "-c", "import sys; print(1); sys.stderr.write('2')"])
    assert result["exit_code"] == 0
    assert sorted(result["output"].split()) == ["1", "2"]
    assert not result["output_cut"]


def test_no_shell_reads_the_arguments(run: Any) -> None:
    assert run(["echo", "$HOME; *", "|"])["output"] == "$HOME; * |\n"


def test_a_command_in_one_line_is_explained(run: Any) -> None:
    with pytest.raises(TaskFailed, match="arguments one by one"):
        run(["echo hello"])


def test_a_string_is_refused() -> None:
    with pytest.raises(InvalidArguments, match="must be a list"):
        asyncio.run(run_command("echo hello"))  # type: ignore[arg-type]


def test_another_exit_code_fails_with_the_end_of_the_output(run: Any) -> None:
    with pytest.raises(TaskFailed, match=r"exit code 3; .* output: no luck"):
        run(["sh", "-c", "echo no luck; exit 3"])
    result = run(["sh", "-c", "exit 3"], allow_failure=True)
    assert result["exit_code"] == 3


def test_a_signal_is_named(run: Any) -> None:
    with pytest.raises(TaskFailed, match="was ended by SIGSEGV"):
        run(["sh", "-c", "kill -SEGV $$"])


def test_long_output_is_cut_and_says_so(run: Any) -> None:
    result = run(["sh", "-c", "echo first; seq 1000000; echo last"])
    assert result["output_cut"]
    assert result["output_bytes"] > 6_000_000
    assert len(result["output"]) < 20_000
    assert result["output"].startswith("first\n")
    assert result["output"].endswith("\nlast\n")
    assert "left out" in result["output"]


def test_a_timeout_kills_the_whole_group(tmp_path: Path, run: Any) -> None:
    noted = tmp_path / "pid"
    with pytest.raises(TaskFailed, match=r"did not end within 1 s and was killed"):
        run([sys.executable, "-c", FAMILY, str(noted)], timeout_seconds=1)
    wait_until(lambda: not is_alive(pid_in(noted)))


def test_a_command_that_ignores_sigterm_is_killed(tmp_path: Path, run: Any) -> None:
    noted = tmp_path / "pid"
    stubborn = "trap '' TERM; echo $$ > $0; while true; do sleep 0.1; done"
    with pytest.raises(TaskFailed, match="was killed"):
        run(["sh", "-c", stubborn, str(noted)], timeout_seconds=0.5)
    wait_until(lambda: not is_alive(pid_in(noted)))


def test_stopping_the_job_kills_the_whole_group(tmp_path: Path) -> None:
    noted = tmp_path / "pid"

    async def stop() -> None:
        command = [sys.executable, "-c", FAMILY, str(noted)]
        running = asyncio.ensure_future(run_command(command))
        while not (noted.exists() and noted.read_text()):
            await asyncio.sleep(0.01)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(stop())
    wait_until(lambda: not is_alive(pid_in(noted)))


def test_what_a_command_leaves_behind_does_not_hold_the_job(
    tmp_path: Path, run: Any
) -> None:
    noted = tmp_path / "pid"
    result = run(["sh", "-c", "sleep 600 & echo $! > $0; echo done", str(noted)])
    assert result["output"] == "done\n"
    assert result["seconds"] < 600
    wait_until(lambda: not is_alive(pid_in(noted)))


def test_a_command_ends_with_its_worker(tmp_path: Path) -> None:
    noted = tmp_path / "pid"
    code = (
        "import asyncio; from tasks.builtin.shell import run_command;"
        f"asyncio.run(run_command(['sh', '-c', 'echo $$ > {noted}; exec sleep 600']))"
    )
    worker = subprocess.Popen(
        [sys.executable, "-c", code], env={**os.environ, "TASKYARD_SHELL": "1"}
    )
    pid = pid_in(noted)
    worker.kill()
    worker.wait()
    wait_until(lambda: not is_alive(pid))


def test_passwords_of_ours_are_not_inherited(
    monkeypatch: pytest.MonkeyPatch, run: Any
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:geheim@h/d")
    assert "geheim" not in run(["env"])["output"]


def test_a_missing_folder_is_named(tmp_path: Path, run: Any) -> None:
    with pytest.raises(TaskFailed, match="gone is no folder"):
        run(["true"], folder=tmp_path / "gone")


def test_binary_output_can_be_kept_everywhere(run: Any) -> None:
    output = run(["printf", r"a\000\377\033[31mb"])["output"]
    assert output == "a\ufffdb"


def test_commands_do_not_hold_the_loop() -> None:
    async def both() -> int:
        run = [run_command(["sleep", "0.3"]) for _ in range(5)]
        return len(await asyncio.gather(*run))

    assert asyncio.run(both()) == 5
    assert threading.active_count() < 20
