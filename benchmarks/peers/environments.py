"""The peers' virtual environments: three, for their redis-py pins exclude one another.

They are made with uv on first use, in the project's data folder, and kept.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

from tasks.conf import PROJECT_ROOT

FOLDER = PROJECT_ROOT / "data" / "benchmarks"


def programs(name: str) -> Path:
    """Return the folder of an environment's programs; "" is the one that runs this."""
    if not name:
        return Path(sys.executable).parent
    environment = FOLDER / f"peers-{name}"
    wanted = Path(__file__).with_name(f"requirements-{name}.txt")
    installed = environment / "installed.txt"
    if not installed.exists() or installed.read_text() != wanted.read_text():
        _make(environment, wanted)
        shutil.copyfile(wanted, installed)
    return environment / "bin"


def versions() -> str:
    """Return what is pinned of the peers."""
    pinned = {
        line.replace("==", " ")
        for path in sorted(Path(__file__).parent.glob("requirements-*.txt"))
        for line in path.read_text().split()
        if "==" in line
    }
    return ", ".join(sorted(pinned))


def _make(environment: Path, wanted: Path) -> None:
    print(f"Making {environment} …", flush=True)
    python = str(environment / "bin" / "python")
    for command in (
        ("venv", "--clear", "--python", sys.executable, str(environment)),
        ("pip", "install", "--python", python, "--requirement", str(wanted)),
    ):
        subprocess.run([*_uv(), "--quiet", *command], check=True)


def _uv() -> list[str]:
    if importlib.util.find_spec("uv"):
        return [sys.executable, "-m", "uv"]
    found = shutil.which("uv")
    if found is None:
        raise SystemExit("Peers need uv: pip install -r benchmarks/requirements.txt")
    return [found]
