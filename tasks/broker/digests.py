"""Sets of millions of ids, at 8 bytes each."""

from __future__ import annotations

from array import array
from bisect import bisect_left

#: Each holds so few digests that one more moves little, up to some millions in all.
BUCKETS = 4_096


class Digests:
    """A set that keeps of each text only Python's hash of it.

    Of a million texts two have the same one once in 37 million runs of Python, and each
    run hashes differently. The texts themselves it cannot name.
    """

    def __init__(self) -> None:
        self._buckets = [array("q") for _number in range(BUCKETS)]
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __contains__(self, text: str) -> bool:
        return self._find(hash(text))[2]

    def add(self, text: str) -> None:
        digest = hash(text)
        bucket, place, is_there = self._find(digest)
        if not is_there:
            bucket.insert(place, digest)
            self._count += 1

    def discard(self, text: str) -> bool:
        """Take a text out; say whether it was there."""
        bucket, place, is_there = self._find(hash(text))
        if is_there:
            del bucket[place]
            self._count -= 1
        return is_there

    def _find(self, digest: int) -> tuple[array[int], int, bool]:
        """Return the bucket of a digest, its place there, and whether it is there."""
        bucket = self._buckets[digest % BUCKETS]
        place = bisect_left(bucket, digest)
        return bucket, place, place < len(bucket) and bucket[place] == digest


def part_of(text: str, parts: int) -> int:
    """Return to which of so many parts a text belongs, the same for all of a run."""
    return (hash(text) >> 16) % parts
