"""The console in a real browser, over a running daemon: found by a word, watched live, hung up, read by everybody."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
import trio
from attrs import define
from browsing import PATIENCE_MS, Visit, visiting
from shown_calls import restaurant_call

from bench.stage import PROMPT, Place, Stage, open_stage, speech, words
from bridge.console.auth import LINK_SECONDS, login_link
from bridge.store.database import Store
from replay.model.script import Script
from replay.phone.ring import Caller
from replay.phone.script import WaitForAgent, WaitForEnd

if TYPE_CHECKING:
    from playwright.sync_api import Browser

TOKEN = "let-me-in"
TALK = Script(opening=(words("agent_greeting"),), turns=((words("caller_no"),),), delivery=PROMPT)
STAYS = Caller(steps=(WaitForAgent(), speech("caller_yes"), WaitForEnd()), answer_delay_ms=0)
T = TypeVar("T")


@define(eq=False)
class Running:
    """A daemon in a thread, and the way into its loop."""

    stage: Stage
    token: trio.lowlevel.TrioToken
    nursery: trio.Nursery

    @property
    def address(self) -> str:
        return f"http://{self.stage.daemon.monitoring.address}/console"

    def ring(self, caller: Caller) -> None:
        trio.from_thread.run_sync(self.nursery.start_soon, self.stage.ring, caller, trio_token=self.token)

    def wait(self, work: Callable[[], Any]) -> Any:
        return trio.from_thread.run(work, trio_token=self.token)

    def link(self) -> str:
        return login_link(TOKEN, self.address, "anna", time.time() + LINK_SECONDS)


@contextmanager
def running(folder: Path) -> Iterator[Running]:
    """Run a daemon and its stand-ins in a thread of their own."""
    told: list[Running | BaseException] = []
    is_up, leave = threading.Event(), trio.Event()

    async def run() -> None:
        place = Place(
            folder, script=TALK, admin={"bind": "127.0.0.1:0"}, admin_token=TOKEN, console={"on": True},
        )  # fmt: skip
        async with open_stage(place) as stage, trio.open_nursery() as nursery:
            told.append(Running(stage, trio.lowlevel.current_trio_token(), nursery))
            is_up.set()
            await leave.wait()
            nursery.cancel_scope.cancel()

    def work() -> None:
        try:
            trio.run(run)
        except BaseException as error:
            told.append(error)
        is_up.set()

    thread = threading.Thread(target=work)
    thread.start()
    assert is_up.wait(PATIENCE_MS / 1000)
    assert isinstance(told[0], Running), told
    try:
        yield told[0]
    finally:
        trio.from_thread.run_sync(leave.set, trio_token=told[0].token)
        thread.join(PATIENCE_MS / 1000)
        assert len(told) == 1, told


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder in which a call with a restaurant was recorded."""
    found = tmp_path_factory.mktemp("console")
    day = found / "data" / "tapes" / "2026-11-20"
    day.mkdir(parents=True)
    Store(found / "data" / "calls.duckdb").add([restaurant_call(day).path])
    return found


@pytest.fixture(scope="module")
def console(folder: Path) -> Iterator[Running]:
    with running(folder) as found:
        yield found


def test_a_call_is_found_by_a_word_and_played_from_there(browser: "Browser", console: Running) -> None:
    with visiting(browser, console.link()) as visit:
        page = visit.page
        page.keyboard.press("/")
        page.keyboard.type("kitchen closed")
        page.keyboard.press("Enter")
        page.wait_for_selector("td.said mark")
        page.keyboard.press("j")
        page.keyboard.press("Enter")
        page.wait_for_selector("#play")
        visit.wait("document.body.dataset.ready === 'yes'")
        page.click("#play")
        visit.wait("document.getElementById('time').textContent.split(' /')[0] > '0:00.5'")
        assert visit.serious() == []


def test_a_second_of_a_call_has_an_address(browser: "Browser", console: Running) -> None:
    with visiting(browser, console.link()) as visit:
        address = visit.page.get_attribute("td.when a", "href")
        visit.page.goto(f"{console.address.removesuffix('/console')}{address}#t=3.2")
        visit.page.wait_for_selector("#play")
        visit.wait("document.getElementById('time').textContent.startsWith('0:03.2')")


def test_a_call_appears_talks_is_hung_up_and_is_found(
    browser: "Browser", console: Running, picture: Callable[[Visit, str], None]
) -> None:
    with visiting(browser, console.link()) as visit:
        page = visit.page
        page.on("dialog", lambda dialog: dialog.accept())
        page.wait_for_selector("text=Nobody is on the line")
        before = page.locator("td.when a").count()
        console.ring(STAYS)
        page.wait_for_selector("article.live dt.agent")
        page.wait_for_selector("article.live dt.caller")
        assert visit.serious() == []
        picture(visit, "console")
        page.click("article.live button.danger")
        page.wait_for_selector("text=Nobody is on the line")
        visit.wait(f"document.querySelectorAll('td.when a').length === {before + 1}")
        assert "hung up in the console by anna" in page.inner_text("#history")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["calls", "quality?days=366", "trends?days=366", "login"])
def test_every_page_can_be_read_by_everybody(
    browser: "Browser", console: Running, path: str, scheme: Any
) -> None:
    with visiting(browser, console.link(), scheme=scheme) as visit:
        visit.page.goto(f"{console.address}/{path}")
        visit.page.wait_for_selector("main")
        assert visit.serious() == []


@pytest.mark.parametrize("path", ["calls", "quality?days=366", "trends?days=366"])
def test_a_phone_shows_all_of_it(browser: "Browser", console: Running, path: str) -> None:
    with visiting(browser, console.link(), width=390, height=844) as visit:
        visit.page.goto(f"{console.address}/{path}")
        visit.page.wait_for_selector("main")
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_first_page_is_small(browser: "Browser", console: Running) -> None:
    with visiting(browser, console.link()) as visit:
        visit.page.goto(f"{console.address}/calls")
        visit.page.wait_for_selector("td.when a")
        entries = (
            "[...performance.getEntriesByType('resource'), ...performance.getEntriesByType('navigation')]"
        )
        size = visit.page.evaluate(f"{entries}.reduce((sum, one) => sum + one.decodedBodySize, 0)")
    assert 5_000 < size <= 200_000
