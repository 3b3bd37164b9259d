"""Keys that a caller presses reach the model and the tools, and are kept nowhere unless an agent's `keys` says so."""

import json
from collections.abc import Mapping
from typing import Any

import attrs
import msgspec
import pytest

from bridge.agents import Agent
from bridge.heart.effects import AddText, EndCall
from bridge.heart.keys import sentence_of
from bridge.heart.wishes import InstructionWhispered
from bridge.store.records import records_of
from bridge.tapes import tape
from bridge.tapes.key_mask import KeyMask
from bridge.tapes.masking import webhook_form
from bridge.tapes.reader import Tape
from bridge.tapes.tape import MODEL, OPENAI, PHONE, TWILIO, Line, decode
from bridge.tools import tool
from bridge.wire import realtime
from replay.model.script import CallTool, Say, Script
from replay.phone.script import Caller, HangUp, Press, Wait, WaitForQuiet
from replay.simulation.simulate import Simulation
from replay.sound.formats import murmur
from replay.tapes.player import retold

PIN = "4711"
given: list[str] = []


@tool
async def check_pin(pin: str) -> str:
    """Check it."""
    given.append(pin)
    return f"{pin} is right"


def simulation(keys: str) -> Simulation:
    hello = Say(murmur(900), "Hello.")
    steps = (WaitForQuiet(300), *map(Press, f"{PIN}#"), Wait(3000), HangUp())
    turn = (CallTool("check_pin", {"pin": PIN}),)
    thanks = (Say(murmur(500), f"Thank you, {PIN} is right."),)
    script = Script(opening=(hello,), turns=(turn,), answers=(thanks,), fallback=(hello,))
    agent = Agent(name="front-desk", keys=keys)
    return Simulation(Caller(steps=steps), script, agent, (check_pin,))


@pytest.fixture
def masked() -> Tape:
    given.clear()
    return simulation("masked").run()


def test_the_model_and_its_tools_get_the_keys() -> None:
    given.clear()
    made = simulation("masked")
    made.run()
    assert given == [PIN]


def test_no_line_of_the_tape_has_the_number(masked: Tape) -> None:
    texts = [json.dumps(value) for raw in masked.lines if (value := _without_ids(json.loads(raw)))]
    assert [text for text in texts if PIN in text] == []


def test_a_number_that_was_pressed_is_hidden_in_what_is_whispered_too() -> None:
    mask = KeyMask.of("masked")
    mask.learn(AddText("b1", "user", sentence_of(PIN), PIN))
    asked = tape.asked_line(900, InstructionWhispered("ada", f"Their PIN is {PIN}."))
    assert mask.line(asked).asked == {
        "wish": "whisper", "who": "ada", "text": "Their PIN is xxxx.", "is_answered": False,
    }  # fmt: skip


def test_no_key_is_on_the_tape(masked: Tape) -> None:
    pressed = [
        line.message["dtmf"]["digit"]
        for line in map(decode, masked.lines)
        if b'"dtmf"' in bytes(line.msg or b"")
    ]
    assert pressed == ["x", "x", "x", "x", "#"]


def test_the_records_have_as_many_hidden_keys(masked: Tape) -> None:
    records = records_of(masked.header, map(decode, masked.lines))
    assert [row["said"] for row in records.transcript if row["role"] == "caller"] == [sentence_of("xxxx#")]
    assert PIN not in json.dumps(attrs.asdict(records)["tool_calls"])


def test_a_tape_with_hidden_keys_replays_without_a_difference(masked: Tape) -> None:
    assert list(retold(masked)) == masked.lines


def test_keys_are_kept_where_the_agent_says_so() -> None:
    kept = simulation("kept").run()
    said = [row["said"] for row in records_of(kept.header, map(decode, kept.lines)).transcript]
    assert sentence_of("4711#") in said
    assert list(retold(kept)) == kept.lines


@pytest.mark.parametrize("digit", ["12", 4, None, ["4"], "\u0664"])
def test_a_broken_key_is_kept_as_nothing_that_could_be_one(digit: Any) -> None:
    message = {"event": "dtmf", "streamSid": "MZ1", "dtmf": {"digit": digit}}
    line = Line(t_ms=0, leg=PHONE, sender=TWILIO, msg=msgspec.Raw(json.dumps(message).encode()))
    kept = KeyMask.of("masked").line(line)
    assert kept.message["dtmf"]["digit"] in ("xx", "x", None)


@pytest.mark.parametrize("digit", ["7", "#", "D", "Z", "12", "7 ", "", " ", "٣", 7, None, True])
def test_what_a_replay_hears_of_a_hidden_key_is_what_was_heard(digit: Any) -> None:
    message = {"event": "dtmf", "streamSid": "MZ1", "dtmf": {"track": "inbound_track", "digit": digit}}
    line = Line(t_ms=0, leg=PHONE, sender=TWILIO, msg=msgspec.Raw(json.dumps(message)))
    kept = KeyMask.of("masked").line(line)
    assert type(tape.event_of(kept)) is type(tape.event_of(line))
    assert not {"7", "1", "2", "D"} & set(str(json.loads(bytes(kept.msg))["dtmf"]["digit"]))  # type: ignore[arg-type]


def mask_of(keys: str) -> KeyMask:
    mask = KeyMask.of("masked")
    mask.learn(AddText("b1", "user", sentence_of(keys), keys))
    return mask


@pytest.mark.parametrize("text", ["4711", "4 7 1 1", "47 11.", "4-7-1-1", '{"pin": 4711}'])
def test_a_number_is_hidden_however_it_is_written(text: str) -> None:
    assert not any(digit in mask_of("4711#").text(text) for digit in "471")


@pytest.mark.parametrize("text", ["147110", "471", "at 4 or 7, 11 people"])
def test_other_numbers_stay(text: str) -> None:
    assert mask_of("4711#").text(text) == text


def test_a_menus_digit_is_hidden_in_its_sentence_alone() -> None:
    assert mask_of("1#").text(f"{sentence_of('1#')} 1 table") == f"{sentence_of('x#')} 1 table"


def test_ids_sound_and_times_stay_what_they_were() -> None:
    told = {
        "type": "response.output_item.done",
        "item": {"id": "item_4711"},
        "audio": "4711",
        "audio_end_ms": 4711,
    }
    assert _kept(told) == told


def test_pieces_of_a_text_lose_their_digits_as_an_entry_may_be_cut_in_two() -> None:
    assert _kept({"type": "response.output_audio_transcript.delta", "delta": "your 47"})["delta"] == "your xx"


def test_sound_is_left_alone() -> None:
    told = {"type": "response.output_audio.delta", "delta": "4711"}
    assert _kept(told) == told


def test_the_end_of_a_call_tells_no_number() -> None:
    assert mask_of("4711").ending(EndCall("tool", "PIN 4711 was right")).why == "PIN xxxx was right"


def test_digits_of_the_webhook_are_hidden() -> None:
    assert webhook_form({"Digits": "4711#"}, masked=False, keys_masked=True) == {"Digits": "xxxx#"}


def test_the_message_that_is_sent_has_the_keys_and_its_line_has_not() -> None:
    effect = AddText("b1", "user", sentence_of("4711#"), "4711#")
    line, message = tape.carry_out(0, effect)
    assert message == realtime.encode(effect)
    assert PIN in message
    assert PIN not in bytes(mask_of("4711#").line(line).msg or b"").decode()


def _kept(told: Mapping[str, Any]) -> Mapping[str, Any]:
    line = Line(t_ms=0, leg=MODEL, sender=OPENAI, msg=msgspec.Raw(json.dumps(told).encode()))
    return mask_of("4711#").line(line).message


def _without_ids(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_ids(part) for key, part in value.items() if key not in ("payload", "delta", "t_ms")
                and not key.endswith("id") and not isinstance(part, int)}  # fmt: skip
    return [_without_ids(part) for part in value] if isinstance(value, list) else value
