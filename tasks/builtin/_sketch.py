"""Percentiles and most frequent values of a stream: fixed memory, known errors."""

from __future__ import annotations

import heapq
from array import array
from collections import Counter
from collections.abc import Sequence


class Quantiles:
    """Percentiles of any number of values (after Manku, Rajagopalan and Lindsay).

    Values wait in buffers of `SIZE`; a full buffer is sorted and every second value
    goes on to the next buffer, where each stands for twice as many. One such step at
    level h moves the rank of a value by at most 2ʰ, so that `rank_error`, the sum of
    the steps, is a guarantee: below log₂(n / SIZE) / SIZE of all values (0.4 % of 10⁸),
    0 below `SIZE` values. Memory: 32 KB for each doubling of n.
    """

    SIZE = 4_096

    def __init__(self) -> None:
        self.count = 0
        self._levels: list[array[float]] = [array("d")]
        self._offsets = [0]
        self._moved = 0

    @property
    def rank_error(self) -> float:
        """The largest error of a rank, as a share of all values."""
        return self._moved / self.count if self.count else 0.0

    def add_all(self, values: Sequence[float]) -> None:
        self.count += len(values)
        for start in range(0, len(values), self.SIZE):
            self._levels[0].extend(values[start : start + self.SIZE])
            self._halve_full()

    def at(self, *shares: float) -> list[float]:
        """Return the value at each share (0 to 1) of the ranks; needs one value."""
        weighted = sorted(
            (value, 1 << level)
            for level, values in enumerate(self._levels)
            for value in values
        )
        return [self._at(weighted, share) for share in shares]

    def _at(self, weighted: list[tuple[float, int]], share: float) -> float:
        rank = share * self.count
        seen = 0
        for value, weight in weighted:
            seen += weight
            if seen >= rank:
                return value
        return weighted[-1][0]

    def _halve_full(self) -> None:
        level = 0
        while level < len(self._levels) and len(self._levels[level]) >= self.SIZE:
            values = sorted(self._levels[level])
            # An odd one stays, so that no weight is lost.
            rest = values[len(values) // 2 * 2 :]
            if level + 1 == len(self._levels):
                self._levels.append(array("d"))
                self._offsets.append(0)
            offset = self._offsets[level]
            self._levels[level + 1].extend(values[offset : len(values) // 2 * 2 : 2])
            self._levels[level] = array("d", rest)
            # Now the lower, now the upper of each pair: most of the error cancels.
            self._offsets[level] = 1 - offset
            self._moved += 1 << level
            level += 1


class Frequent:
    """The most frequent values, in fixed memory (Misra and Gries).

    At most three times `size` counters are kept; above twice `size`, the `size`-th
    largest count is taken off all of them and what reaches zero is dropped. A value
    came at least as often as its counter says, and at most `missed` times more, which
    never exceeds n / `size`.
    """

    def __init__(self, size: int = 1_000) -> None:
        self.size = size
        self.count = 0
        #: How much too low a counter can be; 0: all counts are exact.
        self.missed = 0
        self._counts: Counter[str] = Counter()

    @property
    def distinct(self) -> int | None:
        """The number of different values; None where it is more than was kept."""
        return None if self.missed else len(self._counts)

    def add_all(self, values: Sequence[str]) -> None:
        self.count += len(values)
        for start in range(0, len(values), self.size):
            self._counts.update(values[start : start + self.size])
            if len(self._counts) > 2 * self.size:
                self._shrink()

    def top(self, limit: int) -> list[tuple[str, int]]:
        """Return the most frequent values, each with the count it has at least.

        A value that was dropped may have come `missed` times, so that nothing is said
        of values below.
        """
        ranked = self._counts.most_common(limit)
        return [(value, count) for value, count in ranked if count > self.missed]

    def _shrink(self) -> None:
        taken = heapq.nlargest(self.size, self._counts.values())[-1]
        self.missed += taken
        self._counts = Counter(
            {v: count - taken for v, count in self._counts.items() if count > taken}
        )
