"""Django signals that tell other apps what happened to schedules.

A receiver runs in the scheduler or the recorder, between what these have to do: whatever
takes longer than a moment belongs into a job. What it raises is logged and stops nobody.
"""

from __future__ import annotations

from django.dispatch import Signal

#: A moment passed over a minute ago and nobody decided it. Sent once for each schedule and
#: moment, from whatever process sees it first: `schedule` (its name), `due_at` (the
#: moment) and `overdue_for` (a timedelta, since it should have run).
schedule_overdue = Signal()

#: Such a moment was decided after all: `schedule` and `due_at`.
schedule_caught_up = Signal()
