"""What tests of the page share."""

from playwright.sync_api import Page

import support

AXE = support.ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"


def violations(page: Page) -> list[str]:
    """What axe finds, by rule."""
    page.evaluate(AXE.read_text())
    found = page.evaluate(
        """async () => {
            const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa",
                          "best-practice", "RGAAv4"];
            const report = await axe.run(document, {runOnly: {type: "tag", values: tags}});
            return report.violations.map((v) =>
                v.id + ": " + v.nodes.map((n) => n.html.slice(0, 120)).join(" | "));
        }"""
    )
    return list(found)
