"""Chinese formats that differ from Django's: large numbers have separators."""

from __future__ import annotations

THOUSAND_SEPARATOR = ","
NUMBER_GROUPING = 3
