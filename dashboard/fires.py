"""How the Fires of schedules look: a word, a sign, and a bar in a strip."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext_lazy

from dashboard.states import Look, look_of
from tasks.models.fire import Verdict
from tasks.schedules.fire_reports import FireRow
from tasks.states import ENDED, State

LOOKS: dict[str, Look] = {
    Verdict.RAN: Look(gettext_lazy("Ran"), "i-check", "mut"),
    Verdict.LATE: Look(gettext_lazy("Ran late"), "i-clock", "warn"),
    Verdict.SKIPPED: Look(gettext_lazy("Skipped"), "i-skip", "mut"),
    Verdict.MISSED: Look(gettext_lazy("Missed"), "i-lost", "bad"),
    Verdict.PAUSED: Look(pgettext_lazy("a due moment", "Disabled"), "i-pause", "mut"),
    Verdict.EXCLUDED: Look(gettext_lazy("Day off"), "i-ban", "mut"),
    Verdict.REFUSED: Look(gettext_lazy("Refused"), "i-warn", "bad"),
}

#: The form of a bar: a job came, none was to come, one should have come.
BARS = {
    Verdict.RAN: "job",
    Verdict.LATE: "job",
    Verdict.MISSED: "gap",
    Verdict.REFUSED: "gap",
}


def look_of_fire(fire: FireRow) -> Look:
    """Return the look of its job's state where a job came, else that of the verdict."""
    return look_of(fire.outcome) if fire.outcome else LOOKS[fire.verdict]


def bar_of(fire: FireRow) -> str:
    """Return the classes of its bar: form and colour."""
    tone = look_of_fire(fire).tone
    if fire.outcome and State(fire.outcome) not in ENDED:
        tone = "run"
    elif fire.verdict == Verdict.LATE and tone in ("ok", "mut"):
        tone = "warn"
    return f"{BARS.get(Verdict(fire.verdict), 'none')} {tone}"


def describe_fire(fire: FireRow, zone: ZoneInfo) -> str:
    """Return one line: when it was due, what came of it, and why."""
    local = fire.due_at.astimezone(zone)
    parts = [
        f"{local:%Y-%m-%d %H:%M:%S} {local.tzname()}",
        label_of_fire(fire),
        fire.sentence,
    ]
    return " · ".join(part for part in parts if part)


def label_of_fire(fire: FireRow) -> str:
    label = str(look_of_fire(fire).label)
    if fire.count == 1:
        return label
    moments = ngettext("%(count)s moment", "%(count)s moments", fire.count)
    return f"{label}, {moments % {'count': f'{fire.count:,}'}}"


def describe_strip(strip: Iterable[FireRow]) -> str:
    """Return what a strip shows in words, the most frequent first."""
    words = Counter(str(look_of_fire(fire).label) for fire in strip)
    text = ", ".join(f"{number} × {word}" for word, number in words.most_common())
    return _("The last results: %(words)s") % {"words": text}
