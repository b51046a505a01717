"""An operator holds a queue back and lets it go on, in a real browser."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Site

pytestmark = pytest.mark.browser


def submit(page: Page, site: Site) -> str:
    """Submit a greeting, which goes to the queue emails; return its page's address."""
    page.goto(f"{site.url}/tasks/greet/")
    page.locator("#run [name='arg-name']").fill("Ann")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator("#live")).to_contain_text("emails")
    return page.url


def test_a_queue_is_paused_with_a_reason_and_resumed_from_its_job(
    page: Page, site: Site
) -> None:
    submit(page, site)
    page.goto(f"{site.url}/queues/")
    page.get_by_role("link", name="Pause emails").click()
    reason = page.get_by_label("Reason")
    expect(reason).to_be_focused()
    reason.fill("the mail server moves")
    reason.press("Enter")
    expect(page.get_by_role("status").first).to_contain_text("Queue emails is paused")
    note = page.locator("#pause-of-emails")
    expect(note).to_contain_text("the mail server moves")
    expect(note).to_contain_text("until somebody resumes it")
    address = submit(page, site)
    expect(page.locator("#waiting-because")).to_contain_text(
        "Its queue emails is paused."
    )
    page.goto(site.url)
    expect(page.locator("#live")).to_contain_text("Queue emails is paused")
    page.goto(address)
    page.get_by_role("button", name="Resume emails").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Finished")
    assert page.url == address
