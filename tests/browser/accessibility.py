"""Accessibility of one page, by axe-core: the rules of WCAG 2.2 AA and below, and good practice."""

from typing import Any

from playwright.sync_api import Page

from tests.browser.serving import AXE_ADDRESS

_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_RUN = "rules => axe.run(document, {runOnly: rules, resultTypes: ['violations']}).then(found => found.violations)"


# From the page's own address, which its Content-Security-Policy allows. Handing half a megabyte in from outside would take
# four times as long, each time.
_LOAD = """async (address) => {
  if (window.axe) return;
  const script = document.createElement("script");
  const loaded = new Promise((done, failed) => Object.assign(script, {onload: done, onerror: failed}));
  script.src = address;
  document.head.append(script);
  await loaded;
  script.remove();
}"""


def assert_accessible(page: Page) -> None:
    """Fails with every fault found, and where. The page's visitor must have JavaScript.

    After a click that leads elsewhere, wait for something of the new page first: else this may judge the one before it.
    """
    page.wait_for_load_state()
    page.evaluate(_LOAD, AXE_ADDRESS)
    found: list[dict[str, Any]] = page.evaluate(_RUN, _RULES)
    faults = [
        f"{violation['id']}: {violation['help']}\n    {node['html']}"
        for violation in found
        for node in violation["nodes"]
    ]
    assert not faults, f"axe finds on {page.url}:\n  " + "\n  ".join(faults)
