"""Many due jobs: those of one queue must not delay another's."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest

from tasks.broker import keys, moves
from tasks.broker.moves import AT_ONCE, Moves
from tasks.broker.push import push
from tasks.broker.wire import Envelope
from tests.conftest import wait_until
from tests.engine import client, waiting

#: More than are moved while the search goes on.
BURST = 4_000


def delay(queue: str, ids: Iterable[str], score: float) -> None:
    """Have jobs of a queue that came due at the same moment."""
    path, due = "tests.sample.add", datetime.now(UTC) + timedelta(hours=1)
    made = [Envelope(i, path, path, queue, due_at=due) for i in ids]
    push(made, with_row=True)
    client().zadd(keys.DELAYED, {one.id: score for one in made})


def burst(queue: str = "burst", score: float = 100, count: int = BURST) -> None:
    delay(queue, (f"{queue}-{number:05}" for number in range(count)), score)


def calls_until(made: Moves, queue: str, count: int) -> int:
    """Return how many calls it takes until so many jobs of a queue have moved."""
    for calls in range(100_000):
        if len(waiting(queue)) >= count:
            return calls
        made.make(client())
    raise AssertionError("they do not move")


@pytest.mark.parametrize("score", [99, 100, 101])
def test_a_burst_delays_no_other_queue(score: float) -> None:
    """Whether those came due before, at the same moment, or after it."""
    burst()
    delay("other", [f"burst-02000-{number}" for number in range(5)], score)
    made = Moves()
    looks = BURST // moves.WINDOW + 1
    assert calls_until(made, "other", 5) <= 1 + looks
    assert len(waiting("burst")) <= (2 + looks) * AT_ONCE


def due_soon(*sooner: str) -> None:
    """Have a burst, and jobs of another queue in it, that are due when all are written."""
    far = 9e9
    burst(score=far)
    delay("other", ["burst-02000-x", "burst-03000-x", *sooner], far)
    seconds, micros = client().time()
    due = seconds + micros / 1e6 + moves.AHEAD
    found = client().zrange(keys.DELAYED, 0, -1)
    client().zadd(keys.DELAYED, dict.fromkeys(found, due))
    for job_id in sooner:
        client().zadd(keys.DELAYED, {job_id: due - 0.1})


def test_a_burst_is_looked_through_before_it_is_due() -> None:
    """Then nothing of it comes before the others."""
    due_soon("sooner")
    made = Moves()

    def have_moved() -> bool:
        made.make(client())
        return len(waiting("other")) == 3

    wait_until(have_moved)
    assert waiting("other")[0] == "sooner"
    assert len(waiting("burst")) <= 2 * AT_ONCE


def test_what_was_canceled_after_it_was_found_does_not_move() -> None:
    due_soon()
    made = Moves()
    for _call in range(2 + BURST // moves.WINDOW):
        made.make(client())
    client().zrem(keys.DELAYED, "burst-02000-x")
    client().zadd(keys.DELAYED, {"burst-03000-x": 9e9})
    calls_until(made, "burst", BURST)
    assert waiting("other") == []


def test_what_comes_due_while_a_burst_moves_is_next() -> None:
    burst()
    made = Moves()
    for _call in range(8):  # all of it has been looked through
        made.make(client())
    seconds, micros = client().time()
    delay("other", ["late"], seconds + micros / 1e6)
    assert calls_until(made, "other", 1) == 1
    assert len(waiting("burst")) < BURST / 2


def test_a_burst_moves_in_the_order_in_which_it_came_due() -> None:
    delay("burst", (f"{number:05}" for number in reversed(range(BURST))), 100)
    calls_until(Moves(), "burst", BURST)
    assert waiting("burst") == [f"{number:05}" for number in range(BURST)]


def test_two_bursts_share_and_a_third_queue_is_let_past_both() -> None:
    delay("one", (f"{number:05}a" for number in range(BURST // 2)), 100)
    delay("two", (f"{number:05}b" for number in range(BURST // 2)), 100)
    delay("other", ["01998c", "01999c"], 100)
    made = Moves()
    calls_until(made, "other", 2)
    moved = len(waiting("one")), len(waiting("two"))
    assert sum(moved) < BURST / 2
    assert abs(moved[0] - moved[1]) <= AT_ONCE


def test_two_movers_of_one_burst_move_each_job_once() -> None:
    burst()
    delay("other", ["burst-02000-x"], 100)
    one, two = Moves(), Moves()
    while waits := [made.make(client()).wait for made in (one, two)]:
        if waits == [None, None]:
            break
    assert len(waiting("burst")) == len(set(waiting("burst"))) == BURST
    assert waiting("other") == ["burst-02000-x"]


def test_a_search_begins_anew_with_the_next_burst() -> None:
    made = Moves()
    burst("first", 100)
    calls_until(made, "first", BURST)
    burst("second", 50)
    delay("other", ["second-02000-x"], 50)
    assert calls_until(made, "other", 1) <= 2 + BURST // moves.WINDOW
