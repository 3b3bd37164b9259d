"""A call's page: nothing of what was said breaks out of it, it needs nothing else, and what others wrote is theirs."""

import hashlib
import re
import tomllib
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hostile import HOSTILE, hostile_tape
from shown_calls import restaurant_call

from bridge.page.facts import document
from bridge.page.html import SCRIPTS, STATIC, STYLES, body, data_of, file_page, made_visible, static
from bridge.tapes.reader import read_tape
from bridge.text.visible import UNSEEN

TAPES = Path(__file__).parents[2] / "tapes"
VENDORED = tomllib.loads((STATIC / "vendor" / "vendored.toml").read_text(encoding="utf-8"))


class Seen(HTMLParser):
    """What a browser would make of a page: its elements, their attributes, and the scripts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self._is_script = False
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._is_script = tag == "script"

    def handle_endtag(self, tag: str) -> None:
        self._is_script = False

    def handle_data(self, data: str) -> None:
        if self._is_script:
            self.scripts.append(data)


@pytest.fixture(scope="module")
def harmless() -> Seen:
    return Seen(file_page(document(read_tape(TAPES / "interrupted.jsonl.gz"))))


def test_what_callers_models_and_tools_say_adds_no_element_and_no_attribute(harmless: Seen) -> None:
    hostile = Seen(file_page(document(hostile_tape()), note=HOSTILE))
    kinds = {tag for tag, _ in harmless.elements}
    assert {tag for tag, _ in hostile.elements} <= kinds
    names = {name for _, attrs in harmless.elements for name in attrs}
    assert {name for _, attrs in hostile.elements for name in attrs} <= names
    assert len(hostile.scripts) == len(harmless.scripts)
    assert hostile.scripts[1:] == harmless.scripts[1:]


def test_nothing_unseen_is_left_in_what_strangers_said() -> None:
    facts = made_visible(document(hostile_tape()))
    shown = body(facts) + data_of(facts)
    assert "\\u202e" in shown
    assert set(UNSEEN.findall(shown)) <= {"\n"}


def test_no_element_has_a_style_or_a_handler_of_its_own(harmless: Seen) -> None:
    names = {name for _, attrs in harmless.elements for name in attrs}
    assert [name for name in names if name == "style" or name.startswith("on")] == []


def test_the_page_asks_for_nothing_beside_itself(harmless: Seen) -> None:
    asks = [
        value
        for tag, attrs in harmless.elements
        for name, value in attrs.items()
        if name in ("src", "href", "action", "data", "srcset") and value
    ]
    assert asks == ["data:,", "#words"]
    assert "default-src 'none'" in str(harmless.elements)
    assert "unsafe" not in str(harmless.elements)


def test_the_same_call_gives_the_same_page() -> None:
    tape = read_tape(TAPES / "hung_up.jsonl.gz")
    assert file_page(document(tape)) == file_page(document(tape))


def test_without_its_sound_the_page_is_smaller_than_200_kb() -> None:
    assert len(file_page(document(restaurant_call())).encode()) < 200_000


def test_a_chart_comes_with_what_draws_it() -> None:
    facts = document(restaurant_call())
    assert ("uPlot=function" in file_page(facts), 'id="waits-chart"' in file_page(facts)) == (False, False)
    more = facts | {"waits": facts["waits"] * 2}
    assert ("uPlot=function" in file_page(more), 'id="waits-chart"' in file_page(more)) == (True, True)


@pytest.mark.parametrize("name", VENDORED)
def test_what_others_wrote_is_as_they_published_it_and_has_its_licence(name: str) -> None:
    told = VENDORED[name]
    assert hashlib.sha256((STATIC / "vendor" / name).read_bytes()).hexdigest() == told["sha256"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", told["version"])
    assert "Copyright" in (STATIC / "vendor" / told["text"]).read_text(encoding="utf-8")


def test_everything_vendored_is_named_and_used() -> None:
    files = {path.name for path in (STATIC / "vendor").iterdir() if path.suffix in (".js", ".css")}
    assert files == set(VENDORED)
    assert {f"vendor/{name}" for name in files} <= {*STYLES, *SCRIPTS}
    assert not any("</script" in static(name) for name in SCRIPTS)
