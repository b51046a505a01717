"""Why a due moment became what it did, in the reader's language."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from tasks.errors import InvalidArguments, PayloadTooLarge, TaskNotRegistered
from tasks.models import Fire
from tasks.models.fire import Verdict
from tasks.schedules.drafts import SUPERSEDED
from tasks.schedules.misfire import POLICY, STANDS_FOR, TOO_MANY, TOO_OLD
from tasks.schedules.refusals import ARGUMENTS, SIZE, TASK
from tasks.schedules.unknown_tasks import word_unknown_to_scheduler
from tasks.schedules.zones import zone_names
from tasks.stored_words import word_argument
from tasks.text import gettext as _
from tasks.text import gettext_noop, join_sentences

_MISSED = gettext_noop("No scheduler decided it in time.")

#: The sentences of reasons that say more than the verdict.
_BY_REASON: dict[str, tuple[str, ...]] = {
    POLICY: (_MISSED, gettext_noop("The schedule skips what was missed.")),
    STANDS_FOR: (_MISSED, gettext_noop("The newest one ran for all that were missed.")),
    TOO_MANY: (
        _MISSED,
        gettext_noop("More were missed than the schedule makes up for."),
    ),
    TOO_OLD: (_MISSED, gettext_noop("It was older than the schedule makes up for.")),
    SUPERSEDED: (
        gettext_noop("Several came at once, and only the newest of them ran."),
    ),
}

_BY_VERDICT: dict[str, tuple[str, ...]] = {
    Verdict.LATE: (_MISSED,),
    Verdict.SKIPPED: (gettext_noop("An earlier job of the schedule had not ended."),),
    Verdict.MISSED: (_MISSED,),
    Verdict.PAUSED: (gettext_noop("The schedule was disabled."),),
    Verdict.EXCLUDED: (gettext_noop("A day off by the schedule's calendar."),),
}


def word_fire(fire: Fire, zone: str) -> str:
    """Return why, "" for one that ran in time; moments are told in the zone of that name."""
    if fire.verdict == Verdict.REFUSED:
        return _word_refusal(fire)
    if fire.facts.get("moved_to"):
        moved_to = datetime.fromisoformat(fire.facts["moved_to"])
        text = _("A day off: moved to %(moment)s.")
        return text % {"moment": _word_moment(moved_to, zone)}
    sentences = _BY_REASON.get(fire.reason) or _BY_VERDICT.get(fire.verdict, ())
    return join_sentences(_word_origin(fire, zone), *map(_, sentences))


def _word_refusal(fire: Fire) -> str:
    """Return what the submission said; anew where it can be said in any language."""
    facts = fire.facts
    if fire.reason == TASK and "task" in facts:
        unknown = str(TaskNotRegistered(facts["task"]))
        return join_sentences(unknown, word_unknown_to_scheduler())
    if fire.reason == ARGUMENTS and {"task", "problems"} <= facts.keys():
        return str(InvalidArguments(facts["task"], _problems(facts["problems"])))
    if fire.reason == SIZE and {"size", "limit"} <= facts.keys():
        return str(PayloadTooLarge(facts["size"], facts["limit"]))
    return str(facts.get("message") or _("The job could not be submitted."))


def _problems(stored: Mapping[str, str]) -> dict[str, str]:
    return {name: word_argument(problem) for name, problem in stored.items()}


def _word_origin(fire: Fire, zone: str) -> str:
    """Return for which moment it stands, where a calendar moved it."""
    if fire.nominal_at is None:
        return ""
    text = _("It stands for %(moment)s, a day off.")
    return text % {"moment": _word_moment(fire.nominal_at, zone)}


def _word_moment(moment: datetime, zone: str) -> str:
    # A zone that this machine no longer knows must not hide why.
    place = ZoneInfo(zone) if zone in zone_names() else UTC
    return f"{moment.astimezone(place):%Y-%m-%d %H:%M}"
