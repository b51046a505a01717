from __future__ import annotations

from tasks.broker.stock import RqWorkerPoolCommand as Command

__all__ = ["Command"]
