from __future__ import annotations

import pytest

from tasks.broker import keys
from tasks.broker.scripts import invoke
from tests.engine import claim, client, end_leases, push_job, take_back

ZSETS = (keys.lease("default"), keys.wip("default"))


def test_a_lease_is_renewed_by_redis_clock() -> None:
    push_job("a")
    job = claim()
    end_leases()
    assert invoke(client(), "renew", ZSETS, (15, job.member)) == []
    left = client().zscore(keys.lease("default"), job.member) - client().time()[0]
    assert 14 <= left <= 16


def test_a_lease_that_is_gone_stays_gone_and_is_told() -> None:
    assert invoke(client(), "renew", ZSETS, (15, "a:1")) == [b"a:1"]
    assert client().zcard(keys.lease("default")) == 0


def test_a_job_that_an_rq_client_took_away_is_told() -> None:
    push_job("a")
    job = claim()
    client().zrem(keys.wip("default"), job.member)
    client().hset(keys.job("a"), "status", "canceled")
    assert invoke(client(), "renew", ZSETS, (15, job.member)) == [job.member.encode()]


@pytest.mark.parametrize("zset", ZSETS)
def test_a_lease_comes_back_after_its_whole_key_was_deleted(zset: str) -> None:
    push_job("a")
    job = claim()
    client().delete(zset)
    assert invoke(client(), "renew", ZSETS, (15, job.member)) == []
    for key in ZSETS:
        assert client().zscore(key, job.member) > client().time()[0]


def test_a_lease_that_the_sweep_took_does_not_come_back() -> None:
    push_job("a")
    job = claim()
    end_leases()
    take_back()
    assert invoke(client(), "renew", ZSETS, (15, job.member)) == [job.member.encode()]
    assert client().zcard(keys.lease("default")) == 0


def test_rq_s_heartbeat_is_renewed() -> None:
    push_job("a")
    job = claim()
    client().zadd(keys.wip("default"), {job.member: 1})
    client().hdel(keys.job("a"), "last_heartbeat")
    invoke(client(), "beat", (keys.wip("default"),), (90, "a", job.execution))
    left = client().zscore(keys.wip("default"), job.member) - client().time()[0]
    assert 89 <= left <= 91
    assert client().hget(keys.job("a"), "last_heartbeat")
    assert client().ttl(keys.execution("a", job.execution)) == 90


def test_a_heartbeat_brings_nothing_back() -> None:
    invoke(client(), "beat", (keys.wip("default"),), (90, "gone", "1"))
    assert client().keys("rq:*") == []


def test_progress_is_noted_only_by_the_attempt_that_runs() -> None:
    push_job("a")
    job = claim()
    assert invoke(client(), "progress", (), ("a", job.execution, '{"done": 1}')) == 1
    assert invoke(client(), "progress", (), ("a", "other", '{"done": 9}')) == 0
    assert invoke(client(), "progress", (), ("gone", "other", "{}")) == 0
    assert client().hget(keys.job("a"), "ty:progress") == b'{"done": 1}'


def test_scripts_are_loaded_again_after_redis_forgot_them() -> None:
    client().script_flush()
    push_job("a")
    client().script_flush()
    assert claim().id == "a"
