"""The drawn signs of the pages."""

from __future__ import annotations

from collections.abc import Iterable

from django import template
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from tasks.text import sentence_gap

register = template.Library()


@register.simple_tag
def icon(name: str, colour: str = "") -> SafeString:
    """Draw the symbol `name` of dashboard/_icons.html; text beside it says the same."""
    return format_html(
        '<svg class="i {}" aria-hidden="true"><use href="#i-{}"/></svg>', colour, name
    )


@register.simple_tag
def gap() -> str:
    """Write what stands between two sentences."""
    return sentence_gap()


@register.simple_tag
def queue_links(names: Iterable[str]) -> SafeString:
    """Name queues, each as a link to its jobs."""
    link = '<a class="lnk" href="{}?{}">{}</a>'
    address = reverse("jobs-list")
    facts = ((address, urlencode({"queue": name}), name) for name in names)
    return format_html_join(", ", link, facts)
