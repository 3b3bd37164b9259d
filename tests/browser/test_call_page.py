"""One call's page in a real browser: it plays, every word leads to its moment, and it works for everybody."""

from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from browsing import Visit, visiting
from hostile import hostile_tape
from shown_calls import restaurant_call

from bridge.heart.audio import to_pcm16
from bridge.page.facts import told
from bridge.sound.wave_file import read_wave
from bridge.tapes.reader import Tape, read_tape
from replay.tapes.page_file import page_file

if TYPE_CHECKING:
    from playwright.sync_api import Browser

TAPES = Path(__file__).parents[1] / "tapes"
READY = "document.body.dataset.ready === 'yes'"
NOW = "document.getElementById('time').textContent.split(' /')[0]"

Picture = Callable[[Visit, str], None]


def written(folder: Path, tape: Tape) -> str:
    """Write a call's page, and return its address."""
    path = folder / "call.html"
    path.write_text(page_file(tape), encoding="utf-8")
    return path.as_uri()


@pytest.fixture(scope="module")
def restaurant(tmp_path_factory: pytest.TempPathFactory) -> str:
    return written(tmp_path_factory.mktemp("page"), restaurant_call())


@pytest.fixture
def address(tmp_path: Path) -> str:
    return written(tmp_path, read_tape(TAPES / "interrupted.jsonl.gz"))


def seconds(visit: Visit) -> float:
    """Return where the playhead is."""
    minutes, rest = visit.page.evaluate(NOW).split(":")
    return int(minutes) * 60 + float(rest)


def test_it_plays_and_what_is_said_follows(browser: "Browser", address: str) -> None:
    with visiting(browser, address) as visit:
        visit.wait(READY)
        visit.page.click("#play")
        visit.wait(f"{NOW} > '0:00.5'")
        visit.wait("document.querySelector('.talk .agent.now .w.now') !== null")
        assert "Pause" in visit.page.inner_text("#play")
        visit.page.click("#play")
        visit.wait("document.getElementById('play').textContent.includes('Play')")


KEEP_SOUND = """
    const make = URL.createObjectURL;
    URL.createObjectURL = (blob) => { window.kept = blob; return make(blob); };
"""


def test_what_is_played_is_the_call_sample_for_sample(
    browser: "Browser", address: str, tmp_path: Path
) -> None:
    with visiting(browser, address, before=KEEP_SOUND) as visit:
        visit.wait(READY)
        text = visit.page.evaluate(
            "new Promise((done) => { const reader = new FileReader(); reader.onload = () => done(reader.result); "
            "reader.readAsDataURL(window.kept); })"
        )
    (tmp_path / "played.wav").write_bytes(b64decode(text.partition(",")[2]))
    _, sound = told(read_tape(TAPES / "interrupted.jsonl.gz"))
    caller, agent = read_wave(tmp_path / "played.wav", channels=2).channels
    assert caller.tobytes()[: 2 * len(sound.caller)] == to_pcm16(sound.caller)
    assert agent.tobytes()[: 2 * len(sound.agent)] == to_pcm16(sound.agent)


def test_a_click_on_a_word_leads_to_it(browser: "Browser", address: str) -> None:
    with visiting(browser, address) as visit:
        visit.wait(READY)
        visit.page.locator("[data-words]", has_text="nineteen").scroll_into_view_if_needed()
        word = visit.page.locator(".talk .agent .w", has_text="nineteen").first
        word.click()
        assert seconds(visit) == pytest.approx(int(word.get_attribute("data-at") or 0) / 1000, abs=0.11)
        visit.wait("document.querySelector('.w.now')?.textContent.includes('nineteen')")


def test_the_interruption_is_seen_and_one_click_plays_it(
    browser: "Browser", restaurant: str, picture: Picture
) -> None:
    with visiting(browser, restaurant) as visit:
        visit.wait(READY)
        assert visit.page.locator(".talk s").inner_text().endswith("the kitchen is closed.")
        assert visit.page.locator("svg.lane rect.unheard").count() == 1
        chip = visit.page.locator("[data-play]", has_text="cut in")
        assert "s heard of 11.6 s said" in chip.inner_text()
        chip.click()
        visit.wait(f"{NOW} > '0:06.9'")
        visit.wait("document.querySelector('.talk li.agent.now .w.now') !== null")
        visit.page.click("#play")
        picture(visit, "call")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_axe_finds_nothing_serious(browser: "Browser", address: str, scheme: str, width: int) -> None:
    with visiting(browser, address, width=width, scheme=scheme) as visit:  # type: ignore[arg-type]
        visit.wait(READY)
        for folded in visit.page.locator("details").all():
            folded.evaluate("one => { one.open = true; }")
        assert visit.serious() == []


def test_dark_is_dark(browser: "Browser", restaurant: str, picture: Picture) -> None:
    with visiting(browser, restaurant, scheme="dark") as visit:
        visit.wait(READY)
        shade = visit.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert max(int(part) for part in shade[4:-1].split(",")[:3]) < 60
        picture(visit, "call-dark")


def test_on_a_telephone_nothing_is_wider_than_the_screen(
    browser: "Browser", restaurant: str, picture: Picture
) -> None:
    with visiting(browser, restaurant, width=390, height=844) as visit:
        visit.wait(READY)
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= 390
        picture(visit, "call-phone")


def test_everything_can_be_done_with_keys(browser: "Browser", address: str) -> None:
    with visiting(browser, address) as visit:
        visit.wait(READY)
        keys = visit.page.keyboard
        for _ in range(3):
            keys.press("j")
        assert "Harbour Table opened" in visit.page.inner_text(".talk li.now")
        at_the_line = seconds(visit)
        keys.press("k")
        assert seconds(visit) < at_the_line
        keys.press("Home")
        assert seconds(visit) == 0
        keys.press("Shift+ArrowRight")
        assert seconds(visit) == pytest.approx(1.0, abs=0.11)
        keys.press("Space")
        visit.wait(f"{NOW} > '0:01.3'")
        keys.press("Space")
        visit.wait("document.getElementById('play').textContent.includes('Play')")
        keys.press("Tab")
        assert visit.page.evaluate("document.activeElement.className") == "skip"


WATCH_TIME = """
    window.ahead = 0;
    let last = null;
    new MutationObserver(() => {
        const [minutes, seconds] = document.getElementById('time').textContent.split(' /')[0].split(':');
        const now = { at: Number(minutes) * 60 + Number(seconds), clock: performance.now() / 1000 };
        if (last) window.ahead = Math.max(window.ahead, now.at - last.at - (now.clock - last.clock));
        last = now;
    }).observe(document.getElementById('time'), { childList: true });
"""


@pytest.mark.parametrize("is_asked", [True, False])
def test_silence_is_skipped_when_asked(browser: "Browser", tmp_path: Path, is_asked: bool) -> None:
    with visiting(browser, written(tmp_path, read_tape(TAPES / "late_stream.jsonl.gz"))) as visit:
        visit.wait(READY)
        visit.page.evaluate(WATCH_TIME)
        visit.page.set_checked("#skip", is_asked)
        visit.page.click("#play")
        visit.wait(f"{NOW} > '0:01.2'")
        assert (visit.page.evaluate("window.ahead") > 0.3) == is_asked


def test_a_moment_is_the_nearest_tenth_in_the_page_and_under_its_playhead(
    browser: "Browser", address: str
) -> None:
    with visiting(browser, f"{address}#t=0.29") as visit:
        visit.wait(f"{NOW} === '0:00.3'")
        for link in visit.page.locator(".talk [data-at].moment-link").all():
            link.click()
            assert visit.page.evaluate(NOW) == link.inner_text()


def test_the_tape_follows_the_playhead(browser: "Browser", address: str) -> None:
    with visiting(browser, address) as visit:
        visit.wait(READY)
        visit.page.click("#tape summary")
        visit.page.locator(".talk .cut [data-at]").click()
        visit.wait("document.querySelector('#taped tr.now')?.textContent.includes('0:02.6')")
        assert "barge_in" in visit.page.inner_text("#taped")


def test_zoomed_in_the_lanes_move_with_the_waveform(browser: "Browser", tmp_path: Path) -> None:
    address = written(tmp_path, read_tape(TAPES / "late_model.jsonl.gz"))
    with visiting(browser, address) as visit:
        visit.wait(READY)
        visit.page.select_option("#zoom", "6")
        wide = "document.getElementById('along').getBoundingClientRect().width"
        shown = "document.getElementById('view').clientWidth"
        visit.wait(f"{wide} >= {shown}")


def test_the_waits_of_a_longer_call_are_charted(browser: "Browser", tmp_path: Path) -> None:
    with visiting(browser, written(tmp_path, restaurant_call(turns=3))) as visit:
        visit.wait(READY)
        assert visit.page.locator("#waits-chart canvas").count() == 1
        assert visit.page.locator(".waits tbody tr").count() > 3


def test_nothing_that_is_said_runs_in_the_page(browser: "Browser", tmp_path: Path) -> None:
    with visiting(browser, written(tmp_path, hostile_tape())) as visit:
        visit.wait(READY)
        for folded in visit.page.locator("details").all():
            folded.evaluate("one => { one.open = true; }")
        visit.page.locator("[data-words]").first.scroll_into_view_if_needed()
        visit.page.locator(".w").nth(3).click()
        assert visit.page.evaluate("window.owned") is None
        assert visit.page.locator("main img, main a[href^=javascript]").count() == 0
        assert "window.owned=1" in visit.page.inner_text("#words")


def test_it_can_be_read_without_any_script(browser: "Browser", address: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address)
    assert "Harbour Table opened" in page.inner_text("#words")
    assert page.locator(".waits tbody tr").count() == 2
    context.close()


def test_printed_it_is_all_there(browser: "Browser", address: str) -> None:
    with visiting(browser, address) as visit:
        visit.wait(READY)
        visit.page.emulate_media(media="print")
        assert visit.page.is_hidden("#play")
        assert visit.page.evaluate("getComputedStyle(document.querySelector('.player')).position") == "static"
        assert visit.page.pdf().startswith(b"%PDF")
