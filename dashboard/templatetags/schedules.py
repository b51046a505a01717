"""How moments in a zone and the Fires of schedules are written."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django import template
from django.utils.dateformat import format as format_date
from django.utils.formats import number_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import capfirst

from dashboard.fires import (
    bar_of,
    describe_fire,
    describe_strip,
    label_of_fire,
    look_of_fire,
)
from dashboard.templatetags.fmt import NOTHING, duration, value_text
from dashboard.zones import zone_or_utc
from tasks.schedules.change_words import word_changes
from tasks.schedules.fire_reports import FireRow

register = template.Library()


@register.simple_tag
def at(moment: datetime | None, zone: ZoneInfo | str) -> str | SafeString:
    """Write a moment in a zone: "Mon 2026-11-23 09:00"; the zone's letters in the title."""
    if moment is None:
        return NOTHING
    local = moment.astimezone(_zone(zone))
    text = f"{format_date(local, 'D')} {local:%Y-%m-%d %H:%M}"
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        local.isoformat(),
        f"{local:%Y-%m-%d %H:%M:%S} {local.tzname()}",
        f"{text}:{local:%S}" if local.second else text,
    )


@register.simple_tag
def fire_icon(fire: FireRow) -> SafeString:
    """Draw what came of a Fire, with nothing said: words must stand beside it."""
    look = look_of_fire(fire)
    return format_html(
        '<svg class="i {}" aria-hidden="true"><use href="#{}"/></svg>',
        look.tone,
        look.icon,
    )


@register.filter
def since(moment: datetime, now: datetime) -> str:
    """Write how long ago a moment was: "2 m 14 s"."""
    return duration(now - moment)


@register.filter
def fire_label(fire: FireRow) -> str:
    return label_of_fire(fire)


@register.filter
def fire_tone(fire: FireRow) -> str:
    return look_of_fire(fire).tone


@register.simple_tag
def fire_title(fire: FireRow, zone: ZoneInfo | str) -> str:
    return describe_fire(fire, _zone(zone))


@register.simple_tag
def strip(fires: Sequence[FireRow], zone: ZoneInfo | str) -> str | SafeString:
    """Draw Fires as a strip of bars, the newest last, each with its reason in the title."""
    if not fires:
        return NOTHING
    bar = '<i class="{}" title="{}"></i>'
    bars = ((bar_of(one), describe_fire(one, _zone(zone))) for one in fires)
    return format_html(
        '<span class="strip" role="img" aria-label="{}">{}</span>',
        describe_strip(fires),
        format_html_join("", bar, bars),
    )


@register.filter
def setting_text(value: Any) -> str:
    """Write a setting's value, as JSON has it, for people."""
    if value is None or value == "":
        return NOTHING
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return value_text(value)
    return value if isinstance(value, str) else number_format(value)


@register.filter
def change_texts(told: str) -> list[str]:
    """Write what the audit tells of a change, a line for each field."""
    return [capfirst(change) for change in word_changes(told)]


def _zone(zone: ZoneInfo | str) -> ZoneInfo:
    return zone_or_utc(zone) if isinstance(zone, str) else zone
