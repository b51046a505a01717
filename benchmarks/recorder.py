"""How many events per second the recorder writes into the ledger.

A worker first runs a burst of no-op jobs with no recorder beside it, so that all events
wait; then this process records them, with nothing else at work.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

from benchmarks import harness
from tasks.broker import upkeep

#: Seconds that the worker may take for the whole burst.
BURST_TIMEOUT = 120

#: What the ledger hears of one job: pushed, started, finished.
EVENTS_PER_JOB = 3


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recorder")
    parser.add_argument("--jobs", type=int, default=5_000, help="jobs a round (5000)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds (3)")
    options = parser.parse_args()
    with harness.workplace() as data:
        harness.print_facts()
        rates = [measure(data, options.jobs) for _number in range(options.rounds)]
    print(f"{options.jobs * EVENTS_PER_JOB} events of {options.jobs} jobs, each round:")
    print(
        f"  {statistics.median(rates):,.0f} events/s"
        f" (median of {len(rates)} rounds, {min(rates):,.0f} to {max(rates):,.0f})"
    )
    return 0


def measure(data: Path, jobs: int) -> float:
    """Return the events per second of one burst."""
    # These need Django, which the workplace has set up.
    from benchmarks.jobs import QUEUE, note_start_async
    from tasks import submit_many
    from tasks.recording import Recorder

    submit_many([note_start_async.s()] * jobs)
    expected = jobs * EVENTS_PER_JOB
    with harness.running(data, "worker", "manage.py", "worker", "--queues", QUEUE):
        harness.wait_until(
            lambda: upkeep.events_lag() >= expected, "the burst's end", BURST_TIMEOUT
        )
    recorder = Recorder()
    recorder.step()  # its first step makes the group of readers, or warms it up
    events = upkeep.events_lag()
    begun = time.perf_counter()
    while upkeep.events_lag():
        recorder.step()
    return events / (time.perf_counter() - begun)


if __name__ == "__main__":
    sys.exit(main())
