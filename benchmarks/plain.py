"""The function that the stock worker runs.

It stands alone: each of the stock worker's forks imports this module anew, and what else
the module imported would count as the fork's time.
"""

from __future__ import annotations

import time


def note_start() -> int:
    """Return when the first line ran, in nanoseconds of the wall clock."""
    return time.time_ns()
