from __future__ import annotations

from tasks.broker.stock import RqWorkerCommand as Command

__all__ = ["Command"]
