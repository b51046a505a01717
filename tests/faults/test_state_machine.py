"""The state machine finds out an engine that is wrong; scenario R28 runs the right one."""

from __future__ import annotations

import pytest

from benchmarks.faults.machine.exploration import explore, machine

pytestmark = pytest.mark.django_db(transaction=True)

#: Pieces of the scripts, and what breaks a rule where it stands instead.
MISTAKES = {
    "a late end counts": ("if not is_held then", "if false then"),
    "a lost job stays where it is": (
        "if not state then return place(id, queue, true) end",
        "if not state then return 'queued', '' end",
    ),
    "a child is released by its first parent": (
        "if open > 0 and waits_for_another(child, allow_failure) then return end",
        "",
    ),
    "deaths are not counted": ("return #deaths >= most", "return false"),
    "a pause is overlooked": ("if ends and (ends == ''", "if ends and (false"),
    "a lease is renewed that is gone": ("if score and in_wip[i] then", "if true then"),
    "an event has no number of its own": (
        "call('HINCRBY', job_key(id), 'ty:seq', 1)",
        "call('HINCRBY', job_key(id), 'ty:seq', 0)",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_found_out(mistake: tuple[str, str]) -> None:
    with machine(mistake) as made, pytest.raises(AssertionError):
        explore(made, 5_000, seed=1, shrinks=False)
