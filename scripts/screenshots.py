"""Screenshots of a running installation: `python scripts/screenshots.py http://127.0.0.1:8000`.

Writes docs/images/page.png (an answer with the source panel open) and page-phone.png; with a key
that has the right `operate` in CHAPPE_KEY, also admin.png (the administration, live).
"""

import os
import shutil
import sys
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

QUESTION = "Quelles pièces faut-il pour refaire sa carte d'identité ?"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


def _answered(page: Page, url: str) -> None:
    page.goto(url)
    page.get_by_test_id("question").fill(QUESTION)
    page.get_by_test_id("send").click()
    page.locator("[data-testid=answer][data-phase=done]").wait_for(timeout=180_000)


def take(browser: Browser, url: str, folder: Path) -> None:
    """Ask the question in a real browser, and save what it shows."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, width, height in (("page", 1280, 900), ("page-phone", 360, 780)):
        context = browser.new_context(
            locale="fr-FR", viewport={"width": width, "height": height}, reduced_motion="reduce"
        )
        page = context.new_page()
        _answered(page, url)
        if name == "page":
            # An unsupported draft is folded away, its references with it.
            opener = page.get_by_test_id("extract").get_by_role("button")
            if not opener.count():
                opener = page.get_by_test_id("citation")
            opener.first.click()
            page.get_by_test_id("source-highlight").first.wait_for()
            # The question at the top left, the passage at the right.
            page.evaluate("window.scrollTo(0, 0)")
        page.screenshot(path=folder / f"{name}.png")
        context.close()


def take_admin(browser: Browser, url: str, key: str, folder: Path) -> None:
    """Save what an operator sees of the running gateway."""
    folder.mkdir(parents=True, exist_ok=True)
    context = browser.new_context(
        locale="fr-FR", viewport={"width": 1280, "height": 900}, reduced_motion="reduce"
    )
    page = context.new_page()
    page.goto(f"{url}/#/admin/live")
    page.get_by_test_id("key").fill(key)
    page.keyboard.press("Enter")
    page.locator("[data-testid^=queue-]").first.wait_for()
    page.screenshot(path=folder / "admin.png")
    context.close()


def main() -> None:
    """Take them from the installation given on the command line."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=ARGUMENTS
        )
        folder = Path(sys.argv[2]) if len(sys.argv) > 2 else Path("docs/images")
        take(browser, sys.argv[1], folder)
        if key := os.environ.get("CHAPPE_KEY"):
            take_admin(browser, sys.argv[1], key, folder)
        browser.close()


if __name__ == "__main__":
    main()
