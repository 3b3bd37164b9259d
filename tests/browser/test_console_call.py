"""A call's page in the console, in a real browser: heard and sought in over HTTP, growing while the call goes on."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from browsing import Visit, visiting
from msgspec.structs import replace
from running_console import CONSOLE, SIGNED_IN, RunningConsole, running_console
from shown_calls import restaurant_call

from bench.stage import Place, speech
from bridge.tapes.header import encode_header
from bridge.tapes.names import DONE_SUFFIX
from replay.phone.script import Caller, HangUp, Wait, WaitForAgent
from replay.tapes.rewrite import write_tape

if TYPE_CHECKING:
    from playwright.sync_api import Browser

READY = "document.body.dataset.ready === 'yes'"
NOW = "document.getElementById('time').textContent.split(' /')[0]"
CALL_ID = "CAe3e70682c2094cac629f6fbed82c07cd"
LONGER_ID = "CA" + "7" * 32


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningConsole]:
    """Run a daemon that finds two calls of an earlier day."""
    folder = tmp_path_factory.mktemp("console")
    day = folder / "data" / "tapes" / "2026-01-01"
    day.mkdir(parents=True)
    made = restaurant_call(day)
    assert made.path.name == f"{CALL_ID}{DONE_SUFFIX}"
    longer = restaurant_call(turns=3)
    header = replace(longer.header, call_id=LONGER_ID)
    write_tape(day / f"{LONGER_ID}{DONE_SUFFIX}", [encode_header(header), *longer.lines])
    with running_console(Place(folder, **CONSOLE)) as running:
        yield running


def look(browser: "Browser", console: RunningConsole, path: str, **options: object) -> "Visit":
    return visiting(browser, f"{console.address}{path}", headers=SIGNED_IN, **options)  # type: ignore[return-value,arg-type]


def indexed(visit: Visit) -> None:
    """Look again until the call is in the list: it is indexed while the daemon starts."""
    while visit.page.locator(f"a[href*='{CALL_ID}']").count() == 0:
        visit.page.reload()


def test_a_call_is_found_by_a_word_played_and_sought_in(browser: "Browser", console: RunningConsole) -> None:
    with look(browser, console, "/calls") as visit:
        indexed(visit)
        visit.page.fill("input[type=search]", "opening hours")
        visit.page.keyboard.press("Enter")
        visit.page.click(f"a[href*='{CALL_ID}']")
        visit.wait(READY)
        visit.page.click("#play")
        visit.wait(f"{NOW} > '0:00.6'")
        visit.page.click("#play")
        visit.page.locator("[data-words]", has_text="Thursday").first.scroll_into_view_if_needed()
        word = visit.page.locator(".talk .w", has_text="Thursday").first
        word.click()
        visit.wait("document.querySelector('.w.now')?.textContent.includes('Thursday')")
        chip = visit.page.locator("[data-play]", has_text="cut in")
        chip.click()
        visit.wait(f"{NOW} > '0:06.8'")
        assert visit.page.locator(".talk s").count() == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_axe_finds_nothing_serious_and_nothing_is_wider_than_the_screen(
    browser: "Browser", console: RunningConsole, scheme: str, width: int
) -> None:
    with look(browser, console, "/calls") as visit:
        indexed(visit)
    with look(browser, console, f"/calls/{CALL_ID}", width=width, scheme=scheme) as visit:
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
        assert visit.serious() == []


def test_the_tapes_lines_come_when_somebody_looks(browser: "Browser", console: RunningConsole) -> None:
    with look(browser, console, "/calls") as visit:
        indexed(visit)
        visit.page.goto(f"{console.address}/calls/{CALL_ID}")
        visit.wait(READY)
        visit.page.click("#tape summary")
        visit.page.locator(".talk .cut [data-at]").click()
        visit.wait("document.querySelector('#taped tr.now') !== null")
        assert "barge_in" in visit.page.inner_text("#taped")


def test_the_page_of_a_call_that_goes_on_grows_and_can_be_heard_at_its_end(
    browser: "Browser", console: RunningConsole
) -> None:
    says = (speech("caller_hours"), Wait(3000))
    talking = Caller(steps=(WaitForAgent(), *says, *says, *says, HangUp()), answer_delay_ms=0)
    with look(browser, console, "/calls") as visit:
        visit.wait("document.querySelector('#live .calm') !== null")
        ringing = console.ring_meanwhile(talking)
        visit.wait("document.querySelector('#live .live .line a') !== null")
        visit.page.click("#live .live .line a")
        visit.wait("document.querySelector('.growing') !== null")
        visit.wait("Number(document.body.dataset.grown) >= 2")
        assert visit.page.locator(".talk .agent").count() >= 1
        assert visit.serious() == []
        ringing.result()
        visit.wait("document.querySelector('.growing') === null")
        visit.wait(READY)
        assert visit.page.locator(".talk .caller").count() >= 1


def test_the_page_of_a_call_with_a_chart_is_small_and_its_chart_comes_with_its_reader(
    browser: "Browser", console: RunningConsole
) -> None:
    with look(browser, console, "/calls") as visit:
        while visit.page.locator(f"a[href*='{LONGER_ID}']").count() == 0:
            visit.page.reload()
        visit.page.goto(f"{console.address}/calls/{LONGER_ID}")
        visit.wait(READY)
        entries = (
            "[...performance.getEntriesByType('resource'), ...performance.getEntriesByType('navigation')]"
        )
        shown = f"{entries}.filter((one) => !one.name.endsWith('.wav'))"
        assert (
            20_000
            < visit.page.evaluate(f"{shown}.reduce((sum, one) => sum + one.decodedBodySize, 0)")
            <= 200_000
        )
        assert visit.page.evaluate(f"{shown}.reduce((sum, one) => sum + one.transferSize, 0)") <= 80_000
        assert visit.page.locator("#waits-chart canvas").count() == 0
        visit.page.locator("#waits-chart").scroll_into_view_if_needed()
        visit.wait("document.querySelector('#waits-chart canvas') !== null")
