"""What a newcomer does in the first hour, in a real browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Site

pytestmark = pytest.mark.browser


def run_task(page: Page, task: str, **arguments: str) -> None:
    page.get_by_role("navigation").get_by_role("link", name="Tasks").click()
    page.get_by_role("link", name=task, exact=True).click()
    for name, value in arguments.items():
        page.locator(f"#run [name='arg-{name}']").fill(value)
    page.get_by_role("button", name="Run", exact=True).click()


def remember_this_document(page: Page) -> None:
    page.evaluate("window.taskyardTest = 'the same document'")


def expect_same_document(page: Page) -> None:
    assert page.evaluate("window.taskyardTest") == "the same document"


@pytest.fixture
def big_folder(tmp_path: Path) -> Path:
    """A folder whose hashing takes seconds, though it fills no disk."""
    with (tmp_path / "big.bin").open("wb") as file:
        file.truncate(2_000_000_000)
    (tmp_path / "first.txt").write_text("the same text")
    (tmp_path / "second.txt").write_text("the same text")
    return tmp_path


def test_a_task_runs_from_its_form_and_shows_progress_and_result_without_reloading(
    page: Page, big_folder: Path
) -> None:
    run_task(page, "checksums", path=str(big_folder))
    remember_this_document(page)
    live = page.locator("#live")
    expect(live.get_by_role("progressbar")).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_contain_text(
        "Finished", timeout=60_000
    )
    expect(live).to_contain_text("second.txt")
    expect_same_document(page)


def test_a_failure_is_read_mended_and_run_again(page: Page, tmp_path: Path) -> None:
    missing = tmp_path / "not-there"
    run_task(page, "checksums", path=str(missing))
    expect(page.get_by_role("heading", level=1)).to_contain_text("Failed")
    live = page.locator("#live")
    expect(live).to_contain_text("not-there")
    expect(page.locator("#trace")).to_contain_text("TaskFailed")
    (tmp_path / "a.txt").write_text("text")
    page.get_by_role("link", name="Run with other arguments").click()
    expect(page.locator("#run [name='arg-path']")).to_have_value(str(missing))
    page.locator("#run [name='arg-path']").fill(str(tmp_path))
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Finished")


def test_retry_makes_a_second_attempt_of_the_same_job(
    page: Page, tmp_path: Path
) -> None:
    folder = tmp_path / "later"
    run_task(page, "checksums", path=str(folder))
    expect(page.get_by_role("heading", level=1)).to_contain_text("Failed")
    address = page.url
    folder.mkdir()
    (folder / "a.txt").write_text("text")
    page.get_by_role("button", name="Retry").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Finished")
    assert page.url == address
    expect(page.locator("#live")).to_contain_text("a.txt")


def test_a_running_job_is_stopped_after_a_question(page: Page, tmp_path: Path) -> None:
    run_task(page, "tests.sample.wait_for", path=str(tmp_path / "never"))
    expect(page.get_by_role("heading", level=1)).to_contain_text("Running")
    page.locator("#confirm-stop summary").click()
    page.get_by_role("button", name="Stop this job").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Stopped")


def test_a_wrong_option_is_told_beside_its_field(page: Page) -> None:
    page.goto(f"{page.url}tasks/tests.sample.add/")
    page.locator("#run [name='arg-a']").fill("1")
    page.locator("#options summary").click()
    queue = page.locator("#run [name='opt-queue']")
    queue.fill("two words")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator("#opt-queue-problem")).to_contain_text("without blanks")
    expect(queue).to_have_value("two words")


def test_the_overview_follows_what_happens(
    page: Page, site: Site, tmp_path: Path
) -> None:
    other = page.context.new_page()
    other.goto(site.url)
    remember_this_document(other)
    run_task(page, "tests.sample.wait_for", path=str(tmp_path / "end"))
    expect(other.locator("#live")).to_contain_text("wait_for")
    (tmp_path / "end").touch()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Finished")
    expect_same_document(other)


def test_focus_survives_an_update(page: Page, site: Site) -> None:
    run_task(page, "tests.sample.add", a="1")
    page.goto(f"{site.url}/jobs/")
    first = page.locator("#live tbody a").first
    first.focus()
    address = first.get_attribute("href")
    other = page.context.new_page()
    other.goto(site.url)
    run_task(other, "tests.sample.add", a="1")
    expect(other.get_by_role("heading", level=1)).to_contain_text("Finished")
    new = other.url.removeprefix(site.url)
    expect(page.locator(f'#live a[href="{new}"]').first).to_be_visible()
    focused = page.evaluate("document.activeElement.getAttribute('href')")
    assert focused == address


def test_chinese_is_one_click_away(page: Page) -> None:
    page.locator("nav details summary, header details summary").first.click()
    page.get_by_role("button", name="简体中文").first.click()
    expect(page.locator("html")).to_have_attribute("lang", "zh-hans")
