"""Commands from operators, on RQ's own channel."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from tasks.broker.engine import Engine
from tasks.errors import BrokerUnavailable

logger = logging.getLogger(__name__)

#: Seconds before the channel is opened again after the connection broke.
PAUSE = 0.5


async def listen(engine: Engine, obey: Callable[[dict[str, Any]], None]) -> None:
    """Pass commands on, for ever; a broken connection is opened again."""
    while True:
        try:
            async for command in engine.commands():
                obey(command)
        except BrokerUnavailable as error:
            logger.warning("commands cannot be heard: %s", error)
        await asyncio.sleep(PAUSE)
