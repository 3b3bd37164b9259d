"""The console in a real browser, over a running daemon: found by a word, watched live, hung up, read by everybody."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from browsing import Visit, visiting
from running_console import CONSOLE, RunningConsole, running_console
from shown_calls import restaurant_call

from bench.stage import PROMPT, Place, speech, words
from bridge.store.database import Store
from replay.model.script import Script
from replay.phone.ring import Caller
from replay.phone.script import WaitForAgent, WaitForEnd

if TYPE_CHECKING:
    from playwright.sync_api import Browser

TALK = Script(opening=(words("agent_greeting"),), turns=((words("caller_no"),),), delivery=PROMPT)
STAYS = Caller(steps=(WaitForAgent(), speech("caller_yes"), WaitForEnd()), answer_delay_ms=0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder in which a call with a restaurant was recorded."""
    found = tmp_path_factory.mktemp("console")
    day = found / "data" / "tapes" / "2026-11-20"
    day.mkdir(parents=True)
    Store(found / "data" / "calls.duckdb").add([restaurant_call(day).path])
    return found


@pytest.fixture(scope="module")
def console(folder: Path) -> Iterator[RunningConsole]:
    with running_console(Place(folder, script=TALK, **CONSOLE)) as found:
        yield found


def test_a_call_is_found_by_a_word_and_played_from_there(browser: "Browser", console: RunningConsole) -> None:
    with visiting(browser, console.link()) as visit:
        page = visit.page
        page.keyboard.press("/")
        page.keyboard.type("kitchen closed")
        page.keyboard.press("Enter")
        page.wait_for_selector("td.said mark")
        assert page.url == f"{console.address}/calls?words=kitchen+closed"  # and none of the empty fields
        visit.wait("document.readyState === 'complete'")  # keys are heard from then on
        page.keyboard.press("j")
        page.keyboard.press("Enter")
        page.wait_for_selector("#play")
        visit.wait("document.body.dataset.ready === 'yes'")
        page.click("#play")
        visit.wait("document.getElementById('time').textContent.split(' /')[0] > '0:00.5'")
        assert visit.serious() == []


def test_a_second_of_a_call_has_an_address(browser: "Browser", console: RunningConsole) -> None:
    with visiting(browser, console.link()) as visit:
        address = visit.page.get_attribute("td.when a", "href")
        visit.page.goto(f"{console.address.removesuffix('/console')}{address}#t=3.2")
        visit.page.wait_for_selector("#play")
        visit.wait("document.getElementById('time').textContent.startsWith('0:03.2')")


def test_a_call_appears_talks_is_hung_up_and_is_found(
    browser: "Browser", console: RunningConsole, picture: Callable[[Visit, str], None]
) -> None:
    with visiting(browser, console.link()) as visit:
        page = visit.page
        page.on("dialog", lambda dialog: dialog.accept())
        page.wait_for_selector("text=Nobody is on the line")
        before = page.locator("td.when a").count()
        console.ring_meanwhile(STAYS)
        page.wait_for_selector("article.live dt.agent")
        page.wait_for_selector("article.live dt.caller")
        assert visit.serious() == []
        picture(visit, "console")
        page.click("article.live button.danger")
        page.wait_for_selector("text=Nobody is on the line")
        visit.wait(f"document.querySelectorAll('td.when a').length === {before + 1}")
        assert "hung up in the console by anna" in page.inner_text("#history")


def test_the_curves_of_one_call_have_the_axis_of_the_days_that_were_chosen(
    browser: "Browser", console: RunningConsole
) -> None:
    with visiting(browser, console.link()) as visit:
        visit.page.goto(f"{console.address}/trends?days=366")
        visit.page.wait_for_selector(".chart canvas")
        first, until, *shown = visit.page.evaluate(
            """() => {
                const {from, until} = JSON.parse(document.getElementById("curves").textContent);
                const {min, max} = document.querySelector("[data-curves]").plot.scales.x;
                return [from, until, min, max];
            }"""
        )
        assert shown == [first, until]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["calls", "quality?days=366", "trends?days=366", "login"])
def test_every_page_can_be_read_by_everybody(
    browser: "Browser", console: RunningConsole, path: str, scheme: Any
) -> None:
    with visiting(browser, console.link(), scheme=scheme) as visit:
        visit.page.goto(f"{console.address}/{path}")
        visit.page.wait_for_selector("main")
        assert visit.serious() == []


@pytest.mark.parametrize("path", ["calls", "quality?days=366", "trends?days=366"])
def test_a_phone_shows_all_of_it(browser: "Browser", console: RunningConsole, path: str) -> None:
    with visiting(browser, console.link(), width=390, height=844) as visit:
        visit.page.goto(f"{console.address}/{path}")
        visit.page.wait_for_selector("main")
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_first_page_is_small(browser: "Browser", console: RunningConsole) -> None:
    with visiting(browser, console.link()) as visit:
        visit.page.goto(f"{console.address}/calls")
        visit.page.wait_for_selector("td.when a")
        entries = (
            "[...performance.getEntriesByType('resource'), ...performance.getEntriesByType('navigation')]"
        )
        size = visit.page.evaluate(f"{entries}.reduce((sum, one) => sum + one.decodedBodySize, 0)")
    assert 5_000 < size <= 200_000


LAB = {**CONSOLE, "console": {"on": True, "reports": "reports", "lab_runs": True}}


def test_a_run_of_the_lab_is_begun_watched_and_leads_to_its_calls(
    browser: "Browser", tmp_path: Path, picture: Callable[[Visit, str], None]
) -> None:
    day = tmp_path / "data" / "tapes" / "2026-01-01"
    day.mkdir(parents=True)
    call = restaurant_call(day)
    Store(tmp_path / "data" / "calls.duckdb").add([call.path])
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "switch.toml").write_text("")
    with running_console(Place(tmp_path, **LAB)) as lab, visiting(browser, lab.link()) as visit:
        visit.page.goto(f"{lab.address}/lab")
        assert visit.serious() == []
        picture(visit, "console-lab")
        visit.page.click("form:has-text('Would today') button")
        visit.wait("document.querySelector('[data-key=state] b')?.textContent === 'done'")
        assert visit.page.locator("[data-key=stop]").count() == 0
        assert visit.serious() == []
        visit.page.click(f"a[href*='{call.header.call_id}']")
        visit.wait("document.querySelector('.player') !== null")
