"""Pages looked at in Chromium, as a person does: what it complains of, what it asks for, what a screen reader meets.

Debian's package, driven by Playwright; where one of them is missing, `missing()` says which.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import urlsplit

from attrs import define, field

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Route

AXE: Final = Path(__file__).parent / "browser" / "axe.min.js"
PATIENCE_MS: Final = 60_000
"""A browser on a machine that has something else to do; whatever is waited for is there long before."""

MOST_RELOADS: Final = 5
HERE: Final = frozenset({"file", "blob", "data", "about"})
LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "[::1]", "::1"})
FLAGS: Final = (
    "--no-sandbox",
    "--autoplay-policy=no-user-gesture-required",
    "--disable-dev-shm-usage",
    "--mute-audio",
)


def missing() -> str:
    """Return what is missing to look at pages, and how to get it; nothing when nothing is."""
    if find_spec("playwright") is None:
        return "no Playwright: uv sync --group browser"
    if chromium() is None:
        return "no Chromium: apt-get install chromium, or name one in CHROMIUM"
    return ""


def chromium() -> str | None:
    """Return the path of the browser, if there is one."""
    return os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")


@contextmanager
def open_browser() -> "Iterator[Browser]":
    """Open the browser that is on this machine."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS, timeout=PATIENCE_MS)
        try:
            yield browser
        finally:
            browser.close()


@define(eq=False)
class Visit:
    """One page that is looked at, and what it said and asked for meanwhile."""

    page: "Page"
    complaints: list[str] = field(factory=list)
    strays: list[str] = field(factory=list)
    """Addresses beyond this machine that were asked for; no answer ever came."""

    def heard(self, message: "ConsoleMessage") -> None:
        """Take note of what the page's scripts, or the browser, complain of."""
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text}")

    def asked(self, route: "Route", request: "Request") -> None:
        """Let a request go on if it stays on this machine."""
        address = urlsplit(request.url)
        if address.scheme in HERE or address.hostname in LOOPBACK:
            return route.continue_()
        self.strays.append(request.url)
        return route.abort()

    def wait(self, condition: str) -> None:
        """Wait until JavaScript says so: by a promise, for the pages' own policy lets no text become code.

        A page that is loaded anew meanwhile is asked again.
        """
        from playwright.sync_api import Error

        for _ in range(MOST_RELOADS):
            try:
                return self._wait(condition)
            except Error as error:
                if "context was destroyed" not in str(error):
                    raise
                self.page.wait_for_load_state()
        raise AssertionError(f"the page is loaded anew again and again: {condition}")

    def _wait(self, condition: str) -> None:
        self.page.evaluate(
            f"""new Promise((done, fail) => {{
                const until = performance.now() + {PATIENCE_MS};
                const look = () => {{
                    if ({condition}) return done();
                    if (performance.now() > until) return fail(new Error("waited in vain"));
                    setTimeout(look, 10);
                }};
                look();
            }})"""
        )

    def serious(self) -> list[str]:
        """Return what axe finds that is serious or worse; what the page's policy keeps axe from is no fault of it."""
        before = list(self.complaints)
        self.page.evaluate(AXE.read_text(encoding="utf-8"))
        found: Any = self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        self.complaints[:] = before
        return [
            f"{one['id']}: {node['html'][:160]} {node['failureSummary'][:200]}"
            for one in found["violations"]
            if one["impact"] in ("serious", "critical")
            for node in one["nodes"]
        ]

    def shoot(self, path: Path, *, whole: bool = False) -> None:
        """Write a picture of what is seen, or of the whole page."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=path, full_page=whole, animations="disabled")


@contextmanager
def visiting(
    browser: "Browser",
    address: str,
    *,
    width: int = 1280,
    height: int = 860,
    scheme: Literal["light", "dark"] = "light",
    headers: dict[str, str] | None = None,
    before: str = "",
) -> Iterator[Visit]:
    """Open a page in a window of its own. It must complain of nothing, and ask for nothing beyond this machine.

    `before` is JavaScript that runs in it first.
    """
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, extra_http_headers=headers, locale="en-GB"
    )  # fmt: skip
    context.set_default_timeout(PATIENCE_MS)
    visit = Visit(context.new_page())
    context.route(
        "**/*", lambda route, request: visit.asked(route, request)
    )  # it gives what it calls a field
    visit.page.on("console", lambda message: visit.heard(message))
    visit.page.on("pageerror", lambda error: visit.complaints.append(str(error)))
    visit.page.add_init_script(before or "null")
    try:
        visit.page.goto(address)
        yield visit
        assert visit.complaints == []
        assert visit.strays == []
    finally:
        context.close()
