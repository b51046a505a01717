from __future__ import annotations

import pytest

from tasks.errors import BrokerUnavailable
from tasks.outbox import Deferred


def test_a_redis_that_is_away_is_told_now_and_then(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ticks = iter([0.0, 5.0, 9.9, 10.0, 12.0])
    deferred = Deferred(ticks=lambda: next(ticks))
    for count in (1, 2, 3, 4, 5):
        deferred.add(count, BrokerUnavailable("away"))
    told = [record.message.split(" jobs")[0] for record in caplog.records]
    assert told == ["1", "9"]
