"""Small writes that must succeed even when Redis is full: plain commands, sent as one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import redis.asyncio

from tasks.broker.client import get_client
from tasks.broker.scripts import Value, invoke, invoke_async

Command = Sequence[Value]


def write(commands: Iterable[Command], client: redis.Redis | None = None) -> list[Any]:
    """Run commands in order and as one; returns their answers."""
    answers: list[Any] = invoke(client or get_client(), "write", (), _words(commands))
    return answers


async def write_async(
    client: redis.asyncio.Redis, commands: Iterable[Command]
) -> list[Any]:
    """Run commands in order and as one; returns their answers."""
    answers: list[Any] = await invoke_async(client, "write", (), _words(commands))
    return answers


def _words(commands: Iterable[Command]) -> list[Value]:
    words: list[Value] = []
    for command in commands:
        words += [len(command), *command]
    return words
