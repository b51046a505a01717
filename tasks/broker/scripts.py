"""The Lua scripts: loaded from their files, run by hash, loaded again after a restart."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import redis
import redis.asyncio
from hiredis import pack_command
from redis.exceptions import NoScriptError

FOLDER = Path(__file__).parent / "scripts"

#: What stands between the shared part and a script, where that needs more than one file.
PARTS = {"claim": ("breakers",), "move": ("due",), "overtake": ("due",)}

Value = str | bytes | int | float


@dataclass(frozen=True)
class Script:
    """One Lua script, with what it shares with others before it."""

    name: str
    source: str
    sha: str


@dataclass(frozen=True)
class Invocation:
    """One call of a script, ready to be sent."""

    script: Script
    keys: Sequence[str] = ()
    args: Sequence[Value] = ()

    @property
    def command(self) -> tuple[Any, ...]:
        return ("EVALSHA", self.script.sha, len(self.keys), *self.keys, *self.args)


@cache
def script(name: str) -> Script:
    """Return the script of `scripts/<name>.lua`."""
    parts = ("common", *PARTS.get(name, ()), name)
    source = "".join((FOLDER / f"{part}.lua").read_text() for part in parts)
    # SHA-1 is how Redis names scripts; nothing rests on its strength.
    digest = hashlib.sha1(source.encode(), usedforsecurity=False)
    return Script(name, source, digest.hexdigest())


def invoke(
    client: redis.Redis,
    name: str,
    keys: Sequence[str] = (),
    args: Sequence[Value] = (),
) -> Any:
    """Run a script and return its answer."""
    return invoke_many(client, [Invocation(script(name), keys, args)])[0]


def invoke_many(client: redis.Redis, invocations: Sequence[Invocation]) -> list[Any]:
    """Run scripts in one round trip; each is atomic by itself.

    Raises the first error that a script met, after all have run.
    """
    answers = _send(client, invocations)
    missing = _not_loaded(answers)
    if missing:
        for wanted in {invocations[i].script for i in missing}:
            client.script_load(wanted.source)
        for i, answer in zip(
            missing, _send(client, [invocations[i] for i in missing]), strict=True
        ):
            answers[i] = answer
    return _checked(answers)


async def invoke_async(
    client: redis.asyncio.Redis,
    name: str,
    keys: Sequence[str] = (),
    args: Sequence[Value] = (),
) -> Any:
    """Run a script and return its answer."""
    invocation = Invocation(script(name), keys, args)
    try:
        return await _send_one(client, invocation)
    except NoScriptError:
        await client.script_load(invocation.script.source)
        return await _send_one(client, invocation)


async def _send_one(client: redis.asyncio.Redis, invocation: Invocation) -> Any:
    """Send a call packed in C: redis-py's own packing costs 1 µs for each argument."""
    pool = client.connection_pool
    connection = await pool.get_connection()  # type: ignore[no-untyped-call]
    try:
        await connection.send_packed_command(pack_command(invocation.command))
        return await connection.read_response()
    finally:
        await pool.release(connection)


async def send_async(
    client: redis.asyncio.Redis, invocations: Sequence[Invocation]
) -> list[Any]:
    """Run scripts in one round trip; an error stands in the place of its answer."""
    answers = await _send_async(client, invocations)
    missing = _not_loaded(answers)
    if missing:
        for wanted in {invocations[i].script for i in missing}:
            await client.script_load(wanted.source)
        again = await _send_async(client, [invocations[i] for i in missing])
        for i, answer in zip(missing, again, strict=True):
            answers[i] = answer
    return answers


def _send(client: redis.Redis, invocations: Sequence[Invocation]) -> list[Any]:
    with client.pipeline(transaction=False) as pipeline:
        for invocation in invocations:
            pipeline.execute_command(*invocation.command)  # type: ignore[no-untyped-call]
        return pipeline.execute(raise_on_error=False)


async def _send_async(
    client: redis.asyncio.Redis, invocations: Sequence[Invocation]
) -> list[Any]:
    async with client.pipeline(transaction=False) as pipeline:
        for invocation in invocations:
            pipeline.execute_command(*invocation.command)
        return await pipeline.execute(raise_on_error=False)


def _not_loaded(answers: Sequence[Any]) -> list[int]:
    return [i for i, answer in enumerate(answers) if isinstance(answer, NoScriptError)]


def _checked(answers: list[Any]) -> list[Any]:
    for answer in answers:
        if isinstance(answer, Exception):
            raise answer
    return answers
