"""What pydantic finds wrong with a value, in words of ours that can be translated."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tasks.text import gettext as _
from tasks.text import gettext_noop

_WHOLE_NUMBER = gettext_noop("must be a whole number")
_NUMBER = gettext_noop("must be a number")
_TRUTH = gettext_noop("must be true or false")
_TEXT = gettext_noop("must be text")
_LIST = gettext_noop("must be a list")
_MAPPING = gettext_noop("must be a mapping")
_CHOICE = gettext_noop("must be one of %(expected)s")
_DATE = gettext_noop("must be a date such as 2026-01-31")
_TIME = gettext_noop("must be a time such as 2026-01-31T09:00:00+01:00")
_CLOCK = gettext_noop("must be a time of day such as 09:00:00")
_SPAN = gettext_noop("must be seconds, or a duration such as PT15M")
_ADDRESS = gettext_noop("must be a web address such as https://example.com/")

#: pydantic's codes that people meet most; the names are those of its context.
PROBLEMS = {
    "missing": gettext_noop("is required"),
    "missing_argument": gettext_noop("is required"),
    "extra_forbidden": gettext_noop("is not an argument of this task"),
    "int_parsing": _WHOLE_NUMBER,
    "int_type": _WHOLE_NUMBER,
    "int_from_float": _WHOLE_NUMBER,
    "float_parsing": _NUMBER,
    "float_type": _NUMBER,
    "decimal_parsing": _NUMBER,
    "decimal_type": _NUMBER,
    "finite_number": gettext_noop("must be a finite number"),
    "greater_than": gettext_noop("must be more than %(gt)s"),
    "greater_than_equal": gettext_noop("must be at least %(ge)s"),
    "less_than": gettext_noop("must be less than %(lt)s"),
    "less_than_equal": gettext_noop("must be at most %(le)s"),
    "multiple_of": gettext_noop("must be a multiple of %(multiple_of)s"),
    "bool_parsing": _TRUTH,
    "bool_type": _TRUTH,
    "string_type": _TEXT,
    "string_too_short": gettext_noop("must have at least %(min_length)s characters"),
    "string_too_long": gettext_noop("must have at most %(max_length)s characters"),
    "string_pattern_mismatch": gettext_noop("must match %(pattern)s"),
    "too_short": gettext_noop("must have at least %(min_length)s items"),
    "too_long": gettext_noop("must have at most %(max_length)s items"),
    "list_type": _LIST,
    "tuple_type": _LIST,
    "set_type": _LIST,
    "dict_type": _MAPPING,
    "model_type": _MAPPING,
    "model_attributes_type": _MAPPING,
    "dataclass_type": _MAPPING,
    "enum": _CHOICE,
    "literal_error": _CHOICE,
    "date_type": _DATE,
    "date_parsing": _DATE,
    "date_from_datetime_parsing": _DATE,
    "date_from_datetime_inexact": _DATE,
    "datetime_type": _TIME,
    "datetime_parsing": _TIME,
    "datetime_from_date_parsing": _TIME,
    "timezone_aware": gettext_noop("must name its time zone, such as +01:00 or Z"),
    "time_type": _CLOCK,
    "time_parsing": _CLOCK,
    "time_delta_type": _SPAN,
    "time_delta_parsing": _SPAN,
    "url_type": _ADDRESS,
    "url_parsing": _ADDRESS,
    "url_scheme": gettext_noop("must begin with one of %(expected_schemes)s"),
    "json_type": gettext_noop("must be JSON"),
    "json_invalid": gettext_noop("is not JSON: %(error)s"),
    "path_type": gettext_noop("must be a path"),
    # A validator's own sentence.
    "value_error": "%(error)s",
    "assertion_error": "%(error)s",
}

#: What is wrong with a call as a whole, and with an argument that comes twice.
TOO_MANY = gettext_noop("too many positional arguments")
TWICE = gettext_noop("is given twice")

#: Between two values, not inside one: pydantic writes "'a', 'b' or 'c'".
_OR = re.compile(r"(?<=['\d]) or (?=['\d])")


def word_problem(problem: Mapping[str, Any]) -> str:
    """Return the words for one of pydantic's errors, or pydantic's own if unknown."""
    context = {
        name: _OR.sub(", ", value) if isinstance(value, str) else value
        for name, value in problem.get("ctx", {}).items()
    }
    try:
        return _(PROBLEMS[problem["type"]]) % context
    except KeyError:  # another library's error may have a known code and no limits
        return str(problem["msg"])
