"""What axe finds wrong with a page, as far as a program can find it."""

from pathlib import Path

from playwright.async_api import Page

_AXE = Path(__file__).parents[1] / "static/node_modules/axe-core/axe.min.js"
_RUN = """async () => {
  const runOnly = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
  const { violations } = await axe.run({ runOnly });
  return violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ html }) => html).join(" ")}`);
}"""


async def violations(page: Page) -> list[str]:
    """Each broken rule with what breaks it; the page's own policy lets no script in by any other way."""
    await page.evaluate(_AXE.read_text())
    found: list[str] = await page.evaluate(_RUN)
    return found
