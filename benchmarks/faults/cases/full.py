"""A Redis that is full (R17)."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import redis
import rq
from rq.serializers import JSONSerializer

from benchmarks.faults import carriers, journal
from benchmarks.faults.catalog import Trial, scenario
from benchmarks.faults.flow import ask_for_all_runs, seconds_until
from benchmarks.faults.runner import unended
from benchmarks.faults.visitor import Visitor
from benchmarks.faults.yard import Yard
from tasks.errors import BrokerFull
from tasks.registry import DEFAULT_QUEUE

#: Bytes that Redis may take, and the share from which on submissions are refused.
MAXMEMORY, REFUSED_FROM = 20 << 20, 0.8

#: Bytes that each job carries, half of which Redis has to store.
LONG_LOAD, SHORT_LOAD = 200, 20_000

#: Jobs submitted by one call, requests at a full Redis, and seconds to drain it.
AT_ONCE, REQUESTS, DRAIN_WITHIN = 10, 20, 300

#: RQ forgets results after 500 s; then there is room again.
ROOM_WITHIN = 560

#: Seconds that RQ keeps what became of the stock client's jobs.
RESULT_TTL = 5

INSUFFICIENT_STORAGE = 507


@scenario(
    "R17",
    "Redis at maxmemory 20 MB, filled by submissions and a stock client, then drained",
    settings={"TASKYARD_TASKS": "benchmarks.faults.jobs,benchmarks.faults.carriers"},
    quiet_within=120,
    takes=700,
)
def fill_up(trial: Trial) -> None:
    yard = trial.yard
    yard.serve()
    visitor = Visitor.admit(yard)
    yard.redis.config_set("maxmemory", MAXMEMORY)
    load = trial.dice.randbytes(trial.choose(LONG_LOAD, SHORT_LOAD) // 2).hex()
    trial.facts["jobs until refused"] = submit_until_refused(yard, load)
    trial.ask("submissions are refused from, % of maxmemory", "≥", 75, _used(yard))
    trial.ask("submissions are refused from, % of maxmemory", "≤", 81, _used(yard))
    trial.facts["jobs of a stock client until refused"] = enqueue_until_oom(yard, load)
    trial.ask("full at the start of the workers, %", "≥", 99, _used(yard))
    statuses = _knock(visitor, load)
    trial.facts["answers at a full Redis"] = dict(statuses)
    refused = statuses[INSUFFICIENT_STORAGE]
    trial.ask(
        "REST submissions refused with 507, %", "≥", 100, 100 * refused / REQUESTS
    )
    _look_around(trial, visitor)
    began, accepted = time.monotonic(), journal.accepted()
    workers = [yard.worker() for _number in range(2)]
    seconds_until(lambda: not unended(accepted), DRAIN_WITHIN)
    drained = 100 * (1 - len(unended(accepted)) / len(accepted))
    trial.ask("drained, %", "≥", 100, drained)
    trial.facts["drained in, with the start of the workers, s"] = (
        time.monotonic() - began
    )
    trial.ask("workers that ended", "≤", 0, sum(not w.is_alive for w in workers))
    ask_for_all_runs(trial)
    if not trial.short:
        took = seconds_until(lambda: _is_accepted(yard, load), ROOM_WITHIN)
        trial.ask(
            "submissions are accepted again after", "≤", ROOM_WITHIN - 1, took, "s"
        )


def submit_until_refused(yard: Yard, load: str) -> int:
    """Submit until that is refused; returns how many jobs were accepted.

    Raises AssertionError where the refusal left anything behind, or never came.
    """
    from tasks.models import Job

    most = 2 * MAXMEMORY // len(load)
    for accepted in range(0, most, AT_ONCE):
        try:
            yard.submit([carriers.carry.s(load)] * AT_ONCE)
        except BrokerFull as error:
            _expect(Job.objects.count() == accepted, "a refused job has a row")
            _expect(bool(str(error)), "the refusal says nothing")
            return accepted
    raise AssertionError(f"{most} jobs were accepted")


def enqueue_until_oom(yard: Yard, load: str) -> int:
    """Have a stock client enqueue until Redis refuses; returns how many jobs it took."""
    queue = rq.Queue(DEFAULT_QUEUE, connection=yard.redis, serializer=JSONSerializer)
    count = 0
    while True:
        try:
            path = carriers.carry.task.path
            job = queue.enqueue(path, load, result_ttl=RESULT_TTL)
        except redis.OutOfMemoryError:
            return count
        journal.accept([job.id])
        count += 1


def _knock(visitor: Visitor, load: str) -> Counter[int]:
    """Try to submit by REST; returns how often each status was the answer."""
    body = {"task": carriers.carry.task.name, "args": {"load": load}}
    return Counter(visitor.post("/jobs", body).status for _number in range(REQUESTS))


def _look_around(trial: Trial, visitor: Visitor) -> None:
    """Ask that pages go on, and that the form is refused with a sentence."""
    name = carriers.carry.task.name
    seen = [visitor.get(path) for path in ("/", "/jobs/", "/queues/", "/workers/")]
    sent = visitor.post_form(
        f"/tasks/{name}/", f"/tasks/{name}/run/", **{"arg-load": "x"}
    )
    broken = [answer.status for answer in (*seen, sent) if answer.status >= 500]
    broken = [status for status in broken if status != INSUFFICIENT_STORAGE]
    trial.facts["the form's answer"] = sent.status
    trial.ask("forms that say why they are refused", "≥", 1, "maxmemory" in sent.text)
    trial.ask("pages that answer 5xx, but for 507", "≤", 0, len(broken))


def _is_accepted(yard: Yard, load: str) -> bool:
    try:
        yard.submit([carriers.carry.s(load)])
    except BrokerFull:
        time.sleep(1)
        return False
    return True


def _used(yard: Yard) -> float:
    info: Any = yard.redis.info("memory")
    return 100 * int(info["used_memory"]) / MAXMEMORY


def _expect(is_so: bool, problem: str) -> None:  # noqa: FBT001 - it is what is asked
    if not is_so:
        raise AssertionError(problem)
