"""A report card in a real browser: the first screen says what a caller would notice, and every proof can be reached."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from browsing import visiting
from report_cards import a_card

from replay.conformance.shown.page import page

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture
def address(tmp_path: Path) -> str:
    path = tmp_path / "card.html"
    path.write_text(page(a_card()), encoding="utf-8")
    return path.as_uri()


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_first_screen_says_what_a_caller_would_notice(
    browser: "Browser", address: str, width: int, scheme: str
) -> None:
    with visiting(browser, address, width=width, scheme="dark" if scheme == "dark" else "light") as visit:
        box = visit.page.locator(".notice h3").first.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] < 860
        assert visit.page.evaluate("document.documentElement.scrollWidth") == width
        assert visit.serious() == []


def test_a_proof_leads_to_its_line_in_the_log(browser: "Browser", address: str) -> None:
    with visiting(browser, address) as visit:
        visit.page.click(".notice .proof a")
        assert "clear 3100 ms unheard" in visit.page.inner_text(":target")
        assert visit.page.locator(":target").is_visible()


def test_on_paper_is_what_was_proved_and_no_more(browser: "Browser", address: str) -> None:
    with visiting(browser, address) as visit:
        visit.page.emulate_media(media="print")
        assert visit.page.locator(".log .proof").first.is_visible()
        assert not visit.page.locator("details:not([open]) summary").first.is_visible()
