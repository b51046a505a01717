"""Measures the memory that a task takes on large input, in a process of its own."""

from __future__ import annotations

import subprocess
import sys

_MEASURE = """
import resource
{imports}
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
before = peak()
{call}
print(peak() - before)
"""


def growth_in_mb(imports: str, call: str) -> int:
    """Return by how many MB the process grew beyond what its imports take."""
    run = subprocess.run(
        [sys.executable, "-c", _MEASURE.format(imports=imports, call=call)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return int(run.stdout.split()[-1])
