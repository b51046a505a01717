"""Sizes in bytes, as people write them: 512M, 64K, 1G."""

from __future__ import annotations

import re

_UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3}

_SIZE = re.compile(r"(\d+)([KMG]?)B?", re.ASCII | re.IGNORECASE)


def parse_size(size: int | str) -> int:
    """Return the bytes that a number, or text such as "512M", names.

    Raises ValueError for what names none.
    """
    found = _SIZE.fullmatch(str(size))
    if found is None:
        raise ValueError(size)
    number, unit = found.groups()
    return int(number) * _UNITS[unit.upper()]


def show_size(size: int) -> str:
    """Return a size in the largest unit of which it holds one, rounded down."""
    for name, unit in (("GB", 1024**3), ("MB", 1024**2), ("KB", 1024)):
        if size >= unit:
            return f"{size / unit:.1f}".removesuffix(".0") + f" {name}"
    return f"{size} B"
