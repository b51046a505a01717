from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.utils import timezone

from tasks.models import Schedule
from tasks.policy import Actor
from tasks.schedules import definitions
from tests.dashboard.schedules import (
    FILLED,
    find,
    inputs,
    look,
    make_schedule,
    sent,
    words,
)

pytestmark = pytest.mark.django_db(transaction=True)

NEW = "/schedules/-/new/?task=tests.sample.add"
CREATE = "/schedules/-/create/"
EDIT = "/schedules/nightly/edit/"
CHANGE = "/schedules/nightly/change/"
VERA = Actor("vera", "web")
NEXT_YEAR = timezone.now().year + 1


# New.


def test_a_task_is_chosen_first(operator: Client) -> None:
    choice = find(look(operator, "/schedules/-/new/"), "select", name="task")
    assert choice.find("option", value="tests.sample.add")


def test_the_form_begins_in_the_zone_of_whoever_makes_it(operator: Client) -> None:
    operator.cookies["taskyard_zone"] = "Europe/Berlin"
    soup = look(operator, NEW)
    assert find(soup, "input", name="set-zone").attrs["value"] == "Europe/Berlin"
    assert find(soup, "input", name="arg-b").attrs["value"] == "2"
    assert soup.find("option", value="Asia/Shanghai")


def test_every_input_has_a_label(operator: Client) -> None:
    form = find(look(operator, NEW), "form", id="schedule")
    labelled = {label.attrs["for"] for label in form.find_all("label")}
    drawn = {
        node.id
        for tag in ("input", "select", "textarea")
        for node in form.find_all(tag)
        if node.attrs.get("type") != "hidden"
    }
    assert drawn == labelled


def test_a_form_that_fits_makes_the_schedule(operator: Client) -> None:
    response = operator.post(CREATE, FILLED | {"set-tags": "a, b", "arg-b": "7"})
    assert (response.status_code, response["Location"]) == (303, "/schedules/nightly/")
    made = Schedule.objects.get()
    assert (made.task, made.kwargs) == ("tests.sample.add", {"a": 1, "b": 7})
    assert (made.kind, made.expression) == ("cron", "0 9 * * 1-5")
    assert (made.zone, made.tags) == ("Asia/Shanghai", ["a", "b"])
    assert made.created_by == "otto"


def test_moments_are_meant_in_the_zone_beside_them(operator: Client) -> None:
    once = {"set-kind": "once", "set-at": f"{NEXT_YEAR}-07-01T09:00"}
    operator.post(CREATE, FILLED | once)
    made = Schedule.objects.get()
    assert made.at == datetime(NEXT_YEAR, 7, 1, 1, tzinfo=UTC)
    assert made.expression == ""


@pytest.mark.parametrize(
    ("name", "typed", "problem"),
    [
        ("set-expression", "61 * * * *", "set-expression"),
        ("set-expression", "* * * * * *", "set-expression"),
        ("set-expression", "0 0 31 2 *", "set-expression"),
        ("set-expression", "1,2" * 5_000, "set-expression"),
        ("set-zone", "Asia/Shangai", "set-zone"),
        ("set-starts_at", "tomorrow", "set-starts_at"),
        ("set-jitter", "some", "set-jitter"),
        ("set-queue", "two words", "set-queue"),
        ("set-name", "a/b", "set-name"),
        ("arg-a", "many", "arg-a"),
    ],
)
def test_what_cannot_work_is_told_beside_its_input(
    operator: Client, name: str, typed: str, problem: str
) -> None:
    soup = sent(operator, CREATE, 422, **FILLED | {name: typed})
    assert soup.find("p", id=f"{problem}-problem"), words(soup)
    assert find(soup, "input", name=name).attrs["value"] == typed.strip()
    assert not Schedule.objects.exists()


#: Each wrong by itself: at reading, of the rule, of the jobs, of the arguments.
WRONG = {
    "set-expression": "0 0 31 2 *",
    "set-zone": "Mars/Base",
    "set-jitter": "some",
    "set-grace": "-5",
    "set-retries": "100000",
    "set-tags": "x" * 51,
    "arg-a": "many",
}


def test_all_that_is_wrong_is_told_at_once(operator: Client) -> None:
    wrong = WRONG | {"set-name": "a/b"}
    soup = sent(operator, CREATE, 422, **FILLED | wrong)
    for name in wrong:
        assert soup.find("p", id=f"{name}-problem"), name


def test_all_that_is_wrong_with_a_change_is_told_at_once(operator: Client) -> None:
    make_schedule()
    form = inputs(find(look(operator, EDIT), "form", id="schedule"))
    soup = sent(operator, CHANGE, 422, **form | WRONG)
    for name in WRONG:
        assert soup.find("p", id=f"{name}-problem"), name
    assert Schedule.objects.get().version == 1


def test_a_zone_with_a_slip_is_answered_with_the_nearest(operator: Client) -> None:
    soup = sent(operator, CREATE, 422, **FILLED | {"set-zone": "Asia/Shangai"})
    assert "Did you mean Asia/Shanghai?" in find(soup, "p", id="set-zone-problem").text


def test_a_name_that_is_taken_is_told(operator: Client) -> None:
    make_schedule()
    soup = sent(operator, CREATE, 422, **FILLED)
    assert "exists already" in find(soup, "div", id="problems").text


def test_a_task_that_nobody_knows_leads_to_the_choice(operator: Client) -> None:
    soup = sent(operator, CREATE, 422, **FILLED | {"task": "nobody.knows"})
    assert soup.find("select", name="task")


def test_the_button_previews_without_javascript_and_saves_nothing(
    operator: Client,
) -> None:
    soup = sent(operator, CREATE, 200, **FILLED | {"preview": "1", "arg-a": ""})
    preview = find(soup, "div", id="preview")
    assert "At 09:00, Monday to Friday" in words(preview)
    assert len(find(preview, "tbody").find_all("tr")) == 5
    assert find(soup, "input", name="set-name").attrs["value"] == "nightly"
    assert not Schedule.objects.exists()


def test_markup_that_was_typed_comes_back_inert(operator: Client) -> None:
    markup = '"><img src=x onerror=alert(1)>'
    for name in ("set-name", "set-expression", "set-zone", "set-queue", "arg-a"):
        soup = sent(operator, CREATE, 422, **FILLED | {name: markup})
        assert soup.find("img") is None


def test_a_moment_of_the_past_is_refused(operator: Client) -> None:
    past = f"{timezone.now() - timedelta(days=1):%Y-%m-%dT%H:%M}"
    data = FILLED | {"set-kind": "once", "set-at": past}
    soup = sent(operator, CREATE, 422, **data)
    assert "lies in the past" in find(soup, "p", id="set-at-problem").text


# Edit.


def test_the_form_sent_back_as_it_is_changes_nothing(operator: Client) -> None:
    made = make_schedule(
        starts_at=datetime(2026, 1, 1, 7, 30, 15, 250_000, tzinfo=UTC),
        ends_at=datetime(NEXT_YEAR, 1, 1, tzinfo=UTC),
        jitter=2.5,
        tags=["a", "b"],
        at_front=True,
        misfire="all",
        misfire_age=3600.0,
        timeout=30,
    )
    before = Schedule.objects.filter(pk=made.pk).values().get()
    form = find(look(operator, EDIT), "form", id="schedule")
    response = operator.post(CHANGE, inputs(form))
    assert response.status_code == 303
    assert Schedule.objects.filter(pk=made.pk).values().get() == before
    assert "so nothing was changed" in words(look(operator, response["Location"]))


def test_what_was_changed_is_saved(operator: Client) -> None:
    make_schedule()
    form = inputs(find(look(operator, EDIT), "form", id="schedule"))
    operator.post(CHANGE, form | {"set-expression": "0 10 * * *", "arg-a": "5"})
    made = Schedule.objects.get()
    assert (made.expression, made.kwargs) == ("0 10 * * *", {"a": 5})
    assert made.version == 2


def test_another_zone_moves_the_moments_with_it(operator: Client) -> None:
    make_schedule(starts_at=f"{NEXT_YEAR}-07-01T09:00")
    form = inputs(find(look(operator, EDIT), "form", id="schedule"))
    operator.post(CHANGE, form | {"set-zone": "UTC"})
    assert Schedule.objects.get().starts_at == datetime(NEXT_YEAR, 7, 1, 9, tzinfo=UTC)


def test_another_kind_leaves_nothing_of_the_former(operator: Client) -> None:
    make_schedule()
    form = inputs(find(look(operator, EDIT), "form", id="schedule"))
    operator.post(CHANGE, form | {"set-kind": "every", "set-every": "90"})
    made = Schedule.objects.get()
    assert (made.kind, made.every, made.expression) == ("every", 90, "")


def test_a_change_by_somebody_else_is_not_overwritten(operator: Client) -> None:
    make_schedule()
    form = inputs(find(look(operator, EDIT), "form", id="schedule"))
    Schedule.objects.update(version=2, changed_by="vera")
    soup = sent(operator, CHANGE, 422, **form | {"set-expression": "0 10 * * *"})
    assert (
        "in nothing that stands in this form" in find(soup, "div", id="problems").text
    )
    assert Schedule.objects.get().expression == "0 9 * * *"


def test_a_change_by_somebody_else_is_shown_beside_ones_own_and_then_saved(
    operator: Client,
) -> None:
    make_schedule()
    form = inputs(find(look(operator, EDIT), "form", id="schedule"))
    theirs = {"expression": "0 8 * * *", "jitter": 30, "kwargs": {"a": 3}}
    definitions.change(VERA, "nightly", theirs)
    typed = {"set-expression": "0 10 * * *", "set-grace": "90"}
    soup = sent(operator, CHANGE, 422, **form | typed)
    rows = find(find(soup, "div", id="problems"), "tbody").find_all("tr")
    assert [words(row) for row in rows] == [
        "a 3 not touched: taken over",
        "Expression 0 8 * * * 0 10 * * * stays in the form",
        "Spread over, seconds 30 not touched: taken over",
    ]
    again = operator.post(CHANGE, inputs(find(soup, "form", id="schedule")))
    assert again.status_code == 303
    made = Schedule.objects.get()
    assert (made.expression, made.jitter, made.grace) == ("0 10 * * *", 30, 90)
    assert made.kwargs["a"] == 3


def test_a_rule_of_another_kind_is_not_mixed_with_ones_own(operator: Client) -> None:
    make_schedule()
    form = inputs(find(look(operator, EDIT), "form", id="schedule"))
    definitions.change(VERA, "nightly", {"kind": "every", "every": 60})
    soup = sent(operator, CHANGE, 422, **form | {"set-expression": "0 10 * * *"})
    operator.post(CHANGE, inputs(find(soup, "form", id="schedule")))
    made = Schedule.objects.get()
    assert (made.kind, made.expression, made.every) == ("cron", "0 10 * * *", None)


@pytest.mark.parametrize("seen", ["", "[", "[1]", '{"set-grace": 7}'])
def test_without_what_was_seen_all_that_was_typed_stays(
    operator: Client, seen: str
) -> None:
    make_schedule()
    form = inputs(find(look(operator, EDIT), "form", id="schedule")) | {"seen": seen}
    definitions.change(VERA, "nightly", {"jitter": 30})
    soup = sent(operator, CHANGE, 422, **form)
    assert "30 0 stays in the form" in words(find(soup, "div", id="problems"))
    assert find(soup, "input", name="set-jitter").attrs["value"] == "0"


def test_the_form_of_one_whose_task_is_gone_still_opens(operator: Client) -> None:
    make_schedule()
    Schedule.objects.update(task="nobody.knows")
    soup = look(operator, EDIT)
    assert "is not registered here" in soup.text
    assert soup.find("input", name="arg-a") is None


def test_the_form_of_one_whose_arguments_no_longer_fit_still_opens(
    operator: Client,
) -> None:
    make_schedule()
    Schedule.objects.update(kwargs={"a": "many", "gone": 1})
    soup = look(operator, EDIT)
    assert find(soup, "input", name="arg-a").attrs["value"] == "many"


@pytest.mark.parametrize(
    "url", ["/schedules/-/new/", EDIT, "/schedules/nightly/backfill/"]
)
def test_a_viewer_gets_no_form(viewer: Client, url: str) -> None:
    make_schedule()
    response = viewer.get(url)
    assert response.status_code == 403
    assert b"tasks.manage_schedule" in response.content
