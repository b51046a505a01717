"""Is anything wrong? Each rule looks at the facts and returns what needs a person.

Worst first; nothing found means that nothing is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from tasks import broker_rules, ledger_rules, schedule_rules
from tasks.broker.snapshot import Snapshot
from tasks.concerns import ORDER, Concern
from tasks.pauses import current_pauses


def judge(snapshot: Snapshot | None, now: datetime) -> list[Concern]:
    """Return what needs attention, worst first; without a snapshot, by the ledger only."""
    concerns = [*_judge_ledger(snapshot, now)]
    if snapshot is not None:
        concerns += _judge_broker(snapshot, now)
    order = {kind: place for place, kind in enumerate(ORDER)}
    return sorted(concerns, key=lambda concern: order[type(concern)])


def _judge_ledger(snapshot: Snapshot | None, now: datetime) -> Iterator[Concern]:
    yield from ledger_rules.lost_data()
    yield from ledger_rules.lost_workers(snapshot, now)
    yield from ledger_rules.spooled_results()
    yield from ledger_rules.jobs_set_aside()
    yield from ledger_rules.failing_tasks(now)
    yield from ledger_rules.blocked_forever()
    yield from schedule_rules.overdue_schedules(now)
    yield from schedule_rules.refused_schedules()


def _judge_broker(snapshot: Snapshot, now: datetime) -> Iterator[Concern]:
    yield from schedule_rules.unserved_schedules(snapshot, now)
    pauses = current_pauses(now)
    yield from broker_rules.paused_queues(snapshot, pauses)
    # That jobs of a paused queue wait is no news, nor that nobody takes them.
    free = tuple(queue for queue in snapshot.queues if queue.name not in pauses)
    judged = replace(snapshot, queues=free)
    for rule in broker_rules.RULES:
        yield from rule(judged)
