from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from tasks.errors import BrokerUnavailable
from tasks.schedules.clock import ASK_EVERY, SLOW, SLOW_FOR, Clock
from tests.timetable import NOW

HOUR = timedelta(hours=1)


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


@dataclass
class World:
    """A Redis, a host whose clock is an hour fast, and the ticks of its processor."""

    ticks: float = 100.0
    is_away: bool = False
    takes: float = 0.0
    asked: int = 0
    #: What the clock of Redis is ahead.
    ahead: timedelta = field(default_factory=timedelta)

    def redis(self) -> datetime:
        self.asked += 1
        if self.is_away:
            raise BrokerUnavailable("gone")
        self.ticks += self.takes / 2
        said = NOW + seconds(self.ticks - 100) + self.ahead
        self.ticks += self.takes / 2
        return said

    def clock(self) -> Clock:
        return Clock(self.redis, lambda: self.ticks, lambda: NOW + HOUR)


@pytest.fixture
def world() -> World:
    return World()


def test_the_time_is_that_of_redis_and_not_of_the_host(world: World) -> None:
    assert world.clock().now() == NOW


def test_it_goes_on_between_two_questions(world: World) -> None:
    clock = world.clock()
    clock.now()
    world.ticks += ASK_EVERY / 2
    assert clock.now() == NOW + seconds(ASK_EVERY / 2)
    assert world.asked == 1


def test_it_goes_on_while_redis_is_away(world: World) -> None:
    clock = world.clock()
    clock.now()
    world.is_away = True
    world.ticks += 3600
    assert clock.now() == NOW + HOUR


def test_only_a_process_that_never_heard_of_redis_goes_by_its_host(
    world: World,
) -> None:
    world.is_away = True
    clock = world.clock()
    assert clock.now() == NOW + HOUR
    world.is_away = False
    world.ticks += ASK_EVERY
    assert clock.now() == NOW + seconds(ASK_EVERY)


def test_a_redis_that_does_not_answer_is_asked_once_a_second(world: World) -> None:
    world.is_away = True
    clock = world.clock()
    for _look in range(5):
        clock.now()
    assert world.asked == 1


def test_it_is_never_ahead_of_redis(world: World) -> None:
    world.takes = 0.3
    clock = world.clock()
    told, redis_says = clock.now(), NOW + seconds(world.ticks - 100)
    assert told <= redis_says


def test_a_slow_answer_does_not_set_it_back(world: World) -> None:
    clock = world.clock()
    clock.now()
    world.takes = SLOW * 10
    world.ticks += ASK_EVERY
    assert clock.now() == NOW + seconds(world.ticks - 100)


def test_a_clock_of_redis_that_was_changed_is_followed(world: World) -> None:
    clock = world.clock()
    clock.now()
    world.ahead = -HOUR
    world.ticks += ASK_EVERY
    assert clock.now() == NOW - HOUR + seconds(ASK_EVERY)


def test_slow_answers_are_taken_where_there_are_no_others(world: World) -> None:
    clock = world.clock()
    clock.now()
    world.ahead, world.takes = HOUR, SLOW * 2
    world.ticks += SLOW_FOR
    assert clock.now() > NOW + HOUR
