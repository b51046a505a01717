"""A worker is killed, and what the pages say of it, in a real browser."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import Site

pytestmark = pytest.mark.browser

WORKER = "#live tr[id^='worker-'] th span"


def worker_pid(page: Page, site: Site) -> int:
    page.goto(f"{site.url}/workers/")
    said = page.locator(WORKER).first.get_attribute("title")
    found = re.search(r"pid (\d+)", said or "")
    assert found
    return int(found[1])


def start_job(page: Page, site: Site, path: Path) -> str:
    """Submit a job that ends when the file is there; return its page's address."""
    page.goto(f"{site.url}/tasks/tests.sample.wait_for/")
    page.locator("#run [name='arg-path']").fill(str(path))
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Running")
    return page.url


def kill_worker(page: Page, site: Site) -> None:
    os.kill(worker_pid(page, site), signal.SIGKILL)
    expect(page.locator("#live")).to_contain_text("its supervisor saw it die")


def test_a_killed_worker_is_told_of_until_its_job_is_done(
    page: Page, site: Site, tmp_path: Path
) -> None:
    address = start_job(page, site, tmp_path / "end")
    kill_worker(page, site)
    fate = page.locator("tr[id^='fates-of-'] li").first
    expect(fate).to_contain_text("Running")
    page.goto(site.url)
    verdict = page.locator(".verdict")
    expect(verdict).to_contain_text("stopped answering")
    expect(verdict).to_contain_text("1 Running")
    expect(page).to_have_title(re.compile(r"^\(\d+\) Overview"))
    page.goto(address)
    (tmp_path / "end").touch()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Finished")
    expect(page).to_have_title(re.compile("Finished"))
    expect(page.locator("tr[id^='attempt-']").nth(1)).to_contain_text("WorkerLost")


def test_a_worker_is_quieted_and_woken(page: Page, site: Site) -> None:
    worker_pid(page, site)
    page.get_by_role("button", name="Quiet").first.click()
    note = page.locator("tr[id^='quiet-']").first
    expect(note).to_contain_text("take no more jobs")
    page.goto(site.url)
    expect(page.locator(".verdict")).to_contain_text("has been quiet for")
    page.get_by_role("button", name="Wake").first.click()
    expect(page.locator("#live")).not_to_contain_text("has been quiet for")


@pytest.mark.parametrize("path", ["/", "/workers/", "/doctor/"])
@pytest.mark.parametrize(
    ("width", "scheme"), [(1400, "light"), (1024, "light"), (390, "dark")]
)
def test_pages_of_trouble_are_readable_for_everybody(
    page: Page, site: Site, path: str, width: int, scheme: Literal["light", "dark"]
) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(site.url + path)
    expect(page.locator("#live")).to_be_visible()
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert overflow(page, "html") <= 0
    if width > 390:
        assert overflow(page, "#live .wrap") <= 0


def overflow(page: Page, selector: str) -> int:
    """Return by how many pixels the widest of these elements scrolls sideways."""
    found: int = page.locator(selector).evaluate_all(
        "boxes => Math.max(0, ...boxes.map(b => b.scrollWidth - b.clientWidth))"
    )
    return found
