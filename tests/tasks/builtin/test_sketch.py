from __future__ import annotations

import random
from collections import Counter

import pytest

from tasks.builtin._sketch import Frequent, Quantiles


@pytest.mark.parametrize("order", ["random", "rising", "falling"])
def test_percentiles_keep_within_the_stated_error(order: str) -> None:
    values = [float(n) for n in range(200_000)]
    if order == "random":
        random.Random(1).shuffle(values)
    if order == "falling":
        values.reverse()
    sketch = Quantiles()
    for start in range(0, len(values), 777):
        sketch.add_all(values[start : start + 777])
    assert 0 < sketch.rank_error < 0.002
    for share in (0.0, 0.01, 0.5, 0.9, 0.99, 1.0):
        off = abs(sketch.at(share)[0] - share * len(values))
        assert off <= sketch.rank_error * len(values) + 1


def test_percentiles_of_few_values_are_exact() -> None:
    sketch = Quantiles()
    sketch.add_all([float(n) for n in range(1, 1001)])
    assert sketch.at(0.5, 0.9, 0.99) == [500, 900, 990]
    assert sketch.rank_error == 0


def test_percentiles_take_fixed_memory() -> None:
    sketch = Quantiles()
    for _ in range(100):
        sketch.add_all([1.0] * 10_000)
    kept = sum(len(level) for level in sketch._levels)
    assert kept <= len(sketch._levels) * Quantiles.SIZE < 10 * Quantiles.SIZE


def test_counts_keep_within_the_stated_error() -> None:
    chooser = random.Random(1)
    values = [f"{int(chooser.paretovariate(0.5))}" for _ in range(200_000)]
    truth = Counter(values)
    sketch = Frequent(100)
    for start in range(0, len(values), 777):
        sketch.add_all(values[start : start + 777])
    assert sketch.missed <= len(values) / 100
    top = sketch.top(10)
    assert [value for value, _ in top[:3]] == ["1", "2", "3"]
    for value, count in top:
        assert count <= truth[value] <= count + sketch.missed


def test_counts_take_fixed_memory() -> None:
    sketch = Frequent(100)
    for start in range(0, 100_000, 1_000):
        sketch.add_all([str(n) for n in range(start, start + 1_000)])
    assert len(sketch._counts) <= 300
    assert sketch.distinct is None
    assert sketch.top(10) == []


def test_counts_of_few_values_are_exact() -> None:
    sketch = Frequent()
    sketch.add_all(["a", "b", "a"])
    assert sketch.top(2) == [("a", 2), ("b", 1)]
    assert (sketch.distinct, sketch.missed) == (2, 0)
