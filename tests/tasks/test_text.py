from __future__ import annotations

import pytest
from django.utils.translation import override

from tasks import text


def test_sentences_are_joined_as_the_language_does() -> None:
    assert text.join_sentences("One.", "", "Two.") == "One. Two."
    with override("zh-hans"):
        assert text.join_sentences("一。", "二。") == "一。二。"


def test_problems_are_joined_as_the_language_does() -> None:
    problems = {"": "whole", "a": "part"}
    assert text.join_problems(problems) == "whole; a: part"
    with override("zh-hans"):
        assert text.join_problems(problems) == "whole；a：part"
    assert text.join_problems({}) == ""


def test_texts_stay_english_where_no_app_is_loaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with override("zh-hans"):
        monkeypatch.setattr(text.apps, "apps_ready", False)
        assert text.gettext("is required") == "is required"
        assert text.ngettext("One job.", "two", 1) == "One job."
        assert text.join_sentences("One.", "Two.") == "One. Two."
