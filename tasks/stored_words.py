"""Sentences of ours that the ledger keeps, and how a reader sees them.

Scripts in Redis and workers write them, which know nobody's language: they are stored in
English, by the error they belong to, and recognised where they are shown. What a task's
own code raised stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache

from tasks.text import gettext as _
from tasks.text import gettext_noop
from tasks.wording import PROBLEMS, TOO_MANY, TWICE

#: The error of an attempt whose task returned RQ's Retry; its message is that.
RETRY = "Retry"

# sweep.lua's words.
_LOST_LAST = gettext_noop(
    "worker %(worker)s stopped answering: death %(count)s within 72 hours"
)
_LOST = gettext_noop("worker %(worker)s stopped answering")
# claim.lua's.
_NO_HASH = gettext_noop("The key of the job is no hash.")
_NO_TEXT = gettext_noop("The id of the job is no text.")
_NO_NUMBER = gettext_noop("a count of the job is no number: %(value)s")

#: What RQ's readers are told of a job whose worker was lost.
WORKER_LOST = gettext_noop("the worker of the job stopped answering")

#: RQ's own words.
STOPPED = gettext_noop("Job stopped by user, work-horse terminated.")

TIMED_OUT = gettext_noop("the task ran longer than its timeout of %(seconds)s s")
MEMORY_EXCEEDED = gettext_noop(
    "the task held %(held)s of memory and was killed: its limit is %(limit)s"
)
OUTPUT_EXCEEDED = gettext_noop(
    "the task wrote more than %(limit)s of output, its limit"
)
ENDED_BY_SIGNAL = gettext_noop(
    "the child process was ended by signal %(number)s (%(name)s)"
)
ENDED_WITH_CODE = gettext_noop(
    "the child process ended with exit code %(code)s and without an answer"
)
UNSENDABLE = gettext_noop(
    "The end of the attempt could not be written; the worker's log says why."
)
NOT_REGISTERED = gettext_noop(
    "function %(path)s is not registered: decorate it with @task in a module"
    " that TASKYARD_TASKS names, or name its module in TASKYARD_RQ_MODULES"
)

NO_RESULT_JSON = gettext_noop("The return value cannot be written as JSON: %(error)s")
NO_RESULT_PICKLE = gettext_noop("The return value cannot be pickled: %(error)s")
RESULT_TOO_LARGE = gettext_noop(
    "The return value takes %(size)s MB as JSON; at most %(limit)s MB are"
    " kept. Write it to a file or a table and return its path or id."
)

NO_CALL_JSON = gettext_noop("The job's data is not a call in JSON: %(error)s")
NO_CALL = gettext_noop("The job's data is not the call of a function.")
CALL_TOO_LARGE = gettext_noop("The job's data unpacks to more than %(limit)s MB.")
NO_CALL_PICKLE = gettext_noop("The job cannot be unpickled: %(error)s")
PICKLED = gettext_noop(
    "The job is pickled, which this queue does not read:"
    " enqueue it with serializer=rq.serializers.JSONSerializer."
)
PICKLED_ARGUMENTS = gettext_noop(
    "The arguments are pickled: only a worker's child reads them."
)

VANISHED = gettext_noop("Redis lost the job while it ran.")
HOPELESS = gettext_noop("Redis lost it, and only Redis knew its arguments.")
REMOVED = gettext_noop("It was removed from Redis by another client.")
PARENT_REMOVED = gettext_noop(
    "Its parent %(id)s was removed from Redis by another client."
)

_UNREADABLE = (NO_CALL_JSON, NO_CALL, CALL_TOO_LARGE, NO_CALL_PICKLE)

#: What each error of ours may say; the longer of two that begin alike comes first.
SENTENCES: Mapping[str, Sequence[str]] = {
    "WorkerLost": (_LOST_LAST, _LOST, WORKER_LOST),
    "BrokenJob": (_NO_HASH, _NO_TEXT, _NO_NUMBER),
    "Stopped": (STOPPED,),
    "JobTimedOut": (TIMED_OUT,),
    "MemoryExceeded": (MEMORY_EXCEEDED,),
    "OutputExceeded": (OUTPUT_EXCEEDED,),
    "ProcessDied": (ENDED_BY_SIGNAL, ENDED_WITH_CODE),
    "Unsendable": (UNSENDABLE,),
    "FunctionNotRegistered": (NOT_REGISTERED,),
    "ResultUnusable": (NO_RESULT_JSON, NO_RESULT_PICKLE, RESULT_TOO_LARGE),
    "PayloadUnreadable": _UNREADABLE,
    "PayloadPickled": (PICKLED,),
    "RedisLostData": (VANISHED,),
    "Removed": (REMOVED, HOPELESS),
    "ParentRemoved": (PARENT_REMOVED,),
}

_NO_ARGUMENTS = (*_UNREADABLE, PICKLED, PICKLED_ARGUMENTS)

#: What may be wrong with an argument; "%(error)s" alone is a validator's own sentence.
_ARGUMENTS = (
    *dict.fromkeys(words for words in PROBLEMS.values() if words != "%(error)s"),
    *(TOO_MANY, TWICE),
)

#: A gap of an escaped sentence.
_GAP = re.compile(r"%\\\((\w+)\\\)s")


def word_error(error: str, message: str) -> str:
    """Return the message kept of an error, in the reader's language if it is ours."""
    return _word(SENTENCES.get(error, ()), message)


def word_unreadable(reason: str) -> str:
    """Return why a job's arguments cannot be shown, in the reader's language."""
    return _word(_NO_ARGUMENTS, reason)


def word_argument(problem: str) -> str:
    """Return what was wrong with an argument, in the reader's language if it is ours."""
    return _word(_ARGUMENTS, problem)


def word_last_line(line: str) -> str:
    """Return the last line of a traceback, which names the error, in the same way."""
    path, colon, message = line.partition(": ")
    if not colon:
        return _word((STOPPED,), line)
    return f"{path}: {word_error(path.rpartition('.')[2], message)}"


def _word(sentences: Sequence[str], text: str) -> str:
    for sentence in sentences:
        if found := _pattern(sentence).fullmatch(text):
            return _(sentence) % found.groupdict()
    return text


@cache
def _pattern(sentence: str) -> re.Pattern[str]:
    """Return what a sentence looks like whose gaps are filled."""
    pattern = _GAP.sub(r"(?P<\1>.*)", re.escape(sentence))
    return re.compile(pattern, re.DOTALL)
