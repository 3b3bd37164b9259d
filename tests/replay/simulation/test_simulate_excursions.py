"""Callers who leave the stream and come back, in whole simulated calls: their record, their sound, their tape."""

from base64 import b64decode
from typing import Any

from attrs import evolve
from rich.console import Console

from bridge.agents import Agent
from bridge.heart.audio import SILENCE, is_audible
from bridge.retention.erase import given_audio
from bridge.screen.output import show_call
from bridge.settings.limits import Limits
from bridge.settings.places import Collect, FailurePlan, Place, Voicemail
from bridge.store.records import Records, records_of
from bridge.tapes.reader import Tape
from bridge.tapes.recovery import closing_lines
from bridge.tapes.tape import OPENAI, PHONE, decode
from bridge.tools import tool
from replay.model.script import CallTool, Faults, Script
from replay.model.script import Say as Words
from replay.phone.script import Caller, HangUp, InterruptAfter, LoseStream, Say, WaitForEnd, WaitForQuiet
from replay.simulation.away import FarEnd
from replay.simulation.simulate import Simulation
from replay.sound.formats import murmur
from replay.tapes.pages import page_of
from replay.tapes.player import retold
from replay.tapes.wav import sound_of
from replay.tapes.wire import wire_lines
from replay.vad.truth.recording import read_recording

SPOKEN = murmur(400)
HELLO = Words(murmur(500), "Hello.")
PLACES = (
    Place("sales", number="+15550100111", ring_seconds=5),
    Place("anna", number="+15550100112", is_warm=True, ring_seconds=5),
)
PIN = "470812"


@tool
def check_pin(digits: str) -> str:
    """Check a PIN."""
    return "the PIN is right" if digits == PIN else f"the PIN is wrong: {digits}"


def agent(*steps: str, **changes: Any) -> Agent:
    found = Agent(
        name="front-desk",
        limits=Limits(answer_timeout_ms=3000),
        transfer={place.name: place for place in PLACES},
        send_digits=True,
        voicemail=Voicemail(),
        collect=Collect("check_pin"),
        failure=FailurePlan(steps),
    )
    return evolve(found, **changes)


AGENT = agent()
NONE = Faults()


def call(
    wish: CallTool,
    *far_ends: FarEnd,
    agent: Agent = AGENT,
    faults: Faults = NONE,
) -> tuple[Tape, Records]:
    """Return the tape and the record of a call whose caller says one thing, whereupon the model takes a way out."""
    script = Script(
        opening=(HELLO,),
        turns=((Words(murmur(700), "One moment, I will see to it."), wish),),
        answers=((Words(murmur(600), "So, here we are again."),),),
        fallback=(HELLO,),
        faults=faults,
    )  # fmt: skip
    steps = (WaitForQuiet(300), Say(murmur(500), "words"), WaitForQuiet(600), WaitForQuiet(600), HangUp())
    caller = Caller(steps=(*steps, WaitForEnd(20_000)))
    tape = Simulation(caller, script, agent, (check_pin,), far_ends=far_ends).run()
    assert list(retold(tape)) == tape.lines
    return tape, records_of(tape.header, map(decode, tape.lines))


def transfer(place: str) -> CallTool:
    return CallTool(
        "transfer_call", {"place": place, "reason": "an order", "summary": "Ann, about her order"}
    )


def legs(rows: Records) -> list[tuple[str, int, str | None, str | None]]:
    return [(row["part"], row["number"], row["place"], row["outcome"]) for row in rows.legs]


def test_whoever_nobody_answered_is_back_in_the_same_conversation() -> None:
    tape, rows = call(transfer("sales"), FarEnd("no_answer", after_ms=4000))
    assert legs(rows) == [
        ("stream", 1, None, "left"), ("excursion", 1, "sales", "no_answer"), ("dial", 1, "sales", "no_answer"),
        ("stream", 2, None, "hung_up"),
    ]  # fmt: skip
    created = [line for line in map(decode, tape.lines) if line.message.get("type") == "session.created"]
    assert len([line for line in created if line.sender == OPENAI]) == 1
    assert [row["said"] for row in rows.transcript if row["role"] == "agent"] == [
        "Hello.", "One moment, I will see to it.", "So, here we are again.",
    ]  # fmt: skip
    (wish,) = rows.tool_calls
    assert '"why":"nobody answered"' in wish["output"]


def test_the_first_words_on_return_are_there_when_the_stream_is() -> None:
    _, rows = call(transfer("sales"), FarEnd("busy"))
    returned = next(row["began_ms"] for row in rows.legs if row["part"] == "stream" and row["number"] == 2)
    (item,) = [row for row in rows.items if row["first_sent"] >= returned]
    assert item["first_sent"] - returned <= 300


def test_the_sound_of_a_call_has_silence_where_the_caller_was_away() -> None:
    tape, rows = call(transfer("sales"), FarEnd("busy", after_ms=4000))
    sound = sound_of(tape)
    first, _, _, second = rows.legs
    gone, back = (8 * (ms - first["began_ms"]) for ms in (first["ended_ms"], second["began_ms"]))
    assert back - gone > 8 * 4000
    assert set(sound.agent[gone:back]) <= {0xFF}
    assert set(sound.caller[gone:back]) <= {0xFF}
    assert set(sound.agent[back:]) - {0xFF}
    assert len(sound.caller) >= back + 8 * 600


def test_a_wire_log_has_both_streams_and_the_sound_of_each() -> None:
    tape, _ = call(transfer("sales"), FarEnd("busy"))
    messages = [
        (line["from"], line["msg"]) for line in wire_lines(tape) if line["leg"] == PHONE and "msg" in line
    ]
    first, second = [message["streamSid"] for _, message in messages if message.get("event") == "start"]
    sound = {first: b"", second: b""}
    for sender, message in messages:
        if sender == "bridge" and message["event"] == "media":
            sound[message["streamSid"]] += b64decode(message["media"]["payload"])
    assert sound == {first: murmur(500) + murmur(700), second: murmur(600)}


def test_whoever_took_the_call_ends_the_session_and_the_record_goes_on() -> None:
    tape, rows = call(transfer("anna"), FarEnd("completed", after_ms=40_000))
    assert (rows.call["ended_by"], rows.call["why"]) == ("tool", "transferred to anna")
    dial = rows.legs[-1]
    assert (dial["part"], dial["outcome"], dial["seconds"]) == ("dial", "completed", 40)
    assert dial["taken_ms"] - dial["began_ms"] < 2000
    over = next(line.t_ms for line in map(decode, tape.lines) if line.session_over)
    assert rows.call["duration_ms"] - over > 38_000


def test_a_pin_that_was_collected_is_nowhere_but_in_its_tool() -> None:
    tape, rows = call(CallTool("collect_digits", {"reason": "the PIN", "count": 6}), FarEnd(digits=PIN))
    assert PIN.encode() not in b"".join(tape.lines)
    assert [row["output"] for row in rows.tool_calls] == ["the PIN is right"]


def test_a_message_has_its_place_in_the_record() -> None:
    _, rows = call(CallTool("take_message", {"reason": "a complaint"}), FarEnd(after_ms=9000))
    (excursion,) = [row for row in rows.legs if row["part"] == "excursion"]
    assert (excursion["step"], excursion["outcome"], excursion["seconds"]) == ("voicemail", "recorded", 9)
    assert excursion["data"]["RecordingUrl"].startswith("https://")


def test_a_model_that_is_gone_hands_the_caller_on_step_by_step() -> None:
    faulty = Faults(drop_after_ms=1500)
    plan = agent("say:Our agent is ill.", "dial:sales", "voicemail")
    _, rows = call(
        transfer("sales"), FarEnd("busy", after_ms=2000), FarEnd(after_ms=7000), agent=plan, faults=faulty
    )
    assert [row["outcome"] for row in rows.legs if row["part"] == "excursion"] == ["busy", "recorded"]
    assert rows.call["ended_by"] == "model"
    assert rows.call["why"].endswith("; a message was left")


def test_a_page_of_a_call_shows_where_the_caller_was() -> None:
    tape, _ = call(transfer("anna"), FarEnd("completed", after_ms=40_000))
    screen = Console(record=True, width=120)
    show_call(page_of(tape), screen)
    told = screen.export_text()
    for words in ("leaves the stream: dial anna", "anna has taken the call", "dial anna: completed, 40 s"):
        assert words in told


def test_what_the_model_was_given_is_placed_on_the_line_of_both_streams() -> None:
    tape, rows = call(transfer("sales"), FarEnd("busy", after_ms=4000))
    first, second = (row for row in rows.legs if row["part"] == "stream")
    given = read_recording(tape)
    of_first = sum(
        line.append[1] - line.append[0] + 1
        for line in map(decode, tape.lines)
        if line.append is not None and line.t_ms < first["ended_ms"]
    )
    back_ms = second["began_ms"] - first["began_ms"]
    assert abs(given.audio_ms(back_ms) - 20 * of_first) <= 40
    assert given.audio_ms(back_ms + 500) - given.audio_ms(back_ms) == 500


def test_a_tape_that_breaks_off_while_the_caller_is_away_is_closed_and_says_where_they_were() -> None:
    tape, _ = call(transfer("sales"), FarEnd("busy", after_ms=4000))
    place = next(number for number, raw in enumerate(tape.lines) if b"/away/1/leg" in raw)
    torn = evolve(tape, lines=tape.lines[: place + 1])
    lines, why = closing_lines(torn)
    rows = records_of(tape.header, map(decode, [*torn.lines, *lines]))
    assert (why, rows.call["ended_by"], rows.call["next_step"]) == ("crashed", "bridge", "say")
    assert legs(rows)[1] == ("excursion", 1, "sales", "ended")


def test_keys_that_one_tool_was_given_are_hidden_even_where_keys_are_kept() -> None:
    kept = agent(keys="kept")
    tape, rows = call(
        CallTool("collect_digits", {"reason": "PIN", "count": 6}), FarEnd(digits="864209"), agent=kept
    )
    assert b"864209" not in b"".join(tape.lines)
    assert [row["output"] for row in rows.tool_calls] == ["the PIN is wrong: xxxxxx"]


def test_a_stream_that_breaks_off_is_connected_again_and_the_caller_goes_on() -> None:
    steps = (
        InterruptAfter(300),
        LoseStream(),
        WaitForQuiet(400),
        Say(murmur(400), "Hello?"),
        WaitForQuiet(400),
    )
    script = Script(opening=(Words(murmur(2000), "Hello there, and welcome."),), fallback=(HELLO,))
    simulation = Simulation(Caller(steps=(*steps, HangUp())), script, AGENT)
    tape = simulation.run()
    rows = records_of(tape.header, map(decode, tape.lines))
    assert legs(rows) == [("stream", 1, None, "lost"), ("stream", 2, None, "hung_up")]
    assert (rows.call["ended_by"], len(rows.turns)) == ("caller", 1)
    assert list(retold(tape)) == tape.lines
    lost, *_ = [row["ended_ms"] for row in rows.legs]
    assert is_audible(sound_of(tape).agent[8 * (lost + 1000) :][: 8 * 1000]), (
        "what came after it is in the WAV"
    )
    assert SPOKEN.strip(SILENCE) in given_audio(map(decode, tape.lines))
