from __future__ import annotations

from tasks.broker.stock import RqSchedulerCommand as Command

__all__ = ["Command"]
