"""The options of a submission, checked before anything is written."""

from __future__ import annotations

import math
import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tasks.broker.wire import LONGEST_BACKOFF, NO_TIMEOUT
from tasks.errors import InvalidOption
from tasks.registry import Task
from tasks.text import gettext as _

#: RQ accepts no other characters in an id.
JOB_ID = re.compile(r"[A-Za-z0-9_-]{1,255}\Z")

#: Commas and blanks would break RQ's list of a worker's queues.
QUEUE_NAME = re.compile(r"[^\s,\x00-\x1f]{1,200}\Z")

MOST_RETRIES = 100
MOST_PARENTS = 1_000
MOST_TAGS = 20
LONGEST_TAG = 50
LONGEST_TIMEOUT = 30 * 24 * 3600
LONGEST_DELAY = 10 * 365 * 24 * 3600
LONGEST_DESCRIPTION = 1_000
LONGEST_KEY = 255


@dataclass(frozen=True)
class Options:
    """What a submission asks for beside the task and its arguments, as it was given.

    The fields are whatever a caller gave; the methods check them and name the one that
    cannot work (InvalidOption).
    """

    id: object = None
    queue: object = None
    delay: object = None
    at: object = None
    depends_on: object = ()
    allow_failure: object = False
    at_front: object = False
    retries: object = None
    backoff: object = None
    timeout: object = None
    tags: object = ()
    idempotency_key: object = None
    description: object = None

    def checked_id(self) -> str:
        if self.id is None:
            return str(uuid.uuid4())
        if not isinstance(self.id, str) or not JOB_ID.match(self.id):
            raise InvalidOption(
                "id", _("only letters, digits, - and _ are allowed, at most 255")
            )
        return self.id

    def checked_queue(self, task: Task) -> str:
        queue = task.queue if self.queue is None else self.queue
        if not isinstance(queue, str) or not QUEUE_NAME.match(queue):
            raise InvalidOption(
                "queue", _("a name of 1 to 200 characters, without blanks and commas")
            )
        return queue

    def due_at(self, now: datetime) -> datetime | None:
        """Return the moment before which the job must not start, if there is one."""
        if self.delay is not None and self.at is not None:
            raise InvalidOption("delay", _("give either a delay or a moment, not both"))
        if self.at is not None:
            return self._checked_at(now)
        if self.delay is None:
            return None
        seconds = _seconds(self.delay)
        if not 0 <= seconds <= LONGEST_DELAY:
            raise InvalidOption("delay", _("must lie between 0 s and ten years"))
        return now + timedelta(seconds=seconds) if seconds else None

    def _checked_at(self, now: datetime) -> datetime:
        if not isinstance(self.at, datetime) or self.at.tzinfo is None:
            raise InvalidOption("at", _("must be a moment with its zone, like +00:00"))
        problem = _("must lie within the next ten years")
        try:
            at = self.at.astimezone(UTC)
        except OverflowError as error:
            raise InvalidOption("at", problem) from error
        if at - now > timedelta(seconds=LONGEST_DELAY):
            raise InvalidOption("at", problem)
        return at

    def checked_retries(self, task: Task) -> int:
        retries = task.retries if self.retries is None else self.retries
        return _whole("retries", retries, 0, MOST_RETRIES)

    def checked_backoff(self, task: Task) -> float:
        backoff = task.backoff if self.backoff is None else self.backoff
        is_number = isinstance(backoff, int | float) and not isinstance(backoff, bool)
        seconds = float(backoff) if is_number else math.nan  # type: ignore[arg-type]
        if not 0 <= seconds <= LONGEST_BACKOFF:
            raise InvalidOption(
                "backoff",
                _("must lie between 0 and %(most)s seconds")
                % {"most": f"{LONGEST_BACKOFF:,.0f}"},
            )
        return seconds

    def checked_timeout(self, task: Task) -> int:
        timeout = task.timeout if self.timeout is None else self.timeout
        if timeout == NO_TIMEOUT:
            return NO_TIMEOUT
        return _whole("timeout", timeout, 1, LONGEST_TIMEOUT)

    def checked_tags(self, task: Task) -> list[str]:
        if isinstance(self.tags, str) or not isinstance(self.tags, Iterable):
            raise InvalidOption("tags", _("must be a list of words"))
        given = [*task.tags, *self.tags]
        good = all(
            isinstance(tag, str) and 0 < len(tag) <= LONGEST_TAG for tag in given
        )
        tags = list(dict.fromkeys(given)) if good else []
        if not good or len(tags) > MOST_TAGS:
            raise InvalidOption("tags", _("at most 20 words of at most 50 characters"))
        return tags

    def parents(self) -> list[str]:
        listed = self.depends_on
        if isinstance(listed, str) or not isinstance(listed, Iterable):
            listed = [listed]
        parents = list(dict.fromkeys(str(getattr(one, "id", one)) for one in listed))
        if len(parents) > MOST_PARENTS:
            raise InvalidOption("depends_on", _("at most 1,000 jobs"))
        if self.id in parents:
            raise InvalidOption("depends_on", _("a job cannot wait for itself"))
        return parents

    def checked_key(self) -> str | None:
        key = self.idempotency_key
        if key is None or (isinstance(key, str) and 0 < len(key) <= LONGEST_KEY):
            return key
        raise InvalidOption("idempotency_key", _("must be 1 to 255 characters"))

    def checked_description(self) -> str:
        description = self.description or ""
        if not isinstance(description, str) or len(description) > LONGEST_DESCRIPTION:
            raise InvalidOption("description", _("must be at most 1,000 characters"))
        return description


def _seconds(delay: object) -> float:
    if isinstance(delay, timedelta):
        return delay.total_seconds()
    if isinstance(delay, bool) or not isinstance(delay, int | float):
        raise InvalidOption("delay", _("must be a number of seconds"))
    return float(delay)


def _whole(option: str, value: object, least: int, most: int) -> int:
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole or not least <= value <= most:  # type: ignore[operator]
        raise InvalidOption(
            option,
            _("must be a whole number from %(least)s to %(most)s")
            % {"least": f"{least:,}", "most": f"{most:,}"},
        )
    return value  # type: ignore[return-value]
