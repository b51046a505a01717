"""The digest of one series of values: how many, which, how large."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from tasks.builtin._sketch import Frequent, Quantiles
from tasks.builtin._text import printable

#: Values that have their first characters in common are counted as one.
VALUE_LIMIT = 200

#: So much of a value is shown.
SHOWN_LIMIT = 100

SHARES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}

_NUMBER_STARTS = frozenset("0123456789+-.")


class Values:
    """Digests any number of texts in fixed memory: about 2 MB at most."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.empty = 0
        self._texts = Frequent()
        self._numbers = Numbers()

    def add_all(self, values: Sequence[str | None]) -> None:
        present = [text for value in values if value and (text := value.strip())]
        self.empty += len(values) - len(present)
        self._texts.add_all([text[:VALUE_LIMIT] for text in present])
        self._numbers.add_all(_numbers(present))

    def summary(self, top: int) -> dict[str, Any]:
        facts: dict[str, Any] = {
            "name": printable(self.name, SHOWN_LIMIT),
            "count": self._texts.count,
            "empty": self.empty,
            "distinct": self._texts.distinct or f"> {self._texts.size:,}",
            "top": [
                {"value": printable(value, SHOWN_LIMIT), "count": count}
                for value, count in self._texts.top(top)
            ],
        }
        if self._texts.count == 0:
            facts["distinct"] = 0
        if self._texts.missed:
            facts["top_counts_may_be_low_by"] = self._texts.missed
        return facts | self._numbers.summary()


class Numbers:
    """Digests any number of numbers: range, mean, percentiles."""

    def __init__(self) -> None:
        self._quantiles = Quantiles()
        self._sum = 0.0
        self._low = math.inf
        self._high = -math.inf

    def add_all(self, numbers: Sequence[float]) -> None:
        if not numbers:
            return
        self._quantiles.add_all(numbers)
        self._sum += math.fsum(numbers)
        self._low = min(self._low, min(numbers))
        self._high = max(self._high, max(numbers))

    def summary(self) -> dict[str, Any]:
        """Return the figures, or nothing where there was no number."""
        count = self._quantiles.count
        if not count:
            return {}
        percentiles = map(_short, self._quantiles.at(*SHARES.values()))
        facts: dict[str, Any] = {
            "numbers": count,
            "min": _short(self._low),
            "mean": _short(self._sum / count),
            **dict(zip(SHARES, percentiles, strict=True)),
            "max": _short(self._high),
        }
        if error := self._quantiles.rank_error:
            facts["percentiles_off_by_at_most"] = f"{error:.2%}"
        return facts


def _short(number: float) -> float | int | str:
    """Return a number as people write it; JSON has no infinity."""
    if not math.isfinite(number):
        return str(number)
    if number == int(number) and abs(number) < 1e15:
        return int(number)
    return float(f"{number:.6g}") if abs(number) < 1e6 else round(number, 3)


def _numbers(texts: Sequence[str]) -> list[float]:
    if not texts:
        return []
    try:
        numbers = list(map(float, texts))
    except ValueError:
        return [x for text in texts if (x := _number(text)) is not None]
    # float() takes nan, inf and 1_000 for numbers, which no log or CSV means.
    if "_" in "".join(texts) or not all(map(math.isfinite, numbers)):
        return [x for text in texts if (x := _number(text)) is not None]
    return numbers


def _number(text: str) -> float | None:
    if text[0] not in _NUMBER_STARTS or "_" in text:
        return None
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
