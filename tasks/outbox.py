"""Pushes accepted jobs after their rows are committed; the scheduler pushes what is left."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from tasks.broker import push as broker_push
from tasks.broker.wire import Envelope
from tasks.errors import BrokerUnavailable

logger = logging.getLogger(__name__)

#: Seconds between two warnings that jobs are pushed later.
WARN_EVERY = 10.0


@dataclass
class Deferred:
    """Warns of jobs that are pushed later, at once and then every ten seconds."""

    ticks: Callable[[], float] = time.monotonic
    _count: int = 0
    _warned_at: float = float("-inf")

    def add(self, count: int, error: BrokerUnavailable) -> None:
        self._count += count
        now = self.ticks()
        if now - self._warned_at < WARN_EVERY:
            return
        text = "%s jobs are accepted and will be pushed when Redis answers: %s"
        logger.warning(text, self._count, error, extra={"action": "push_deferred"})
        self._count, self._warned_at = 0, now


_deferred = Deferred()


def push_after_commit(
    envelopes: Sequence[Envelope], parents: Mapping[str, str]
) -> None:
    """Have jobs pushed once this transaction is committed; `parents` are their states."""
    # Deferred: the ledger needs Django, which a worker host may not have set up.
    from django.db import transaction

    transaction.on_commit(partial(_push, envelopes, parents))


def _push(envelopes: Sequence[Envelope], parents: Mapping[str, str]) -> None:
    try:
        broker_push.push(envelopes, parents)
    except BrokerUnavailable as error:
        _deferred.add(len(envelopes), error)
