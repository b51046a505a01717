from __future__ import annotations

import os

import pytest

from tasks.process import START, own_start


@pytest.fixture(autouse=True)
def _asked_anew() -> None:
    own_start.cache_clear()


def test_the_name_of_a_start_is_kept_and_not_passed_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(START, "s1")
    assert (own_start(), START in os.environ, own_start()) == ("s1", False, "s1")


def test_without_a_supervisor_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(START, raising=False)
    assert own_start() == ""
