"""The drawn signs of the pages."""

from __future__ import annotations

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()


@register.simple_tag
def icon(name: str, colour: str = "") -> SafeString:
    """Draw the symbol `name` of dashboard/_icons.html; text beside it says the same."""
    return format_html(
        '<svg class="i {}" aria-hidden="true"><use href="#i-{}"/></svg>', colour, name
    )
