"""The words of a schedule, for what must not need a database to know them."""

from __future__ import annotations

#: What makes the moments.
CRON, EVERY, AFTER, ONCE = "cron", "every", "after", "once"
KINDS = (CRON, EVERY, AFTER, ONCE)

#: What becomes of a moment on a day off.
RUN, SKIP, NEXT, PREVIOUS = "run", "skip", "next", "previous"
ON_DAY_OFF = (RUN, SKIP, NEXT, PREVIOUS)

#: What becomes of moments that passed while nothing decided them: SKIP, ONCE or ALL.
ALL = "all"
MISFIRES = (SKIP, ONCE, ALL)

#: What becomes of a moment that comes before the last job has ended.
ALLOW, QUEUE_ONE, QUEUE_ALL, CANCEL, STOP = (
    "allow",
    "queue_one",
    "queue_all",
    "cancel",
    "stop",
)
OVERLAPS = (ALLOW, SKIP, QUEUE_ONE, QUEUE_ALL, CANCEL, STOP)
