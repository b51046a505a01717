"""The time by which schedules fire, held still."""

from __future__ import annotations

from datetime import datetime

import pytest

from tasks.schedules.clock import Clock


def stop_clock(monkeypatch: pytest.MonkeyPatch, at: datetime) -> None:
    monkeypatch.setattr(Clock, "now", lambda _clock: at)
