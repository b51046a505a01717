"""RQ's own scheduler, alone: what `rq worker --with-scheduler` runs beside its jobs.

python -m benchmarks.peers.with_rq_own QUEUE...
"""

from __future__ import annotations

import os
import sys

from redis import Redis
from rq.scheduler import RQScheduler

if __name__ == "__main__":
    scheduler = RQScheduler(
        sys.argv[1:], Redis.from_url(os.environ["REDIS_URL"]), logging_level="WARNING"
    )
    scheduler.acquire_locks()
    scheduler.work()
