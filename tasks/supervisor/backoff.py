"""How long to wait before a process that died starts again."""

from __future__ import annotations

#: Seconds before the first restart; each further one in a row waits twice as long.
FIRST_DELAY = 0.5

#: Seconds that no restart waits longer than.
LONGEST_DELAY = 30.0

#: A process that ran for so many seconds had started well, and whatever killed it came
#: later: its count begins anew.
STEADY_AFTER = 5.0


def count_deaths(earlier: int, ran_for: float) -> int:
    """Return the deaths in a row, with the one after `ran_for` seconds."""
    return 1 if ran_for >= STEADY_AFTER else earlier + 1


def restart_delay(deaths: int) -> float:
    """Return the seconds to wait after so many deaths in a row (1 or more)."""
    # The exponent is bounded, so that a thousand deaths do not overflow the float.
    return min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(deaths - 1, 16))
