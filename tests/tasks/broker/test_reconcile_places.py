from __future__ import annotations

import pytest

from tasks.broker import keys
from tasks.broker import places as places_module
from tasks.broker.places import PAGE, Places, count_parts, without_hash
from tests.engine import claim_all, client, push_job


def read(*queues: str, part: int = 0, parts: int = 1) -> Places:
    places = Places(part, parts)
    for _page in places.read(queues or ("default",)):
        pass
    return places


def strangers(places: Places, *queues: str) -> list[str]:
    pages = places.strangers(queues or ("default",))
    return [job_id for page in pages for job_id in page]


def test_everything_that_waits_and_runs_is_found() -> None:
    push_job("running")
    claim_all(most=1)
    push_job("waiting")
    push_job("child", depends_on=["waiting"])
    client().zadd(keys.DELAYED, {"delayed": 1})
    client().zadd(keys.scheduled("default"), {"retry": 1})
    places = read()
    assert sorted(strangers(places)) == ["child", "delayed", "retry", "waiting"]
    assert places.held.keys() == {"running"}


def test_a_long_queue_is_read_page_by_page() -> None:
    ids = [str(number) for number in range(2 * PAGE + 500)]
    client().rpush(keys.queue("default"), *ids)
    places = Places()
    pauses = sum(1 for _page in places.read(["default"]))
    assert pauses == 2
    assert len(places.queued) == len(ids)
    assert all(job_id in places.queued for job_id in ids)


def test_what_is_claimed_meanwhile_hides_nothing_else() -> None:
    ids = [str(number) for number in range(3 * PAGE)]
    client().rpush(keys.queue("default"), *ids)
    places = Places()
    for _page in places.read(["default"]):
        client().lpop(keys.queue("default"), 100)
    assert all(job_id in places.queued for job_id in ids[300:])


def test_a_key_that_is_no_list_is_passed_by() -> None:
    client().set(keys.queue("default"), "nonsense")
    client().set(keys.deferred("default"), "nonsense")
    client().rpush(keys.queue("other"), "a")
    assert strangers(read("default", "other"), "default", "other") == ["a"]
    assert count_parts(["default", "other"]) == 1


def test_whoever_is_asked_for_is_no_stranger() -> None:
    client().rpush(keys.queue("default"), "known", "stranger")
    places = read()
    assert places.take("known", "queued")
    assert not places.take("elsewhere", "queued")
    assert strangers(places) == ["stranger"]


def test_a_stranger_that_waits_no_longer_is_none_and_a_later_one_neither() -> None:
    client().rpush(keys.queue("default"), "claimed", "stranger")
    places = read()
    client().lpop(keys.queue("default"))
    client().rpush(keys.queue("default"), "later", "stranger")
    assert strangers(places) == ["stranger"]


def test_very_many_are_read_in_parts_that_miss_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(places_module, "MOST_KEPT", 100)
    ids = [f"job-{number}" for number in range(250)]
    client().rpush(keys.queue("default"), *ids[:120])
    client().zadd(keys.scheduled("default"), dict.fromkeys(ids[120:240], 1))
    client().zadd(keys.lease("default"), {f"{job_id}:e": 1 for job_id in ids[240:]})
    parts = count_parts(["default"])
    assert parts == 3
    found = [read(part=part, parts=parts) for part in range(parts)]
    assert all(len(places.queued) + len(places.aside) < 120 for places in found)
    seen = [one for places in found for one in (*strangers(places), *places.held)]
    assert sorted(seen) == sorted(ids)


def test_jobs_without_a_hash_are_found_among_many() -> None:
    for number in range(3):
        push_job(str(number))
    assert without_hash(["0", "gone", "1", "2"]) == {"gone"}
    assert without_hash(["0", "1"]) == set()
