"""A schedule is made, seen before it is saved, fired and held back, in a real browser."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Site

pytestmark = pytest.mark.browser


@pytest.fixture
def browser_context_args(browser_context_args: dict[str, Any]) -> dict[str, Any]:
    """Have somebody look from Tokyo."""
    return browser_context_args | {"timezone_id": "Asia/Tokyo"}


def open_form(page: Page, task: str) -> None:
    page.get_by_role("navigation").get_by_role("link", name="Schedules").click()
    page.get_by_role("link", name="New schedule").click()
    page.get_by_label("Task").select_option(task)
    page.get_by_role("button", name="Next").click()


def fill(page: Page, name: str, text: str) -> None:
    page.locator(f"#schedule [name='{name}']").fill(text)


def test_the_next_runs_are_seen_while_typing_and_before_saving(page: Page) -> None:
    open_form(page, "greet")
    expect(page.locator("[name='set-zone']")).to_have_value("Asia/Tokyo")
    page.evaluate("window.taskyardTest = 'the same document'")
    preview = page.locator("#preview")
    fill(page, "set-zone", "Asia/Shanghai")
    fill(page, "set-expression", "0 9 * * 1-5")
    expect(preview).to_contain_text("At 09:00, Monday to Friday")
    expect(preview).to_contain_text("Asia/Tokyo, where you are")
    expect(preview.locator("tbody tr")).to_have_count(5)
    expect(preview.locator("tbody td").first).to_contain_text("10:00")
    fill(page, "set-expression", "0 9 31 2 *")
    expect(preview).to_contain_text("Expression:")
    page.locator("[name='set-kind']").select_option("every")
    expect(page.locator("[name='set-expression']")).to_be_hidden()
    fill(page, "set-every", "90")
    expect(preview).to_contain_text("Every 90 seconds")
    assert page.evaluate("window.taskyardTest") == "the same document"
    page.locator("[name='set-kind']").select_option("cron")
    fill(page, "set-expression", "0 9 * * 1-5")
    fill(page, "set-name", "morning 问候")
    fill(page, "arg-name", "Ann")
    page.get_by_role("button", name="Make this schedule").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("morning 问候")
    expect(page.locator("#live")).to_contain_text("Asia/Tokyo, where you are")


def test_a_refused_form_keeps_what_was_typed_and_begins_at_the_first_problem(
    page: Page,
) -> None:
    open_form(page, "greet")
    fill(page, "set-name", "not/a name")
    fill(page, "arg-name", "Ann")
    fill(page, "set-expression", "0 0 31 2 *")
    page.get_by_role("button", name="Make this schedule").click()
    expect(page.locator("[name='set-name']")).to_be_focused()
    expect(page.locator("#set-name-problem")).to_be_visible()
    expect(page.locator("#set-expression-problem")).to_be_visible()
    expect(page.locator("[name='set-expression']")).to_have_value("0 0 31 2 *")
    expect(page.locator("[name='arg-name']")).to_have_value("Ann")


def test_what_is_wrong_in_a_folded_part_is_unfolded(page: Page) -> None:
    open_form(page, "tests.sample.add")
    fill(page, "set-name", "folded")
    fill(page, "arg-a", "1")
    fill(page, "set-expression", "0 9 * * *")
    page.get_by_text("When it is late, or still runs").click()
    fill(page, "set-grace", "-5")
    page.get_by_text("When it is late, or still runs").click()
    expect(page.locator("[name='set-grace']")).to_be_hidden()
    page.get_by_role("button", name="Make this schedule").click()
    expect(page.locator("[name='set-grace']")).to_be_focused()


def test_a_schedule_fires_before_ones_eyes_and_is_held_back(
    page: Page, site: Site
) -> None:
    open_form(page, "tests.sample.add")
    fill(page, "set-name", "each second")
    fill(page, "arg-a", "1")
    page.locator("[name='set-kind']").select_option("every")
    fill(page, "set-every", "1")
    page.get_by_role("button", name="Make this schedule").click()
    fires = page.locator("#fires tbody tr")
    expect(fires.filter(has_text="Finished").first).to_be_visible()
    page.get_by_role("button", name="Disable").click()
    expect(page.locator("#disabled")).to_be_visible()
    page.goto(f"{site.url}/schedules/")
    row = page.locator("tr[id='schedule-each second']")
    expect(row).to_contain_text("disabled")
    expect(row.locator(".strip i.job").first).to_be_visible()


def test_one_is_run_now_with_other_arguments(page: Page, site: Site) -> None:
    open_form(page, "greet")
    fill(page, "set-name", "by hand")
    fill(page, "set-expression", "0 3 1 1 *")
    fill(page, "arg-name", "Ann")
    page.get_by_role("button", name="Make this schedule").click()
    page.get_by_role("link", name="Run with other arguments").click()
    expect(page.locator("#run [name='arg-name']")).to_have_value("Ann")
    page.locator("#run [name='arg-name']").fill("Bob")
    page.get_by_role("button", name="Run now").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Finished")
    expect(page.locator("#live")).to_contain_text("hello Bob")
