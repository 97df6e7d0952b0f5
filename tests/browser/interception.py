"""What a page asks for and a test answers: a line that breaks, an answer that takes its time."""

from collections.abc import Callable

from playwright.sync_api import Page, Route

_NOBODYS = "**/healthz?caught"


def intercept(page: Page, address: str, answer: Callable[[Route], object]) -> None:
    """From now until `page.unroute(address)`, this answers what the page asks for at that address.

    A page hears of it a moment after its browser has said that it is so, and what it asks for in that moment goes past:
    so it asks for something that is nobody's, again and again, until that is caught.
    """
    caught: list[Route] = []

    def catch(route: Route) -> None:
        caught.append(route)
        route.abort()

    page.route(address, answer)
    page.route(_NOBODYS, catch)
    while not caught:
        page.evaluate("fetch('/healthz?caught').catch(() => null)")
    page.unroute(_NOBODYS)
