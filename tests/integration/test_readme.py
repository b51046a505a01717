"""What the README shows, done as it is written there."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.conf import PROJECT_ROOT
from tests.integration.test_up import PATIENCE, Up, environment
from tests.ledgers import Ledger

pytestmark = pytest.mark.integration

README = (PROJECT_ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[tuple[Up, Path]]:
    """Taskyard, started from a folder with the README's own jobs.py."""
    (tmp_path / "jobs.py").write_text(blocks("python")[0])
    up = Up(Ledger(tmp_path / "data"), "--workers", "1", tasks="jobs")
    up.wait_until_said("Taskyard runs at")
    yield up, tmp_path
    up.end()


def manage(up: Up, folder: Path, *words: str, text: str | None = None) -> str:
    done = subprocess.run(
        [sys.executable, str(PROJECT_ROOT / "manage.py"), *words],
        cwd=folder,
        env=environment(TASKYARD_DATA=str(up.data), TASKYARD_TASKS="jobs"),
        input=text,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    return done.stdout


def test_the_readme_s_task_runs_by_every_way_it_shows(
    installation: tuple[Up, Path],
) -> None:
    up, folder = installation
    line = blocks("sh")[1].splitlines()[0]
    words = shlex.split(line.partition("manage.py ")[2])
    assert words[0] == "submit"
    assert "hello Ada" in manage(up, folder, *words)
    shown = blocks("python")[1]
    assert "job.result" in shown
    script = shown.replace("job.result", "print(job.result", 1).replace(")  #", "))  #")
    assert "hello Ada" in manage(up, folder, "shell", "-c", script)
