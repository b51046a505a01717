from __future__ import annotations

import pytest
from django.utils.translation import override

from tasks.schedules.change_words import tell_changes, word_changes
from tests.timetable import create_schedule

pytestmark = pytest.mark.django_db


def test_people_read_the_names_that_the_form_has() -> None:
    before = create_schedule()
    after = create_schedule(name="other", expression="0 10 * * *", kwargs={"a": 2})
    told = tell_changes(before, after)
    assert told == "kwargs, expression: 0 9 * * * → 0 10 * * *"
    words = ["named arguments", "expression: 0 9 * * * → 0 10 * * *"]
    assert list(word_changes(told)) == words
    with override("zh-hans"):
        words = ["命名参数", "表达式：0 9 * * * → 0 10 * * *"]
        assert list(word_changes(told)) == words


@pytest.mark.parametrize("text", ["", "31 days", "task, but of no field", "expres…"])
def test_what_tells_no_fields_stays_as_it_is(text: str) -> None:
    assert ", ".join(word_changes(text)) == text
