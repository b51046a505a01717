"""Values that no field of a schedule was made for, or few."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from tasks.schedules.fields import FIELDS

#: As JSON and YAML can hold them.
PLAIN: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 7, 1.5, 1e300, -1e300, 10**30, -(10**30)),
    *(10**400, -(10**400)),
    *("", " ", "x", "😀", "x\ny", "\x1b[2J", "x" * 201, "x" * 11_000, "\ufeffx"),
    *("* * * * * *", "0 0 30 2 *", "1,2," * 3_000 + "3 * * * *", "@reboot"),
    *("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2027-01-01T09:00", "now"),
    *("9999-12-31T23:59:59-23:59", "2027-02-30T09:00:00Z", "Asia/Shangai", "../etc"),
    *([], [None], [[[]]], ["x"] * 100, {}, {"x": {}}, {"": 1}),
)

#: As only code can hold them.
OF_CODE: tuple[Any, ...] = (
    *(float("nan"), float("inf"), "\0", "\ud800", b"x", {1, 2}, object(), {1: 2}),
    *(datetime(1, 1, 1), datetime(9999, 12, 31), datetime(1, 1, 1, tzinfo=UTC)),
    datetime(9999, 12, 31, tzinfo=timezone(timedelta(hours=-14))),
    *(timedelta.max, timedelta.min, timedelta(0), {"x": float("nan")}, [object()]),
)

__all__ = ["FIELDS", "OF_CODE", "PLAIN"]
