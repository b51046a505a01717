from __future__ import annotations

import os

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from benchmarks import marks

dramatiq.set_broker(RedisBroker(url=os.environ["REDIS_URL"]))
ACTORS = {
    name: dramatiq.actor(getattr(marks, name), actor_name=name)
    for name in ("mark", "note")
}


def enqueue(name: str, number: int) -> None:
    ACTORS[name].send(number)
