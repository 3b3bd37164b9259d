"""What a page asks of a call that goes on: with a script and without, answered, refused, and what is not even asked."""

import os
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from consoles import Site, site
from lone_calls import Watched, a_call

from bridge.agents import Agent
from bridge.console.operator.acts import MOST_WHISPERED, choices_of
from bridge.heart.call import Call
from bridge.settings.places import Place
from bridge.tapes import tape
from bridge.tapes.tape import Line

WEBHOOK = Line(t_ms=0, leg=tape.HTTP, sender=tape.TWILIO, http={})
PLACES = {"sales": Place("sales", "orders", number="+15550100111")}
OWN = "/console/calls/CA1"
SCRIPT = {"Accept": "text/plain"}
PAGE = {"Accept": "text/html,application/xhtml+xml", "Referer": f"http://127.0.0.1:9090{OWN}"}


@pytest.fixture
async def call() -> Watched:
    """A call that goes on, with its own heart and no peers."""
    agent = evolve(Agent(name="front-desk"), listen_in=True, transfer=PLACES)
    found = a_call(agent, Call)
    found.live.begin(WEBHOOK)
    return found


@pytest.fixture
def console(tmp_path: Path, call: Watched) -> Site:
    return site(tmp_path, live=(call.live,))


def asked(call: Watched) -> list[Any]:
    """Return what was asked of a call, as it stands on its tape."""
    return [line.asked for line in call.lines if line.asked is not None]


async def test_a_whisper_reaches_the_call_in_one_line_with_who_it_was(console: Site, call: Watched) -> None:
    form = {"text": "  Offer\r\n a table  on the terrace. ", "now": "1"}
    answer = await console.post(f"{OWN}/whisper", form, **SCRIPT)
    assert (answer.status_code, await answer.get_data(as_text=True)) == (200, "Done.")
    text = "Offer a table on the terrace."
    assert asked(call) == [{"wish": "whisper", "who": "anna", "text": text, "is_answered": True}]


async def test_a_form_without_a_script_leads_back_to_its_page_or_to_the_reason(
    console: Site, call: Watched
) -> None:
    done = await console.post(f"{OWN}/whisper", {"text": "Be brief."}, **PAGE)
    assert (done.status_code, done.headers["Location"]) == (303, OWN)
    refused = await console.post(f"{OWN}/transfer", {"place": "<mars>"}, **PAGE)
    assert refused.status_code == 409
    page = await refused.get_data(as_text=True)
    assert "Not done: there is no such place; use one of: sales." in page
    assert "<mars>" not in page


@pytest.mark.parametrize("text", ["", " \n", "x" * (MOST_WHISPERED + 1)])
async def test_what_is_nothing_or_too_long_is_not_whispered(console: Site, call: Watched, text: str) -> None:
    answer = await console.post(f"{OWN}/whisper", {"text": text}, **SCRIPT)
    assert answer.status_code == 400
    assert f"1 to {MOST_WHISPERED} characters" in await answer.get_data(as_text=True)
    assert asked(call) == []


async def test_whoever_has_hung_up_is_told_that_the_call_is_over_until_it_can_be_read(
    console: Site, call: Watched, tmp_path: Path
) -> None:
    done = await console.post(f"{OWN}/hang-up", {}, **PAGE)
    assert (done.status_code, done.headers["Location"]) == (303, OWN)
    for _ in range(2):
        shown = await console.get(OWN)
        page = await shown.get_data(as_text=True)
        assert shown.status_code == 202
        assert "This call is over." in page
        assert '<meta http-equiv="refresh"' in page
        tape = tmp_path / "tapes" / "2026-01-01" / "CA1.jsonl"  # then the call is gone, and its tape is there
        tape.parent.mkdir(parents=True, exist_ok=True)
        tape.write_text("{}\n")
        console.pages.snapshot.live = ()  # type: ignore[attr-defined]
    os.utime(tape, (1, 1))
    assert (await console.get(OWN)).status_code == 404


@pytest.mark.parametrize("act", ["whisper", "transfer", "listen", "hang-up"])
async def test_of_a_call_that_does_not_go_on_nothing_is_asked(console: Site, act: str) -> None:
    form = {"text": "Be brief.", "place": "sales"}
    for headers in (SCRIPT, PAGE):
        assert (await console.post(f"/console/calls/CA2/{act}", form, **headers)).status_code == 404


@pytest.mark.parametrize("act", ["whisper", "transfer", "listen", "hang-up"])
async def test_a_page_of_somebody_else_asks_nothing(console: Site, call: Watched, act: str) -> None:
    form = {"text": "Be brief.", "place": "sales"}
    for origin in ("http://evil.example.com", "null", ""):
        assert (await console.post(f"{OWN}/{act}", form, Origin=origin)).status_code == 403
    assert (asked(call), call.live.end) == ([], None)


async def test_a_page_offers_the_places_of_the_file_and_listening_where_it_is_allowed(
    console: Site, call: Watched
) -> None:
    choices = choices_of(console.pages, "CA1")
    assert choices == {"places": [("sales", "orders")], "may_listen": True, "agent": "front-desk"}
    call.live.stop("operator", "enough")
    assert choices_of(console.pages, "CA1") == {"places": [], "may_listen": False}
