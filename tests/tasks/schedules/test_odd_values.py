from __future__ import annotations

import json
from typing import Any

import pytest

from tasks.errors import InvalidArguments, InvalidOption, PayloadTooLarge
from tasks.models import Audit, Schedule
from tasks.policy import Actor
from tasks.schedules import definitions
from tasks.schedules.checks import problem_of
from tasks.schedules.documents import InvalidDocument, dump, load
from tasks.schedules.fields import FIELDS
from tasks.schedules.transfer import apply, export
from tests.clocks import stop_clock
from tests.tasks.schedules.oddities import OF_CODE, PLAIN
from tests.timetable import NOW, create_schedule

pytestmark = pytest.mark.django_db(transaction=True)

MARA = Actor("mara", "web")

#: What a save may raise for a value of no use.
REFUSALS = (InvalidOption, InvalidArguments, PayloadTooLarge)

GOOD: dict[str, Any] = {
    "task": "tests.sample.add",
    "kwargs": {"a": 1},
    "kind": "cron",
    "expression": "0 9 * * *",
}


@pytest.fixture(autouse=True)
def still_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    stop_clock(monkeypatch, NOW)


def assert_sentence(error: Exception) -> None:
    assert str(error)
    assert len(str(error)) < 1_000
    assert "Traceback" not in str(error)


def works(field: str, act: Any) -> bool:
    """Say whether a door took it; if not, that it was refused in words."""
    try:
        act()
    except REFUSALS as error:
        assert_sentence(error)
        return False
    return True


@pytest.mark.parametrize("field", FIELDS)
def test_code_is_told_what_is_wrong_and_nothing_is_saved(field: str) -> None:
    for number, value in enumerate((*PLAIN, *OF_CODE)):
        name = f"s{number}"
        values = {**GOOD, field: value}
        if works(field, lambda n=name, v=values: definitions.create(MARA, n, v)):
            row = Schedule.objects.select_related("calendar").get(name=name)
            assert problem_of(row, NOW) == "", value
        else:
            assert not Schedule.objects.filter(name=name).exists(), value
    assert Audit.objects.count() == Schedule.objects.count()
    load(export())


@pytest.mark.parametrize("field", FIELDS)
def test_a_change_is_made_whole_or_not_at_all(field: str) -> None:
    create_schedule()
    for value in (*PLAIN, *OF_CODE):
        before = Schedule.objects.values().get()
        change = {field: value, "grace": 7}
        if not works(field, lambda c=change: definitions.change(MARA, "nightly", c)):
            assert Schedule.objects.values().get() == before, value


@pytest.mark.parametrize("field", FIELDS)
def test_a_document_is_refused_with_its_line_or_can_work(field: str) -> None:
    for number, value in enumerate(PLAIN):
        text = f"- name: s{number}\n" + "".join(
            f"  {key}: {json.dumps(one)}\n"
            for key, one in {**GOOD, field: value}.items()
        )
        try:
            wanted = load(text)
        except InvalidDocument as error:
            assert_sentence(error)
            continue
        assert dump(load(dump(wanted))) == dump(wanted)
        works(field, lambda w=wanted: apply(MARA, w))


@pytest.mark.parametrize(
    "name",
    [
        *("", " ", "a/b", "a:b", "a\nb", "a\0", "😀", "x" * 201, " a", "a ", ".", "-a"),
        *(None, 5, True, ["a"], b"a", "a?b", "a#b", "a%b", "\u202ea", "a\u200bb"),
    ],
)
def test_a_name_that_none_may_have_is_refused_at_every_door(name: Any) -> None:
    with pytest.raises(InvalidOption, match="name: must be 1 to 200 letters"):
        definitions.create(MARA, name, GOOD)
    if isinstance(name, str) and name.strip() and len(name) <= 200:
        with pytest.raises(InvalidOption, match="must be 1 to 200 letters"):
            apply(MARA, [{"name": name, **GOOD}])
    assert not Schedule.objects.exists()
