from __future__ import annotations

from tasks.broker import keys
from tasks.broker.places import PAGE, Places, without_hash
from tests.engine import claim_all, client, push_job


def read(*queues: str) -> Places:
    places = Places()
    for _page in places.read(queues or ("default",)):
        pass
    return places


def test_everything_that_waits_and_runs_is_found() -> None:
    push_job("running")
    claim_all(most=1)
    push_job("waiting")
    push_job("child", depends_on=["waiting"])
    client().zadd(keys.DELAYED, {"delayed": 1})
    client().zadd(keys.scheduled("default"), {"retry": 1})
    places = read()
    assert places.queued == {"waiting"}
    assert places.aside == {"child", "delayed", "retry"}
    assert places.held.keys() == {"running"}


def test_a_long_queue_is_read_page_by_page() -> None:
    ids = [str(number) for number in range(2 * PAGE + 500)]
    client().rpush(keys.queue("default"), *ids)
    places = Places()
    pauses = sum(1 for _page in places.read(["default"]))
    assert pauses == 2
    assert places.queued == set(ids)


def test_what_is_claimed_meanwhile_hides_nothing_else() -> None:
    ids = [str(number) for number in range(3 * PAGE)]
    client().rpush(keys.queue("default"), *ids)
    places = Places()
    for _page in places.read(["default"]):
        client().lpop(keys.queue("default"), 100)
    assert set(ids[300:]) <= places.queued


def test_a_key_that_is_no_list_is_passed_by() -> None:
    client().set(keys.queue("default"), "nonsense")
    client().set(keys.deferred("default"), "nonsense")
    client().rpush(keys.queue("other"), "a")
    assert read("default", "other").queued == {"a"}


def test_whoever_is_asked_for_is_no_stranger() -> None:
    client().rpush(keys.queue("default"), "known", "stranger")
    places = read()
    assert places.take("known", "queued")
    assert not places.take("elsewhere", "queued")
    assert places.strangers() == ["stranger"]


def test_jobs_without_a_hash_are_found_among_many() -> None:
    for number in range(3):
        push_job(str(number))
    assert without_hash(["0", "gone", "1", "2"]) == {"gone"}
    assert without_hash(["0", "1"]) == set()
