from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from django.utils import translation

from tasks import doctor
from tasks.checks import Finding, Level
from tasks.doctor import Doctor, read_examination

BAD = Finding("redis", Level.BAD, "Redis is away.")


def test_what_was_found_is_told_with_its_moment() -> None:
    found = Doctor(examine=lambda: [BAD]).read()
    assert (found.findings, found.is_late) == ((BAD,), False)


def test_one_examination_serves_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    times: list[int] = []

    def examine() -> list[Finding]:
        times.append(1)
        return []

    one = Doctor(examine=examine)
    assert one.read() == one.read()
    assert len(times) == 1
    monkeypatch.setattr(one, "_read_at", time.monotonic() - doctor.FRESH_FOR - 1)
    one.read()
    assert len(times) == 2


def test_one_that_hangs_is_not_waited_for_and_the_last_is_kept() -> None:
    done = threading.Event()

    def examine() -> Iterator[Finding]:
        yield BAD
        assert done.wait(10)

    one = Doctor(examine=examine, patience=0.05)
    late = one.read()
    assert (late.is_late, [found.check for found in late.findings]) == (
        True,
        ["doctor"],
    )
    done.set()
    one.patience = 10
    one._read_at = float("-inf")
    assert one.read().findings == (BAD,)
    done.clear()
    one.patience, one._read_at = 0.05, float("-inf")
    again = one.read()
    assert (again.findings, again.is_late) == ((BAD,), True)
    done.set()


@pytest.mark.django_db
def test_the_real_one_looks_at_everything() -> None:
    checks = {found.check for found in read_examination().findings}
    assert {"redis", "database", "workers", "scheduler", "recorder"} <= checks


def test_it_speaks_the_language_of_who_asks() -> None:
    spoken: list[str | None] = []

    def examine() -> list[Finding]:
        spoken.append(translation.get_language())
        return []

    Doctor("zh-hans", examine=examine).read()
    assert spoken == ["zh-hans"]


def test_an_examination_that_broke_off_is_made_anew() -> None:
    broken = [TimeoutError("Redis"), ValueError("a bug of ours")]

    def examine() -> Iterator[Finding]:
        if broken:
            raise broken.pop()
        yield BAD

    one = Doctor(examine=examine)
    with pytest.raises(ValueError, match="a bug of ours"):
        one.read()
    assert one.read().is_late
    one._read_at = float("-inf")
    assert one.read().findings == (BAD,)
