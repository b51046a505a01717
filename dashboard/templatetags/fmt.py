"""How durations, moments, sizes, counts, states and calls are written on every page."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from django import template
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from dashboard.states import look_of
from tasks.calls import describe_call
from tasks.job_details import AttemptRow
from tasks.job_reports import JobRow, ran_for, waited_for
from tasks.models import Job
from tasks.stored_words import word_error, word_unreadable

register = template.Library()

#: What stands where there is nothing to say.
NOTHING = "—"

MINUTE, HOUR, DAY = 60, 3_600, 86_400

#: From so many seconds on, a relative time is no help and the date stands instead.
RELATIVE_LIMIT = 30 * DAY

#: Characters of one argument's value that a page shows.
VALUE_SHOWN = 4_000

SIZES = ("B", "KB", "MB", "GB", "TB")


@register.filter
def duration(value: float | timedelta | None) -> str:
    """Write seconds as "4 ms", "2.9 s", "2 m 14 s", "5 h 20 m" or "3 d 4 h"."""
    if value is None:
        return NOTHING
    seconds = value.total_seconds() if isinstance(value, timedelta) else float(value)
    if seconds < 0.9995:
        return _short("ms", max(0, round(seconds * 1000)))
    if seconds < 9.95:
        return _short("s", f"{seconds:.1f}".removesuffix(".0"))
    return _long_duration(round(seconds))


def _long_duration(seconds: int) -> str:
    if seconds < MINUTE:
        return _short("s", seconds)
    if seconds < HOUR:
        return _pair("m", seconds // MINUTE, "s", seconds % MINUTE)
    if seconds < DAY:
        return _pair("h", seconds // HOUR, "m", seconds % HOUR // MINUTE)
    return _pair("d", seconds // DAY, "h", seconds % DAY // HOUR)


def _pair(large: str, many: int, small: str, few: int) -> str:
    first = _short(large, many)
    return f"{first} {_short(small, f'{few:02d}')}" if few else first


def _short(unit: str, number: int | str) -> str:
    patterns = {
        "ms": _("%(n)s ms"),
        "s": _("%(n)s s"),
        "m": _("%(n)s m"),
        "h": _("%(n)s h"),
        "d": _("%(n)s d"),
    }
    return patterns[unit] % {"n": number}


@register.filter
def ago(moment: datetime | None) -> str | SafeString:
    """Write a moment as "2 m ago" or "in 8 s", exact in the title."""
    if moment is None:
        return NOTHING
    return _time(moment, relative(moment, timezone.now()))


@register.filter
def clock(moment: datetime | None) -> str | SafeString:
    """Write a moment as a time of day with milliseconds; the date where not today."""
    if moment is None:
        return NOTHING
    local = timezone.localtime(moment)
    text = f"{local:%H:%M:%S}.{local.microsecond // 1000:03d}"
    if local.date() != timezone.localdate():
        text = f"{local:%Y-%m-%d} {local:%H:%M:%S}"
    return _time(moment, text)


def relative(moment: datetime, now: datetime) -> str:
    """Return how far `moment` is from `now`, in its largest unit."""
    seconds = (now - moment).total_seconds()
    distance = abs(seconds)
    if distance >= RELATIVE_LIMIT:
        return f"{timezone.localtime(moment):%Y-%m-%d}"
    if distance < 1:
        return _("just now") if seconds >= 0 else _("now")
    pattern = _("%(span)s ago") if seconds > 0 else _("in %(span)s")
    return pattern % {"span": _span(int(distance))}


def _span(seconds: int) -> str:
    if seconds < MINUTE:
        return _short("s", seconds)
    if seconds < HOUR:
        return _short("m", seconds // MINUTE)
    if seconds < 2 * DAY:
        return _short("h", seconds // HOUR)
    return _short("d", seconds // DAY)


def _time(moment: datetime, text: str) -> SafeString:
    local = timezone.localtime(moment)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        local.isoformat(),
        f"{local:%Y-%m-%d %H:%M:%S} {local.tzname()}",
        text,
    )


@register.filter
def count(number: int | None) -> str:
    """Write a count with separators."""
    return NOTHING if number is None else number_format(number, force_grouping=True)


@register.filter
def bytes_size(number: float | None) -> str:
    """Write a size in bytes as "512 B", "3.4 KB" or "12 MB"."""
    if number is None:
        return NOTHING
    size, unit = float(number), 0
    while size >= 999.5 and unit < len(SIZES) - 1:
        size, unit = size / 1024, unit + 1
    digits = 1 if unit and size < 9.95 else 0
    return f"{size:.{digits}f} {SIZES[unit]}"


@register.simple_tag
def state_icon(state: str) -> SafeString:
    """Draw a state's sign, with nothing said: the word must stand beside it."""
    look = look_of(state)
    return format_html(
        '<svg class="i {}" aria-hidden="true"><use href="#{}"/></svg>',
        look.tone,
        look.icon,
    )


@register.simple_tag
def state_word(state: str) -> SafeString:
    """Draw a state's sign and word."""
    look = look_of(state)
    return format_html(
        '<span class="state {}">{} {}</span>', look.tone, state_icon(state), look.label
    )


@register.filter
def verb_label(verb: str) -> str:
    """Write what somebody did to a job; a verb of a later version as it is."""
    labels = {
        "cancel": _("canceled"),
        "stop": _("stop asked for"),
        "retry": _("retried"),
        "mark_failed": _("marked as failed"),
        "run_again": _("run again"),
        "submit": _("submitted"),
        "schedule.create": _("made"),
        "schedule.declare": _("declared"),
        "schedule.gone": _("gone from the code"),
        "schedule.back": _("back in the code"),
        "schedule.change": _("changed"),
        "schedule.enable": _("enabled"),
        "schedule.disable": _("disabled"),
        "schedule.reset": _("reset to the code"),
        "schedule.run": _("run by hand"),
        "backfill.create": _("backfill begun"),
        "backfill.pause": _("backfill paused"),
        "backfill.go_on": _("backfill went on"),
        "backfill.abort": _("backfill aborted"),
    }
    return labels.get(verb, verb)


@register.filter
def via_label(via: str) -> str:
    """Write by which way somebody did it; a way of a later version as it is."""
    labels = {
        "web": _("pages"),
        "api": _("API"),
        "cli": _("command line"),
        "code": _("code"),
        "admin": _("admin"),
    }
    return labels.get(via, via)


@register.filter
def state_tone(state: str) -> str:
    """Return the colour class of a state."""
    return look_of(state).tone


@register.filter
def state_label(state: str) -> str:
    return str(look_of(state).label)


@register.filter
def call_text(job: Any) -> str:
    """Write a job's arguments as a call would, shortened."""
    return describe_call(job.args, job.kwargs, job.unreadable)


@register.filter
def error_text(failed: Job | AttemptRow) -> str:
    """Write what is kept of an error, in the reader's language where it is ours."""
    return word_error(failed.error, failed.message)


@register.filter
def unreadable_text(job: Job) -> str:
    return word_unreadable(job.unreadable)


@register.filter
def task_label(name: str) -> str:
    """Write a task's name without the modules before it."""
    return name.rpartition(".")[2] or name


@register.filter
def call_name(job: Job) -> str:
    """Write a job as its call: `charge_card(7015, amount=153)`."""
    return f"{task_label(job.task)}{call_text(job)}"


@register.filter
def waited(job: Job | JobRow, now: datetime) -> timedelta | None:
    return waited_for(job, now)


@register.filter
def ran(job: Job | JobRow, now: datetime) -> timedelta | None:
    return ran_for(job, now)


@register.filter
def amount(number: float) -> str:
    """Write a number of any unit: whole where it is whole, else with one decimal."""
    is_whole = float(number).is_integer()
    return number_format(number, 0 if is_whole else 1, force_grouping=True)


@register.filter
def value_text(value: Any) -> str:
    """Write an argument as JSON, cut where it is very long."""
    text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    return text if len(text) <= VALUE_SHOWN else f"{text[:VALUE_SHOWN]}…"
