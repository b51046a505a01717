"""Telling by its meta whether a stock client's entry comes again: by its keys alone."""

from __future__ import annotations

import json
import pickle
from collections import OrderedDict, defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tasks.broker import keys
from tasks.broker.metas import MOST_OPCODES, repeats
from tests.engine import client, move, push_job, waiting

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)

#: Of entries that come again, as clients may write them.
PERIODIC: list[Mapping[str, Any]] = [
    {"interval": 60},
    {"cron_string": "0 9 * * *", "use_local_timezone": False},
    {"interval": 60, "repeat": 3},
    {"first": "interval", "second": ["interval"], "interval": 60},
    {**{f"key {n}": [n, str(n), {"a": None}] for n in range(300)}, "interval": 60},
    {"wörter": "单词 🎉", "interval": 60},
    {"long": "x" * 70_000, "cron_string": "@daily"},
    {"float": 1.5, "big": 2**70, "yes": True, "none": None, "interval": None},
]

#: Of single jobs: the words stand in them, but not as their own keys.
SINGLE: list[Any] = [
    {},
    {"every": "interval"},
    {"note": '"interval": 60', "x": "\x8c\x08interval"},
    {"why": {"interval": 60}},
    {"list": [{"cron_string": "* * * * *"}]},
    {
        "intervals": 1,
        "my_interval": 2,
        "interval ": 3,
        "Interval": 4,
        "cron_strings": 5,
    },
    {"interv\u0430l": "its a is Cyrillic", "\u0131nterval": 1, "interval\0": 2},
    {"cron": "cron_string", "interval_": "interval", "": "interval"},
    {"repeat": 3, "repeats_left": 3, "repeat_intervals": [1, 2]},
    ["interval", "cron_string"],
    "interval",
    None,
]

#: What only pickles hold.
PICKLED_SINGLE: list[Any] = [
    {b"interval": 60},
    {1: "interval", None: "cron_string"},
    {("interval", 60): 1, ("cron_string",): 2},
    {"set": {"interval"}, "frozen": frozenset({"cron_string"})},
    ("interval", 60),
    datetime(2026, 1, 2, tzinfo=UTC),
]


class Trap:
    """Does something when it is loaded."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return exec, ("raise SystemExit('loaded')",)


def both_ways(meta: Any) -> list[bytes]:
    pickled = [pickle.dumps(meta, protocol=protocol) for protocol in PROTOCOLS]
    return [json.dumps(meta).encode(), *pickled]


@pytest.mark.parametrize("meta", PERIODIC, ids=range(len(PERIODIC)))
def test_a_key_says_that_it_comes_again(meta: Mapping[str, Any]) -> None:
    assert [repeats(written) for written in both_ways(meta)] == [True] * 7


@pytest.mark.parametrize("meta", SINGLE, ids=range(len(SINGLE)))
def test_nothing_else_says_it(meta: Any) -> None:
    assert not any(map(repeats, both_ways(meta)))


@pytest.mark.parametrize("meta", PICKLED_SINGLE, ids=range(len(PICKLED_SINGLE)))
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_nothing_that_only_pickles_hold_says_it(meta: Any, protocol: int) -> None:
    assert not repeats(pickle.dumps(meta, protocol=protocol))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_kind_of_mapping_is_read(protocol: int) -> None:
    loop: dict[str, Any] = {"interval": 1}
    loop["self"] = [loop]
    for mapping in (OrderedDict(interval=1), defaultdict(list, cron_string="x"), loop):
        assert repeats(pickle.dumps(mapping, protocol=protocol))


@pytest.mark.parametrize(
    "written",
    [
        b"(dp0\nS'interval'\np1\nI60\ns.",  # Python 2
        b"\x80\x02}q\x00U\x08intervalq\x01K<s.",
        b'{"\\u0069nterval": 60}',
        b' \n{"interval" : 60}',
    ],
)
def test_other_spellings_are_read(written: bytes) -> None:
    assert repeats(written)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_reading_it_loads_nothing(protocol: int) -> None:
    trapped = {"trap": Trap(), "interval": 60}
    assert repeats(pickle.dumps(trapped, protocol=protocol))
    assert not repeats(pickle.dumps({"trap": Trap()}, protocol=protocol))


def test_garbage_says_nothing() -> None:
    whole = pickle.dumps({"interval": 60})
    cuts = [whole[:end] for end in range(len(whole))]
    deep = b'{"interval": 1, "deep": ' + b"[" * 100_000
    for written in (
        *cuts,
        b"interval",
        b'{"interval": ',
        b"\xff" * 99,
        deep,
        b"0.",
        b"u.",
    ):
        assert not repeats(written), written[:40]


def test_one_that_would_take_long_is_given_up() -> None:
    meta = {"numbers": list(range(MOST_OPCODES)), "interval": 60}
    assert not repeats(pickle.dumps(meta))


# By the mover, who asks only about what has one of the words somewhere.


def delay_stock(job_id: str, meta: bytes) -> None:
    push_job(job_id, due_at=datetime.now(UTC) + timedelta(hours=1))
    client().hset(keys.job(job_id), "meta", meta)
    client().hdel(keys.job(job_id), "ty:task")
    client().zadd(keys.DELAYED, {job_id: len(job_id)})


def test_the_mover_moves_single_jobs_and_holds_the_others() -> None:
    for number, meta in enumerate(SINGLE):
        for way, written in enumerate(both_ways(meta)):
            delay_stock(f"single-{number}-{way}", written)
    for number, meta in enumerate(PERIODIC):
        for way, written in enumerate(both_ways(meta)):
            delay_stock(f"periodic-{number}-{way}", written)
    delay_stock("escaped", b'{"\\u0069nterval": 60}')
    while move().wait is not None:
        pass
    assert len(waiting()) == len(SINGLE) * 7
    assert all(job_id.startswith("single") for job_id in waiting())
    assert client().zcard(keys.PERIODIC) == len(PERIODIC) * 7 + 1


def test_what_is_asked_about_keeps_its_place() -> None:
    for job_id in ("a", "bb", "ccc", "dddd"):
        meta = b'{"note": "interval"}' if job_id in ("bb", "ccc") else b"{}"
        delay_stock(job_id, meta)
    assert move().taken == 4
    assert waiting() == ["a", "bb", "ccc", "dddd"]


def test_a_meta_that_changes_while_it_is_judged_is_judged_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    delay_stock("a", b'{"note": "interval"}')

    def change(meta: bytes) -> bool:
        client().hset(keys.job("a"), "meta", b'{"interval": 60}')
        return repeats(meta)

    monkeypatch.setattr("tasks.broker.moves.repeats", change)
    move()
    assert (waiting(), client().zcard(keys.PERIODIC)) == ([], 1)
