"""Calls with no event loop: the scripted peers, the real heart, a clock that only counts."""

from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import attrs
import pytest
import trio
from wire_checker import check_wire

from bridge.agents import Agent
from bridge.heart.audio import bytes_of
from bridge.settings.limits import Limits
from bridge.store.records import Records, records_of
from bridge.tapes.header import encode_header
from bridge.tapes.reader import Tape
from bridge.tapes.tape import BRIDGE, decode
from bridge.tools import Tool, tool
from replay.callers.restaurant import check_table, opening_hours
from replay.demo.stories import caller_does, model_says
from replay.model.script import CallTool, Delivery, Faults, Script
from replay.model.script import Say as Words
from replay.phone.network import Network
from replay.phone.script import (
    Caller,
    DropSocket,
    GoSilent,
    HangUp,
    InterruptAfter,
    Press,
    Say,
    SendRaw,
    StopReading,
    Wait,
    WaitForAgent,
    WaitForEnd,
    WaitForQuiet,
)
from replay.simulation.setup import NotSimulatedError
from replay.simulation.simulate import Simulation, simulate
from replay.sound.clips import clip
from replay.sound.formats import murmur
from replay.tapes.player import replay_tape, retold
from replay.tapes.rewrite import write_tape
from replay.tapes.wav import write_wav
from replay.tapes.wire import wire_lines

AGENT = Agent(name="front-desk", limits=Limits(lost_media_ms=3000, reconnects=0, stream_returns=0))
HELLO = Words(murmur(900), "Hello there.")
LONG = Words(murmur(6000), "This is a long answer with a good many words in it, and it goes on.")
BYE = (Words(murmur(600), "Goodbye."), CallTool("hang_up", {"reason": "all said"}))
SPEAKS = Say(murmur(800), "something")
ASKS = (WaitForQuiet(300), SPEAKS)


def script(*turns: tuple[Words | CallTool, ...], **settings: Any) -> Script:
    return Script(opening=(HELLO,), turns=turns, fallback=(HELLO,), **settings)


def call(caller: Caller, says: Script, tools: Sequence[Tool] = (), agent: Agent = AGENT) -> Simulation:
    simulation = Simulation(caller, says, agent, tools)
    tape = simulation.run()
    assert list(retold(tape)) == tape.lines
    return simulation


def records(simulation: Simulation) -> Records:
    return records_of(simulation.header, map(decode, simulation.lines))


def ending(simulation: Simulation) -> tuple[str, str]:
    row = records(simulation).call
    return row["ended_by"], row["why"]


def demo() -> Tape:
    return simulate(caller_does(), model_says(), AGENT, tools=(check_table, opening_hours))


# ---------------------------------------------------------------- a call as it should be


def test_the_demos_conversation_is_had_without_a_socket() -> None:
    tape = demo()
    found = records_of(tape.header, map(decode, tape.lines))
    assert found.call["ended_by"] == "tool"
    assert found.call["interruptions"] == 1
    assert [row["name"] for row in found.tool_calls] == ["check_table", "hang_up"]
    assert [row["role"] for row in found.transcript] == [
        "agent", "caller", "agent", "caller", "agent", "agent", "caller", "agent",
    ]  # fmt: skip
    assert found.transcript[1]["said"] == clip("caller_hours").text


def test_a_simulated_tape_is_one_like_any_other(tmp_path: Path) -> None:
    tape, path = demo(), tmp_path / "call.jsonl.gz"
    write_tape(path, [encode_header(tape.header), *tape.lines])
    assert replay_tape(path).difference is None
    assert check_wire.check_file(list(wire_lines(tape)), tape=True) == []
    write_wav(tape, tmp_path / "call.wav")
    assert (tmp_path / "call.wav").stat().st_size > bytes_of(20_000)


def test_the_same_call_is_the_same_tape_and_a_seed_makes_another() -> None:
    says, caller = script(BYE), Caller(steps=ASKS)
    assert simulate(caller, says, AGENT).lines == simulate(caller, says, AGENT).lines
    other = simulate(caller, says, AGENT, seed=7)
    assert other.header.call_id != simulate(caller, says, AGENT).header.call_id


def test_what_the_caller_hears_is_what_the_heart_believes() -> None:
    simulation = call(Caller(steps=(*ASKS, WaitForEnd())), script(BYE))
    assert [row["heard_ms"] for row in records(simulation).items] == [900, 600]
    assert HELLO.audio in simulation.line.heard
    assert murmur(600) in simulation.line.heard
    assert simulation.line.gaps == []


def test_an_interruption_clears_the_line_and_truncates_what_was_not_heard() -> None:
    says = script((LONG,), delivery=Delivery(speed=2))
    simulation = call(Caller(steps=(*ASKS, InterruptAfter(1500), SPEAKS, HangUp())), says)
    (cut,) = [row for row in records(simulation).items if row["cut"]]
    assert simulation.session.truncations[cut["item_id"]] == cut["heard_ms"]
    assert 1500 <= cut["heard_ms"] < cut["sent_ms"] < 6000
    assert len(simulation.line.clears) == 1
    assert simulation.session.responses[1].status == "cancelled"


def test_keys_reach_the_model_as_text() -> None:
    simulation = call(Caller(steps=(WaitForQuiet(300), Press("4"), Press("2"), Wait(3000))), script())
    (typed,) = [one for one in simulation.session.received if one["type"] == "conversation.item.create"]
    assert "42" in typed["item"]["content"][0]["text"]


def test_who_waits_in_vain_goes_on_and_it_is_known() -> None:
    simulation = call(Caller(steps=(WaitForAgent(500), HangUp())), attrs.evolve(script(), opening=()))
    assert [missed.step for missed in simulation.phone.actor.missed] == [WaitForAgent(500)]


# ---------------------------------------------------------------- tools


@tool
async def slow_look_up(day: str) -> str:
    """Take three seconds."""
    await trio.sleep(3)
    return f"nothing on {day}"


@tool
def broken_look_up() -> str:
    """Break."""
    raise ValueError("no such table")


def test_a_tool_that_sleeps_costs_the_call_that_time_and_us_none() -> None:
    began = perf_counter()
    says = script((CallTool("slow_look_up", {"day": "Friday"}),), answers=(BYE,))
    (row, _) = records(call(Caller(steps=ASKS), says, [slow_look_up])).tool_calls
    assert row["answered_ms"] - row["started_ms"] == 3000
    assert (row["output"], row["is_delivered"]) == ("nothing on Friday", True)
    assert perf_counter() - began < 2.5


def test_a_tool_that_breaks_is_an_answer_too() -> None:
    simulation = call(
        Caller(steps=ASKS), script((CallTool("broken_look_up"),), answers=(BYE,)), [broken_look_up]
    )
    row = records(simulation).tool_calls[0]
    assert (row["error_kind"], row["error"]) == ("crashed", "ValueError: no such table")
    assert ending(simulation) == ("tool", "all said")


def test_a_tool_outlives_a_call_and_its_outcome_is_in_the_record() -> None:
    says = script((CallTool("slow_look_up", {"day": "Friday"}),))
    simulation = call(Caller(steps=(*ASKS, Wait(2000), HangUp())), says, [slow_look_up])
    (row,) = records(simulation).tool_calls
    assert (row["error_kind"], row["output"], row["is_delivered"]) == (None, "nothing on Friday", False)
    assert row["answered_ms"] > records(simulation).call["duration_ms"]


BOOKED = (
    Words(murmur(1000), "It's booked. Goodbye!"),
    CallTool("slow_look_up", {"day": "Friday"}),
    CallTool("hang_up"),
)


@pytest.mark.parametrize("turn", [BOOKED, BOOKED[1:]], ids=["with a goodbye", "without a word"])
def test_hang_up_waits_for_what_was_promised_with_it(turn: tuple[Words | CallTool, ...]) -> None:
    simulation = call(Caller(steps=(*ASKS, WaitForEnd())), script(turn), [slow_look_up])
    row = next(row for row in records(simulation).tool_calls if row["name"] == "slow_look_up")
    ended = records(simulation).call
    assert (ended["ended_by"], row["output"]) == ("tool", "nothing on Friday")
    assert row["sent_ms"] is not None


@pytest.mark.parametrize("pause_ms", [100, 550, 700])
def test_what_a_caller_says_before_hanging_up_is_in_the_record(pause_ms: int) -> None:
    words = "Cancel my table, my number is 4711."
    steps = (WaitForQuiet(300), Say(murmur(1500), words), Wait(pause_ms), HangUp())
    simulation = Simulation(Caller(steps=steps), script(heard=(words,)), AGENT)
    tape = simulation.run()
    assert [row["said"] for row in records(simulation).transcript if row["role"] == "caller"] == [words]
    assert list(retold(tape)) == tape.lines
    assert simulation.ended_ms + 2000 >= decode(tape.lines[-1]).t_ms


def test_on_the_line_nothing_goes_on_after_the_end() -> None:
    """A tool outlives the call that its caller left; the line does not."""
    simulation = call(Caller(steps=(*ASKS, Wait(300), HangUp())), script(BOOKED), [slow_look_up])
    assert len(simulation.line.heard) / 8 <= simulation.ended_ms + 40
    assert decode(simulation.lines[-1]).t_ms > simulation.ended_ms


def test_nothing_is_answered_to_the_last_words() -> None:
    steps = (WaitForQuiet(300), Say(murmur(1500), "Bye"), Wait(700), HangUp())
    simulation = call(Caller(steps=steps), script(BYE, heard=("Bye",)), [])
    assert [response.status for response in simulation.session.responses[1:]] in ([], ["cancelled"])


# ---------------------------------------------------------------- what goes wrong

SURVIVED = ("caller", "hung up")
MODEL_FAULTS = [
    (Faults(refuse="http_401"), ("model", "refused the connection with HTTP 401")),
    (Faults(refuse="invalid_api_key"), ("model", "invalid_api_key")),
    (Faults(refuse="model_not_found"), ("model", "model_not_found")),
    (Faults(never_create=True), ("model", "not ready in time")),
    (Faults(never_update=True), ("model", "not ready in time")),
    (Faults(never_answer=True), ("model", "answered nothing")),
    (Faults(close_after_ms=1500), ("model", "session_expired")),
    (Faults(close_after_ms=1500, close_with_error=False), ("model", "connection lost (1001")),
    (Faults(drop_after_ms=1500), ("model", "connection lost (1006)")),
    (Faults(stall_after_ms=1500), ("model", "stopped responding")),
    (Faults(fail_responses=1), SURVIVED),
    (Faults(stray_errors=True), SURVIVED),
    (Faults(garbage=("binary_frame", "broken_json", "not_an_object", "missing_fields")), SURVIVED),
    (Faults(garbage=("unknown_event", "unknown_error")), SURVIVED),
]


@pytest.mark.parametrize(("faults", "expected"), MODEL_FAULTS)
def test_a_faulty_model_ends_the_call_as_it_does_over_sockets(
    faults: Faults, expected: tuple[str, str]
) -> None:
    caller = Caller(steps=(*ASKS, WaitForQuiet(500, timeout_ms=9000), HangUp()))
    by, why = ending(call(caller, script((HELLO,), faults=faults)))
    assert by == expected[0]
    assert expected[1] in why


LOSSES = [faults for faults, expected in MODEL_FAULTS if expected != SURVIVED and faults.refuse is None][3:]


@pytest.mark.parametrize("faults", LOSSES)
def test_a_session_that_is_lost_is_followed_by_one_that_answers(faults: Faults) -> None:
    caller = Caller(steps=(*ASKS, WaitForQuiet(500, timeout_ms=15_000), HangUp()))
    agent = attrs.evolve(AGENT, limits=attrs.evolve(AGENT.limits, reconnects=1))
    simulation = call(
        caller, script((HELLO,), faults=attrs.evolve(faults, first_sessions_only=1)), agent=agent
    )
    assert ending(simulation) == ("caller", "hung up")
    names = [row["name"] for row in records(simulation).milestones]
    assert (names.count("model_lost"), names.count("session_followed")) == (1, 1)
    said = [row["item_id"] for row in records(simulation).transcript]
    assert not [item_id for item_id in said if item_id.startswith("again_")]


CALLER_FAULTS = [
    (DropSocket(), ("caller", "media socket lost (1006)")),
    (GoSilent(), ("caller", "media stopped coming")),
    (StopReading(), ("caller", "phone leg stalled")),
    (SendRaw(b"\x00\x01"), SURVIVED),
    (SendRaw("{"), SURVIVED),
]


@pytest.mark.parametrize(("step", "expected"), CALLER_FAULTS)
def test_a_faulty_caller_ends_the_call_as_over_sockets(step: Any, expected: tuple[str, str]) -> None:
    caller = Caller(steps=(WaitForAgent(), step, SPEAKS, Wait(8000), HangUp()))
    assert ending(call(caller, script((LONG, LONG)))) == expected


def test_a_caller_who_says_nothing_is_left_after_their_patience() -> None:
    assert ending(call(Caller(patience_ms=2000), script())) == SURVIVED


def test_a_caller_without_patience_hangs_up_once() -> None:
    simulation = call(Caller(steps=(Wait(500), HangUp()), patience_ms=0), script())
    assert b"".join(simulation.lines).count(b'"event":"stop"') == 1
    assert ending(simulation) == SURVIVED


def test_a_call_that_is_over_before_its_stream_has_none_to_close() -> None:
    refused = script(faults=Faults(refuse="http_401"))
    tape = simulate(Caller(answer_delay_ms=5000), refused, AGENT)
    assert not [line for line in map(decode, tape.lines) if line.close]


def test_strange_beginnings_are_lived_through() -> None:
    caller = Caller(steps=ASKS, media_before_start=True, two_starts=True, start_delay_ms=400)
    simulation = call(caller, script(BYE))
    assert ending(simulation) == ("tool", "all said")
    assert records(simulation).call["stream_started_ms"] == 500


@pytest.mark.parametrize(
    "wrong",
    [{"signature": "wrong"}, {"second_socket": True}, {"token_override": "x"}, {"webhook_twice": True}],
)
def test_what_only_a_server_could_answer_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(NotSimulatedError, match=next(iter(wrong))):
        simulate(Caller(**wrong), script(), AGENT)


# ---------------------------------------------------------------- the network


def test_a_slow_network_makes_everything_later() -> None:
    far = Caller(steps=ASKS, network=Network(latency_ms=200))
    near, late = call(Caller(steps=ASKS), script(BYE)), call(far, script(BYE))
    assert ending(late) == ending(near)
    assert records(late).call["first_audio_heard_ms"] >= 400 > records(near).call["first_audio_heard_ms"]


def test_lost_frames_are_counted_by_the_heart_as_the_network_lost_them() -> None:
    simulation = call(Caller(steps=ASKS, network=Network(loss=0.1, seed=3)), script(BYE))
    lost = records(simulation).call["counts"]["caller frames lost"]
    assert 0 <= simulation.phone.frames_missing - lost <= 3  # nobody can miss the last ones
    assert lost > 5


@pytest.mark.parametrize("mode", ["cut", "frames", "single", "odd"])
def test_every_way_of_delivering_is_heard_whole(mode: Any) -> None:
    simulation = call(
        Caller(steps=(*ASKS, WaitForEnd())), script(BYE, delivery=Delivery(mode=mode, speed=40))
    )
    assert [row["heard_ms"] for row in records(simulation).items] == [900, 600]


def test_the_bridge_closes_what_its_peers_left_open() -> None:
    tape = simulate(Caller(steps=ASKS), script(BYE), AGENT)
    closes = [line.leg for line in map(decode, tape.lines) if line.close and line.sender == BRIDGE]
    assert closes == ["twilio_ws", "openai_ws"]
