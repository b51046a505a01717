"""Functions that nobody decorated; TASKYARD_RQ_MODULES admits this module."""

from __future__ import annotations


def multiply(a: int, b: int) -> int:
    return a * b
