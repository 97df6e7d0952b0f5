"""Accessibility of one page, by axe-core: the rules of WCAG 2.2 AA and below, and good practice."""

from functools import cache
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

AXE = Path(__file__).parent / "vendor" / "axe" / "axe.min.js"
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_RUN = "rules => axe.run(document, {runOnly: rules, resultTypes: ['violations']}).then(found => found.violations)"


@cache
def _program() -> str:
    return AXE.read_text(encoding="utf-8")


def assert_accessible(page: Page) -> None:
    """Fails with every fault found, and where. The page's visitor must have JavaScript."""
    # Evaluated from outside the page, so its Content-Security-Policy stays as it is.
    page.evaluate(_program())
    found: list[dict[str, Any]] = page.evaluate(_RUN, _RULES)
    faults = [
        f"{violation['id']}: {violation['help']}\n    {node['html']}"
        for violation in found
        for node in violation["nodes"]
    ]
    assert not faults, f"axe finds on {page.url}:\n  " + "\n  ".join(faults)
