"""Far ends, menus and Twilio's behaviour in a scenario's TOML: what they mean, and what is said of wrong ones."""

import tomllib
from pathlib import Path

import pytest

from bridge.errors import ConfigError
from replay.phone.exchange.town import Behaviour, FarEnd
from replay.phone.scenario import Scenario, parse
from replay.phone.script import HangUp, Level, Menu, Press, Say, Wait, WaitForReturn
from replay.phone.step_words import BEEP
from replay.sound.clips import clip
from replay.sound.formats import murmur

HERE = Path("call.toml")


def read(text: str) -> Scenario:
    return parse(tomllib.loads(text), HERE)


def test_a_far_end_has_a_result_a_time_and_the_steps_of_a_caller() -> None:
    told = read("""
        [far_ends."+15550199"]
        answers_after_ms = 500
        patience_ms = 100
        steps = [{ press = "1" }, { say = { text = "Hello", ms = 400 } }, "beep", "wait_for_return", "hang_up"]
        [far_ends."queue:support"]
        result = "full"
        [far_ends."client:anna"]
        answered_by = "machine_end_beep"
        verdict_after_ms = 4000
        tells_verdict = false
    """)
    anna = told.town.far_ends["+15550199"]
    assert (anna.result, anna.answers_after_ms, anna.script.patience_ms) == ("answers", 500, 100)
    assert anna.script.steps == (
        Press("1"), Wait(120), Say(murmur(400), "Hello"), BEEP, WaitForReturn(), HangUp(),
    )  # fmt: skip
    assert told.town.far_ends["queue:support"].result == "full"
    machine = told.town.far_ends["client:anna"]
    assert (machine.answered_by, machine.verdict_after_ms, machine.tells_verdict) == (
        "machine_end_beep",
        4000,
        False,
    )


def test_nobody_is_there_and_twilio_is_as_it_should_be_unless_a_file_says_otherwise() -> None:
    town = read("").town
    assert (dict(town.far_ends), town.behaviour) == ({}, Behaviour())
    assert FarEnd().result == "answers"


def test_a_menu_has_levels_that_keys_lead_to() -> None:
    told = read("""
        steps = [{ menu = "main" }]
        [menus.main]
        prompt = "agent_greeting"
        keys = { "1" = "order", "0" = "hang_up" }
        [menus.order]
        prompt = { text = "Your number?" }
        keys = { "1928" = "done" }
        wait_ms = 100
        tries = 1
    """)
    (menu,) = told.caller.steps
    assert isinstance(menu, Menu)
    assert menu.first == "main"
    assert menu.levels["main"].prompt.audio == clip("agent_greeting").audio
    assert menu.levels["order"] == Level(Say(murmur(720), "Your number?"), {"1928": "done"}, 100, 1)


def test_how_twilio_behaves_is_read() -> None:
    told = read("""
        [twilio]
        reentry_ms = 0
        actions = { dial = "twice", record = "never" }
        dial_bridged = "absent"
    """)
    assert told.town.behaviour == Behaviour(
        reentry_ms=0, actions={"dial": "twice", "record": "never"}, dial_bridged="absent"
    )


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("far_ends = 5", "[far_ends] = 5: use at most 100 tables, each [far_ends.NAME]"),
        ("far_ends.anna = 5", '[far_ends."anna"] = 5: use a table'),
        ("far_ends.anna.result = 'asleep'", 'result = "asleep": use "answers" or "busy"'),
        ("far_ends.anna.steps = ['sing']", '[far_ends."anna"] steps, number 1: sing: unknown step'),
        ("far_ends.anna.stepps = []", "stepps: unknown key; did you mean"),
        ("far_ends.anna.patience_ms = 'long'", "patience_ms = \"long\": use a whole number"),
        ("steps = [{ menu = 'main' }]", 'menu = "main": use the name of a table [menus.NAME]'),
        ("menus.main = 5", "[menus.main] = 5: use a table with prompt and keys"),
        ("menus.main.prompt = 'none'", "[menus.main] prompt = \"none\": use a clip"),
        ("menus.main = { prompt = 'caller_yes', keys = { x = 'done' } }", '[menus.main] keys: "x" = "done"'),
        ("menus.main = { prompt = 'caller_yes', keys = { 1 = 'off' } }", '[menus.main] keys: "1" = "off"'),
        ("menus.main = { prompt = 'caller_yes', kys = {} }", "[menus.main] kys: unknown key; did you mean keys?"),
        ("menus.main = { prompt = 'caller_yes', tries = 0 }", "[menus.main] wait_ms or tries: use a whole number"),
        ("menus.main = { prompt = { text = 5 } }", "use a clip, a sound file, or { text"),
        ("twilio.actions = { dial = 'soon' }", "actions = { dial = \"soon\" }: use a table of connect, dial"),
        ("twilio.actions = { sing = 'once' }", "use a table of connect, dial"),
        ("twilio.callbacks = 'odd'", '[twilio] callbacks = "odd": use "in_order" or'),
    ],
)  # fmt: skip
def test_a_fault_says_where_it_is_and_what_to_write(text: str, fault: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(text)
    (found,) = caught.value.faults
    assert fault in found
