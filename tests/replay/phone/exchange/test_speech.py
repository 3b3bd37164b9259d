"""<Say>, <Play>, <Pause> and keys: what is heard, for how long, and where keys lead a menu that hears them."""

import pytest
from twiml_calls import a_call, response, town

from replay.phone.script import HangUp, Level, Menu, Say, Wait, WaitForQuiet
from replay.sound.formats import murmur
from replay.sound.tones import key

MAIN = Level(
    Say(murmur(1200), "For tables press 1, for hours press 2."), {"1": "tables", "2": "hours"}, 3000, 2
)
TABLES = Level(Say(murmur(800), "Type your number."), {"1928": "done", "0": "hang_up"}, 3000, 2)
HOURS = Level(Say(murmur(400), "We are open from noon."), {}, 1000, 1)
MENU = Menu({"main": MAIN, "tables": TABLES, "hours": HOURS}, "main")
THANKS = Say(murmur(500), "Thank you.")


async def test_words_take_their_time_and_are_heard() -> None:
    verbs = {"/voice": response("<Say>Twenty characters...</Say>", '<Pause length="2"/>', "<Say>Bye</Say>")}
    report, _ = await a_call(answers=verbs, town=town())
    first, second = report.words
    assert (first.ms, first.text) == (400, "Twenty characters...")
    assert second.at_ms - first.at_ms == pytest.approx(2400, abs=100)
    assert report.heard.count(murmur(400)) == 1


async def test_a_caller_hears_twilio_as_they_hear_an_agent() -> None:
    verbs = {"/voice": response("<Say>Twenty characters...</Say>", '<Pause length="60"/>')}
    report, _ = await a_call(WaitForQuiet(200), HangUp(), answers=verbs, town=town())
    assert (report.ended_by, report.missed) == ("caller", [])
    assert len(report.heard) < 8 * 2000


async def test_an_empty_text_and_a_wrong_language_are_warned_of() -> None:
    verbs = {"/voice": response("<Say/>", '<Say language="de">Hallo</Say>', "<Play>/music.mp3</Play>")}
    report, _ = await a_call(answers=verbs, town=town())
    assert [warned.code for warned in report.warnings] == [13520, 13512]
    assert [one.text for one in report.words][1:] == ["Hallo", "https://bridge.example.com/music.mp3"]


# ---------------------------------------------------------------- keys


async def test_keys_are_heard_as_tones_with_pauses_between_them() -> None:
    verbs = {"/voice": response('<Play digits="1w2W#"/>')}
    report, _ = await a_call(answers=verbs, town=town())
    (one, at_one), (two, at_two), (hash_key, _) = [(digit, ms) for ms, digit in report.keys_heard]
    assert [one, two, hash_key] == ["1", "2", "#"]
    assert at_two - at_one == pytest.approx(700, abs=60)
    assert key("1") in report.heard


@pytest.mark.parametrize(
    ("digits", "path", "said_thanks"),
    [
        ("WW1WW1928", ["main", "tables"], True),
        ("1w1928", ["main", "tables"], True),  # keys end a prompt
        ("2", ["main", "hours"], False),  # a level without keys waits, and hangs up
        ("9W1WW1928", ["main", "tables"], True),  # a wrong key: the prompt again
        ("1W1927W1928", ["main", "tables"], True),
        ("1W0", ["main", "tables"], False),
        ("", ["main"], False),
    ],
)
async def test_a_menu_is_walked_by_keys(digits: str, path: list[str], said_thanks: bool) -> None:
    play = f'<Play digits="{digits}"/>' if digits else ""
    verbs = {"/voice": response(play, '<Pause length="60"/>')}
    report, _ = await a_call(MENU, THANKS, Wait(300), HangUp(), answers=verbs, town=town())
    assert report.menu_path == path
    assert (THANKS.audio in report.said) is said_thanks
    assert report.ended_by == "caller"


async def test_a_menu_says_its_prompt_again_when_no_key_comes() -> None:
    verbs = {"/voice": response('<Pause length="60"/>')}
    report, _ = await a_call(MENU, answers=verbs, town=town())
    assert report.said.count(MAIN.prompt.audio) == 2
