from __future__ import annotations

import tracemalloc
import uuid

from tasks.broker.digests import Digests, part_of


def test_it_is_a_set() -> None:
    digests = Digests()
    for text in ("a", "b", "a"):
        digests.add(text)
    assert (len(digests), "a" in digests, "c" in digests) == (2, True, False)
    assert digests.discard("a")
    assert not digests.discard("a")
    assert ("a" in digests, "b" in digests, len(digests)) == (False, True, 1)


def test_many_are_told_apart() -> None:
    inside, outside = ([str(uuid.uuid4()) for _n in range(20_000)] for _set in "ab")
    digests = Digests()
    for text in inside:
        digests.add(text)
    assert len(digests) == len(inside)
    assert all(text in digests for text in inside)
    assert not any(text in digests for text in outside)
    assert all(map(digests.discard, inside))
    assert len(digests) == 0


def test_it_takes_little_memory() -> None:
    """A set of 100,000 ids takes 13 MB."""
    texts = [f"{number:036}" for number in range(100_000)]
    tracemalloc.start()
    try:
        digests = Digests()
        for text in texts:
            digests.add(text)
        held, _peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(digests) == len(texts)
    assert held < 2_000_000


def test_parts_are_about_as_large_as_each_other() -> None:
    parts = [part_of(f"job-{number}", 3) for number in range(3_000)]
    assert all(800 < parts.count(part) < 1_200 for part in range(3))
