"""A study's page in a real browser: it plays, jumps and zooms, takes labels by key, and works for everybody."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from attrs import evolve
from browsing import Visit, visiting
from vad_statuses import BESIDES, concluded
from vad_studies import HARD, a_study

from replay.vad.report.page import page
from replay.vad.study.ask import questions
from replay.vad.study.observed import observed
from replay.vad.study.study import Study
from replay.vad.truth.answers import sections_of
from replay.vad.truth.labels import read_lines

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CURSOR = "(call && Math.round(cursor))"
Picture = Callable[[Visit, str], None]


def told(study: Study) -> Study:
    """Return the study as one of calls that nobody labelled, with what its server did."""
    truths = tuple(evolve(truth, source="derived") for truth in study.truths)
    did = observed(study.recordings, study.probabilities, truths, study.hearing, resamples=50)
    return evolve(study, truths=truths, observed=did)


def not_knowing(study: Study) -> Study:
    """Return the study as one of calls that can't tell all that the budget asks for."""
    return told(evolve(study, sweep=evolve(study.sweep, unknown=frozenset({"short_missed", "not_ended"}))))


def risky(study: Study) -> Study:
    """Return the study for the cautious, of calls in which no setting is surely within the budget."""
    draws = study.sweep.draws | {"turns_cut": study.sweep.draws["turns_cut"] + 1}
    return concluded(evolve(study, sweep=evolve(study.sweep, draws=draws)), is_cautious=True)


STUDIES = {
    "change": lambda: told(a_study(calls=24)),
    "keep": lambda: told(a_study(calls=24, status="keep")),
    "impossible": lambda: told(a_study(calls=24, status="impossible", budget=HARD)),
    "uncalibrated": lambda: told(a_study(status="uncalibrated")),
    "imported": lambda: told(a_study(current=None)),
    "unknown": lambda: not_knowing(a_study(calls=24)),
    "semantic": lambda: BESIDES["semantic"](),
    "beyond": lambda: BESIDES["beyond"](),
    "blind": lambda: BESIDES["blind"](),
    "drowned": lambda: BESIDES["drowned"](),
    "risky": lambda: risky(a_study(calls=24)),
}


@pytest.fixture(scope="module")
def study() -> Study:
    return STUDIES["change"]()


@pytest.fixture(scope="module")
def address(study: Study, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("vad") / "vad.html"
    path.write_text(page(study), encoding="utf-8")
    return path.as_uri()


def test_it_plays_and_the_cursor_follows(browser: "Browser", address: str) -> None:
    with visiting(browser, address) as visit:
        before = visit.page.evaluate(CURSOR)
        visit.page.click("#play")
        visit.wait(f"{CURSOR} > {before} + 300")
        assert "Stop" in visit.page.inner_text("#play")
        visit.page.click("#play")
        assert "Play" in visit.page.inner_text("#play")


def test_a_moment_in_the_list_jumps_to_its_call_and_plays(browser: "Browser", address: str) -> None:
    with visiting(browser, address) as visit:
        button = visit.page.locator("button.go").last
        visit.page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        call, ms = (int(button.get_attribute(f"data-{name}") or -1) for name in ("call", "ms"))
        button.click()
        visit.wait(f"call === data.calls[{call}] && {CURSOR} >= {max(0, ms - 1000)}")
        assert visit.page.evaluate("view.start <= cursor && cursor <= view.start + view.span")
        assert visit.page.input_value("#call") == str(call)


def test_keys_and_wheel_zoom_and_move(browser: "Browser", address: str) -> None:
    with visiting(browser, address) as visit:
        span = "Math.round(view.span)"
        whole = visit.page.evaluate(span)
        visit.page.focus("#timeline")
        visit.page.keyboard.press("+")
        assert visit.page.evaluate(span) == pytest.approx(whole / 2, abs=1)
        start = visit.page.evaluate("view.start")
        visit.page.keyboard.press("ArrowRight")
        assert visit.page.evaluate("view.start") > start
        box = visit.page.locator("#timeline").bounding_box()
        assert box
        at = visit.page.evaluate("view.start + view.span / 2")
        visit.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 40)
        visit.page.keyboard.down("Control")
        visit.page.mouse.wheel(0, -240)
        visit.page.keyboard.up("Control")
        visit.wait(f"view.span < {whole / 2 - 1}")
        assert visit.page.evaluate("view.start + view.span / 2") == pytest.approx(at, abs=60)


def test_moments_are_answered_by_key_and_saved_as_labels(
    browser: "Browser", address: str, study: Study, tmp_path: Path
) -> None:
    asked = questions(study)
    with visiting(browser, address) as visit:
        visit.page.locator("#ask").scroll_into_view_if_needed()
        assert visit.page.inner_text("#asked").startswith(f"1 of {len(asked)}: ")
        keys = {"one or two": "t", "speech": "n"}
        for one in asked[:3]:
            visit.page.keyboard.press(keys[one.kind])
        assert visit.page.inner_text("#asked").startswith(f"4 of {len(asked)}: ")
        visit.page.keyboard.press("k")
        assert visit.page.inner_text("#answers button[aria-pressed=true] kbd") == keys[asked[2].kind]
        with visit.page.expect_download() as download:
            visit.page.keyboard.press("s")
        download.value.save_as(tmp_path / download.value.suggested_filename)
    sections = sections_of(tmp_path / "answers.labels.txt")
    recordings = {one.call_id: one for one in study.recordings}
    assert set(sections) == {study.recordings[one.call].call_id for one in asked[:3]}
    found = [
        span for name, lines in sections.items()
        for span in read_lines(lines, tmp_path, recordings[name]).checked or ()
    ]  # fmt: skip
    assert sorted(found) == sorted(one.span for one in asked[:3])


def test_keys_answer_nothing_while_the_question_is_not_seen(browser: "Browser", address: str) -> None:
    with visiting(browser, address) as visit:
        visit.page.evaluate("scrollTo(0, 0)")
        for key in ("o", "t", "y", "n", "u", "s"):
            visit.page.keyboard.press(key)
        assert visit.page.evaluate("answered.size") == 0


@pytest.mark.parametrize("name", STUDIES)
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (400, "light")])
def test_every_status_is_for_everybody_and_fits(
    browser: "Browser", tmp_path: Path, name: str, width: int, scheme: str, picture: Picture
) -> None:
    path = tmp_path / "vad.html"
    path.write_text(page(STUDIES[name]()), encoding="utf-8")
    with visiting(browser, path.as_uri(), width=width, scheme=scheme) as visit:  # type: ignore[arg-type]  # either
        assert visit.serious() == []
        assert visit.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        if (name, width, scheme) == ("change", 1280, "light"):
            picture(visit, "vad")
