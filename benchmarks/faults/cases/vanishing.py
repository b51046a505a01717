"""Redis keys that vanish one by one, whatever they are (R12)."""

from __future__ import annotations

import re
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from benchmarks.faults import jobs
from benchmarks.faults.catalog import Trial, scenario
from benchmarks.faults.flow import Flow, ask_for_all_runs
from benchmarks.faults.yard import Yard
from tasks.registry import Call

#: Seconds between two deletions.
EVERY = 0.2

#: What our keys and RQ's begin with.
OURS = ("rq:*", "taskyard:*")

#: A job's id, an execution's, or a worker's name in a key.
_NAME = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{32}|worker-\d+")


@scenario(
    "R12",
    "one of RQ's or our Redis keys deleted at random each 200 ms for 60 s",
    forgetful=True,
    takes=150,
)
def delete_keys(trial: Trial) -> None:
    yard, dice = trial.yard, trial.dice
    yard.serve(schedulers=2)
    for _number in range(2):
        yard.worker("--concurrency", "20", "--children", "2")
    kinds: Counter[str] = Counter()
    with Flow(yard, _call, trial.choose(60, 30)):
        until = time.monotonic() + trial.choose(60, 8)
        while time.monotonic() < until:
            by_kind = _keys(yard)
            kind = dice.choice(sorted(by_kind))
            yard.redis.delete(dice.choice(by_kind[kind]))
            kinds[kind] += 1
            time.sleep(EVERY)
    trial.facts["keys deleted"] = dict(kinds.most_common())
    ask_for_all_runs(trial)


def _call(number: int) -> Call:
    """Return mostly short jobs, and some that hold a lease for a while."""
    if number % 20 == 0:
        return jobs.last.s(0.5)
    if number % 20 == 10:
        return jobs.last_async.s(2.0)
    return (jobs.brief if number % 2 else jobs.brief_async).s()


def _keys(yard: Yard) -> Mapping[str, Sequence[bytes]]:
    """Return all keys by their kind, so that the few of one are hit as often as others."""
    kinds: dict[str, list[bytes]] = defaultdict(list)
    for pattern in OURS:
        for key in yard.redis.scan_iter(pattern, count=1_000):
            kinds[_NAME.sub("*", key.decode(errors="replace"))].append(key)
    return {kind: sorted(found) for kind, found in kinds.items()}
