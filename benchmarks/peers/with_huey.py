from __future__ import annotations

import os

from huey import RedisHuey

from benchmarks import marks

huey = RedisHuey("benchmark", url=os.environ["REDIS_URL"])
TASKS = {name: huey.task(name=name)(getattr(marks, name)) for name in ("mark", "note")}


def enqueue(name: str, number: int) -> None:
    TASKS[name](number)
