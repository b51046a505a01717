from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from functools import partial

import pytest

from tasks.broker import keys
from tasks.broker.attempts import Claimed, Said
from tasks.broker.engine import Engine
from tasks.errors import BrokerUnavailable
from tasks.worker import output as output_module
from tasks.worker.output import AT_ONCE, Output
from tests.engine import claim, client, push_job


class Ears:
    """Stands where the engine does, and hears what would be sent."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.progress: list[str] = []
        self.away = False

    async def say(self, logs: Sequence[Said], progress: Sequence[Said]) -> None:
        if self.away:
            raise BrokerUnavailable("gone")
        self.lines += [said.text for said in logs]
        self.progress += [said.text for said in progress]


def job() -> Claimed:
    return Claimed("a", "e1", "default", 1, "a:e1", ())


def test_only_the_latest_progress_is_sent() -> None:
    ears = Ears()
    output = Output(ears)  # type: ignore[arg-type]
    hear = partial(output.hear, job())
    for done in (1, 2, 3):
        hear("progress", {"done": done})
    asyncio.run(output.send())
    assert [json.loads(text)["done"] for text in ears.progress] == [3]


def test_lines_wait_for_redis_in_their_order_and_not_without_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(output_module, "MOST_WAITING", 3)
    ears = Ears()
    output = Output(ears)  # type: ignore[arg-type]
    hear = partial(output.hear, job())
    ears.away = True
    for number in range(5):
        hear("log", {"line": str(number), "at": 0})
        asyncio.run(output.send())
    ears.away = False
    asyncio.run(output.send())
    assert ears.lines == ["0", "1", "2"]


def test_an_ended_job_s_words_are_sent_before_its_end() -> None:
    ears = Ears()
    output = Output(ears)  # type: ignore[arg-type]
    output.hear(job(), "log", {"line": "last words", "at": 0})
    asyncio.run(output.ended(job()))
    assert ears.lines == ["last words"]


def test_an_end_waits_for_words_that_are_on_their_way() -> None:
    class SlowEars(Ears):
        async def say(self, logs: Sequence[Said], progress: Sequence[Said]) -> None:
            await arrived.wait()
            await super().say(logs, progress)

    ears, arrived = SlowEars(), asyncio.Event()

    async def main() -> None:
        output = Output(ears)  # type: ignore[arg-type]
        output.hear(job(), "log", {"line": "last words", "at": 0})
        sending = asyncio.create_task(output.send())
        await asyncio.sleep(0)
        ended = asyncio.create_task(output.ended(job()))
        for _turn in range(5):
            await asyncio.sleep(0)
        assert not ended.done()
        arrived.set()
        await asyncio.gather(ended, sending)

    asyncio.run(main())
    assert ears.lines == ["last words"]


def test_many_lines_are_sent_in_portions_and_in_order() -> None:
    ears, portions = Ears(), []
    say = ears.say

    async def counted(logs: Sequence[Said], progress: Sequence[Said]) -> None:
        portions.append(len(logs))
        await say(logs, progress)

    ears.say = counted  # type: ignore[method-assign]
    output = Output(ears)  # type: ignore[arg-type]
    lines = [str(number) for number in range(2 * AT_ONCE + 1)]
    for line in lines:
        output.hear(job(), "log", {"line": line, "at": 0})
    asyncio.run(output.send())
    assert portions == [AT_ONCE, AT_ONCE, 1]
    assert ears.lines == lines


def test_lines_and_progress_arrive_in_redis() -> None:
    push_job("a")
    held = claim()

    async def main() -> None:
        engine = Engine("w1", "host", ["default"])
        output = Output(engine)
        hear = partial(output.hear, held)
        hear("log", {"line": "hello", "at": 1.5})
        hear("progress", {"done": 1, "total": 4, "text": ""})
        await output.send()
        await engine.close()

    asyncio.run(main())
    ((_entry, fields),) = client().xrange(keys.log("a"))
    assert (fields[b"line"], fields[b"exec"]) == (b"hello", held.execution.encode())
    assert json.loads(client().hget(keys.job("a"), "ty:progress"))["done"] == 1
    assert client().ttl(keys.log("a")) > 3600
