"""A live list holds its order while somebody points at it, in a real browser."""

from __future__ import annotations

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import Site

pytestmark = pytest.mark.browser


def submit(page: Page, site: Site, name: str) -> None:
    page.goto(f"{site.url}/tasks/greet/")
    page.locator("#run [name='arg-name']").fill(name)
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Finished")


def test_rows_stay_under_the_pointer_until_it_leaves_the_list(
    page: Page, context: BrowserContext, site: Site
) -> None:
    submit(page, site, "the first")
    page.goto(f"{site.url}/jobs/")
    rows = page.locator("#live tbody tr")
    status = page.locator("#pulse [role=status]")
    expect(status).to_have_text("Live")
    rows.first.hover()
    submit(context.new_page(), site, "the second")
    expect(status).to_have_text("Live, order held")
    expect(rows.first).to_contain_text("the first")
    page.get_by_role("heading", level=1).hover()
    expect(rows.first).to_contain_text("the second")
    expect(rows.nth(1)).to_contain_text("the first")
    expect(status).to_have_text("Live")
