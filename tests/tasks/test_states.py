from __future__ import annotations

import pytest

from tasks.states import (
    CANCELABLE,
    ENDED,
    RETRYABLE,
    STOPPABLE,
    TRANSITIONS,
    WAITING,
    State,
    can_follow,
)


def test_every_state_has_a_row_in_the_table() -> None:
    assert set(TRANSITIONS) == set(State)


def test_no_state_follows_itself() -> None:
    assert not [state for state in State if can_follow(state, state)]


def test_nothing_leads_back_to_created() -> None:
    assert not [state for state in State if can_follow(state, State.CREATED)]


def test_every_state_can_be_reached() -> None:
    reached = {new for follow in TRANSITIONS.values() for new in follow}
    assert reached == set(State) - {State.CREATED}


@pytest.mark.parametrize("state", sorted(ENDED))
def test_an_ended_job_moves_on_only_by_a_new_attempt(state: State) -> None:
    assert not can_follow(state, State.STARTED)
    assert not can_follow(state, State.FINISHED)


@pytest.mark.parametrize("state", sorted(CANCELABLE))
def test_what_may_be_canceled_can_become_canceled(state: State) -> None:
    assert can_follow(state, State.CANCELED)


@pytest.mark.parametrize("state", sorted(RETRYABLE))
def test_what_may_be_retried_can_be_queued(state: State) -> None:
    assert can_follow(state, State.QUEUED)


def test_waiting_running_and_ended_share_no_state_and_leave_none_out() -> None:
    groups = [WAITING, STOPPABLE, ENDED]
    assert sorted(state for group in groups for state in group) == sorted(State)
