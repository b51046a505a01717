"""JSON as RFC 8259 has it and as every database of ours can keep it.

Python's own reader also takes NaN and Infinity, numbers that become infinite, halves
of surrogate pairs and NUL characters, which databases or other readers refuse later.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

from tasks.text import gettext as _

#: A NUL in text that json.dumps wrote: an odd number of backslashes before u0000.
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")

#: Python refuses to write whole numbers of thousands of digits.
_LARGE = 10**18


def parse_json(written: bytes | str) -> Any:
    """Return the value; raises ValueError with a reason that people understand."""
    try:
        text = written.decode() if isinstance(written, bytes) else written
        value = json.loads(text, parse_constant=_refuse, parse_float=_finite)
        _check_text(value)
    except RecursionError as error:
        raise ValueError(_("it is nested too deeply")) from error
    except UnicodeError as error:
        raise ValueError(_("it is not valid UTF-8 text")) from error
    return value


def check_json(value: Any) -> None:
    """Raise ValueError, with a reason, for a value that `parse_json` would not return."""
    if value is None or (isinstance(value, int) and abs(value) < _LARGE):
        return
    try:
        parse_json(json.dumps(value))
    except RecursionError as error:
        raise ValueError(_("it is nested too deeply")) from error


def is_storable(text: str) -> bool:
    """Say whether a database may be asked for a text; it would raise for others."""
    try:
        check_json(text)
    except ValueError:
        return False
    return True


def clean_json(value: Any) -> Any:
    """Return a value that `parse_json` would return, for one that came past it.

    Halves of surrogate pairs become ?, NUL is left out, NaN and infinity become text.
    """
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode().replace("\0", "")
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, list):
        return [clean_json(item) for item in value]
    if isinstance(value, dict):
        return {clean_json(name): clean_json(item) for name, item in value.items()}
    return value


def _refuse(name: str) -> float:
    raise ValueError(_("%(name)s is not a number in JSON") % {"name": name})


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(_("%(number)s is too large") % {"number": text[:40]})
    return number


def _check_text(value: Any) -> None:
    """Refuse halves of surrogate pairs (no UTF-8 can hold them) and NUL."""
    json.dumps(value, ensure_ascii=False).encode()
    if _NUL.search(json.dumps(value)):
        raise ValueError(_("its text has a NUL character"))
