"""A call that goes on, with somebody at its page: they hear it, tell its agent something, put it through, hang up."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from browsing import Visit, visiting
from running_console import CONSOLE, RunningConsole, running_console

from bench.stage import PROMPT, Place, speech, words
from replay.model.script import Script
from replay.phone.script import Caller, Wait, WaitForAgent, WaitForEnd

if TYPE_CHECKING:
    from playwright.sync_api import Browser

TALKS = Script(opening=(words("agent_greeting"),), fallback=(words("agent_pardon"),), delivery=PROMPT)
AGENT: dict[str, Any] = {
    "listen_in": True,
    "transfer": {"sales": {"description": "orders", "number": "+15550100111"}},
}
TALKING = (WaitForAgent(), speech("caller_hours"), Wait(4000), speech("caller_hours"), WaitForEnd())
STAYS = Caller(steps=TALKING, answer_delay_ms=0)
HEARD = "Number(document.querySelector('.levels').dataset.heard || 0)"


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningConsole]:
    place = Place(tmp_path_factory.mktemp("console"), script=TALKS, agent=AGENT, **CONSOLE)
    with running_console(place) as running:
        yield running


def watched(visit: Visit, console: RunningConsole) -> None:
    """Ring, and open the page of that call once there is something on it."""
    page = visit.page
    page.on("dialog", lambda dialog: dialog.accept())
    page.wait_for_selector("text=Nobody is on the line")
    console.ring_meanwhile(STAYS)
    page.wait_for_selector("article.live dt.agent")
    page.click("article.live .line a")
    page.wait_for_selector(".growing")
    visit.wait("document.readyState === 'complete'")  # keys are heard from then on


def test_somebody_listens_in_whispers_puts_through_and_hangs_up(
    browser: "Browser", console: RunningConsole, picture: Callable[[Visit, str], None]
) -> None:
    with visiting(browser, console.link()) as visit:
        watched(visit, console)
        page = visit.page
        page.click("#listen")
        visit.wait(f"{HEARD} > 1")
        visit.wait(
            "document.querySelector('.levels').dataset.loudest.split(' ').some((one) => Number(one) > 0.01)"
        )
        page.fill("#whisper", "Offer a table on the terrace.")
        page.click("text=Whisper")
        page.wait_for_selector("text=The agent was told.")
        assert page.input_value("#whisper") == ""
        page.wait_for_selector(".talk >> text=anna whispers to the agent")
        assert page.locator(".talk >> text=anna listens in").count() == 1
        assert visit.serious() == []
        picture(visit, "console-operator")
        page.fill("[name=summary]", "Ann, about the terrace")
        page.click("button:text('Transfer')")
        page.wait_for_selector("text=The caller is being put through.")
        page.wait_for_selector(".talk >> text=anna puts the caller through to sales")
        page.click("button:text('Hang up')")
        visit.wait("document.querySelector('.growing') === null")
        page.wait_for_selector("text=hung up in the console by anna")


def test_it_is_done_with_keys_alone_and_a_phone_shows_all_of_it(
    browser: "Browser", console: RunningConsole
) -> None:
    with visiting(browser, console.link(), width=390, height=844, scheme="dark") as visit:
        watched(visit, console)
        page = visit.page
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.keyboard.press("l")
        visit.wait(f"{HEARD} > 0.3")
        page.keyboard.press("w")
        page.keyboard.type("Be brief.")
        page.keyboard.press("Enter")
        page.wait_for_selector("text=The agent was told.")
        page.locator("#listen").focus()
        page.keyboard.press("l")
        page.wait_for_selector("#listen[aria-pressed=false]")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert visit.serious() == []
        page.click("button:text('Hang up')")
        visit.wait("document.querySelector('.growing') === null")


def test_without_scripts_too_whoever_hangs_up_comes_to_the_page_of_the_call(
    browser: "Browser", console: RunningConsole
) -> None:
    ringing = console.ring_meanwhile(STAYS)
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(console.link())
    while page.locator("article.live dt.agent").count() == 0:
        page.reload()
    page.click("article.live .line a")
    page.click("button:text('Hang up')")
    assert page.locator("text=no such call").count() == 0
    ringing.result()
    page.wait_for_selector("text=hung up in the console by anna")
    context.close()
